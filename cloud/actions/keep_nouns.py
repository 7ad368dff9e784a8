"""Add or change one noun, or take in a file of them: all of it or nothing.

Whoever changes something says which version they looked at; what changed meanwhile is told, and
nothing of theirs is lost in silence. Runs as operations.
"""

from collections.abc import Mapping, Sequence
from zoneinfo import available_timezones

import psycopg

from cloud.core.imports import Plan, Sheet, Wrong, plan_of
from cloud.core.nouns import NOUNS, Kind, Mistake, Noun, Read, Values
from cloud.core.refusals import ChangedMeanwhile, NotAsAllowed, NounUnknown
from cloud.postgres import asking, nouns
from cloud.postgres.nouns import Row

Ids = dict[str, dict[tuple[str, ...], int]]


def add(conn: psycopg.Connection, noun: Noun, read: Read) -> int:
    """Its id. `NotAsAllowed` names every mistake at once."""
    nouns.take_turns(conn)
    references = _checked(conn, noun, read, None)
    return nouns.add(conn, noun, read.values, references)


def change(conn: psycopg.Connection, noun: Noun, row: Row, version: int, read: Read) -> None:
    """`row` was loaded in this transaction, after `take_turns`."""
    if row.version != version:
        first = row.id[0] if isinstance(row.id, tuple) else row.id
        changes = nouns.since(conn, noun, first, version)
        fields = sorted({name for one in changes for name in _changed(one.before, one.after)})
        raise ChangedMeanwhile(row.version, fields)
    references = _checked(conn, noun, read, row)
    if dict(read.values) != dict(row.values):
        _change(conn, noun, row, read.values, references)


def known(found: Row | None) -> Row:
    if found is None:
        raise NounUnknown
    return found


def preview(conn: psycopg.Connection, sheets: Sequence[Sheet]) -> Plan:
    there = {
        noun.name: {key: row.values for key, row in nouns.every(conn, noun).items()}
        for noun in NOUNS.values()
    }
    plan = plan_of(sheets, there)
    zones = available_timezones()
    for step in [*plan.steps]:
        if step.noun.name == "site" and step.values["time_zone"] not in zones:
            mistake = _zone_mistake(step.values)
            plan.steps.remove(step)
            plan.wrong.append(
                Wrong(
                    sheet=step.noun.plural,
                    row=step.row,
                    column=mistake.field,
                    given=mistake.given,
                    allowed=mistake.allowed,
                )
            )
    return plan


def take_in(conn: psycopg.Connection, sheets: Sequence[Sheet], mark: str | None) -> Plan | None:
    """Do what the plan says, if it is the one with this mark (None: whatever it is).

    None: it would be another plan by now, or something is wrong, and nothing was done.
    """
    nouns.take_turns(conn)
    asking.because(conn, "taken in from a file")
    plan = preview(conn, sheets)
    if plan.wrong or (mark is not None and plan.mark != mark):
        return None
    ids: Ids = {}
    for noun in NOUNS.values():
        steps = [step for step in plan.steps if step.noun is noun]
        if not steps:
            continue
        there = nouns.every(conn, noun)
        held = [_first(there[step.key]) for step in steps if step.was is not None]
        nouns.hold_bins(conn, noun, held)
        for step in steps:
            references = _references(conn, noun, step.values, ids)
            assert not _missing(step.values, references), "the plan has checked it"
            if step.was is None:
                new = nouns.add(conn, noun, step.values, references)
                ids.get(noun.name, {})[step.key] = new
            else:
                nouns.change(conn, noun, there[step.key], step.values, references)
        nouns.have_looked_at(conn, noun, held)
    return plan


# ------------------------------------------------------------------------------ one of them


def _first(row: Row) -> int:
    return row.id[0] if isinstance(row.id, tuple) else row.id


def _checked(
    conn: psycopg.Connection, noun: Noun, read: Read, row: Row | None
) -> dict[str, int | None]:
    """The ids of what it refers to; or all that is wrong with it."""
    references = _references(conn, noun, read.values, {})
    mistakes = [*read.mistakes]
    mistaken = {one.field for one in mistakes}
    for name in _missing(read.values, references):
        field = noun.by_name["path" if name == "parent" else name]
        if field.name not in mistaken:
            allowed = "within a place that is there" if name == "parent" else field.takes
            given = str(read.values.get(field.name))
            mistakes.append(Mistake(field=field.name, given=given, allowed=allowed))
    zone = read.values.get("time_zone")
    if noun.name == "site" and "time_zone" not in mistaken and zone not in available_timezones():
        mistakes.append(_zone_mistake(read.values))
    if not mistakes:
        there = nouns.every(conn, noun).get(noun.key_of(read.values))
        if there is not None and (row is None or there.id != row.id):
            field = noun.by_name[noun.key[-1]]
            given = str(read.values.get(field.name))
            mistakes.append(Mistake(field=field.name, given=given, allowed="not one that is taken"))
    if row is not None and noun.name == "place":
        mistakes += _place_stays(row, read)
    if mistakes:
        raise NotAsAllowed(mistakes)
    return references


def _place_stays(row: Row, read: Read) -> list[Mistake]:
    was, path = str(row.values["path"]), str(read.values.get("path"))
    if read.values.get("site") != row.values["site"]:
        given = str(read.values.get("site"))
        return [Mistake(field="site", given=given, allowed="the site it is on: places do not move")]
    if path.startswith(f"{was} / "):
        return [Mistake(field="path", given=path, allowed="not within itself")]
    return []


def _zone_mistake(values: Values) -> Mistake:
    field = NOUNS["site"].by_name["time_zone"]
    return Mistake(field="time_zone", given=str(values.get("time_zone")), allowed=field.takes)


def _references(
    conn: psycopg.Connection, noun: Noun, values: Values, ids: Ids
) -> dict[str, int | None]:
    """By field, and the "parent" of a place. `ids` is what was looked up before."""

    def id_of(refers: str, key: tuple[str, ...]) -> int | None:
        if refers not in ids:
            ids[refers] = nouns.ids_of(conn, NOUNS[refers])
        return ids[refers].get(key)

    found = {
        field.name: id_of(field.refers, nouns.reference_key(field.name, values))
        if values.get(field.name)
        else None
        for field in noun.fields
        if field.kind is Kind.NOUN
    }
    if noun.name == "place":
        parent = str(values.get("path") or "").rpartition(" / ")[0]
        found["parent"] = (
            id_of("place", (str(values.get("site") or ""), parent)) if parent else None
        )
    return found


def _missing(values: Values, references: Mapping[str, int | None]) -> list[str]:
    return [
        name
        for name, found in references.items()
        if found is None
        and (" / " in str(values.get("path")) if name == "parent" else values.get(name))
    ]


def _change(
    conn: psycopg.Connection,
    noun: Noun,
    row: Row,
    values: Values,
    references: Mapping[str, int | None],
) -> None:
    ids = [_first(row)]
    nouns.hold_bins(conn, noun, ids)
    nouns.change(conn, noun, row, values, references)
    nouns.have_looked_at(conn, noun, ids)


def _changed(before: dict[str, object] | None, after: dict[str, object]) -> list[str]:
    return [name for name, value in after.items() if (before or {}).get(name) != value]
