"""What a file of nouns would change: what is new, changed, wrong. Nothing is done here.

A row is found by its key. A column that is missing changes nothing; an empty cell means the
default. A row that says what is there already is no change, so a file may be taken in again.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cloud.core.nouns import (
    NOUNS,
    Kind,
    Noun,
    Value,
    Values,
    paper,
    paper_of,
    read_paper,
)

MISTAKES_MAX = 200  # beyond that nobody reads on

Key = tuple[str, ...]
Known = Mapping[str, Mapping[Key, Values]]  # by noun and key


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """One table of a file, as text. `comma`: a comma is its mark for decimals."""

    name: str
    columns: Sequence[str]
    rows: Sequence[tuple[int, Sequence[str]]]  # the number of the row in the file
    comma: bool = False


@dataclass(frozen=True, kw_only=True)
class Wrong:
    sheet: str
    row: int
    column: str
    given: str
    allowed: str


@dataclass(frozen=True, kw_only=True)
class Step:
    """One row to write. `was` is None: it is new."""

    noun: Noun
    row: int
    key: Key
    values: Values
    was: Values | None

    @property
    def label(self) -> str:
        return " · ".join(part for part in self.key if part)

    @property
    def differences(self) -> list[tuple[str, str, str]]:
        """Label, before, after."""
        was = self.was or {}
        return [
            (one.label, paper_of(one, was.get(one.name)), paper_of(one, self.values.get(one.name)))
            for one in self.noun.fields
            if self.was is None or was.get(one.name) != self.values.get(one.name)
        ]


@dataclass(kw_only=True)
class Plan:
    steps: list[Step] = field(default_factory=list)
    wrong: list[Wrong] = field(default_factory=list)
    unchanged: int = 0

    @property
    def new(self) -> list[Step]:
        return [step for step in self.steps if step.was is None]

    @property
    def changed(self) -> list[Step]:
        return [step for step in self.steps if step.was is not None]

    @property
    def mark(self) -> str:
        """Of what was previewed: another mark is another plan."""
        said = [
            [
                step.noun.name,
                step.key,
                dict(step.values),
                None if step.was is None else {**step.was},
            ]
            for step in self.steps
        ]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def plan_of(sheets: Sequence[Sheet], known: Known) -> Plan:
    plan = Plan()
    there = {name: dict(rows) for name, rows in known.items()}
    by_noun = {sheet.name: sheet for sheet in sheets}
    for sheet in sheets:
        if sheet.name not in {noun.plural for noun in NOUNS.values()}:
            allowed = "a sheet or file named " + ", ".join(noun.plural for noun in NOUNS.values())
            plan.wrong.append(
                Wrong(sheet=sheet.name, row=1, column="", given=sheet.name, allowed=allowed)
            )
    for noun in NOUNS.values():
        if noun.plural in by_noun:
            _plan_sheet(noun, by_noun[noun.plural], there, plan)
    return plan


def _plan_sheet(noun: Noun, sheet: Sheet, there: dict[str, dict[Key, Values]], plan: Plan) -> None:
    columns = [column.strip().lower() for column in sheet.columns]
    if not _columns_fit(noun, sheet, columns, plan):
        return
    seen: dict[Key, int] = {}
    mine = there.setdefault(noun.name, {})
    for number, cells in _in_order(noun, columns, sheet.rows):
        given = {c: cells[n].strip() if n < len(cells) else "" for n, c in enumerate(columns)}
        key = tuple(given[noun.by_name[part].on_paper] for part in noun.key)
        was = mine.get(key)
        if key in seen:
            plan.wrong.append(
                Wrong(
                    sheet=sheet.name,
                    row=number,
                    column=noun.by_name[noun.key[-1]].on_paper,
                    given=" · ".join(key),
                    allowed=f"each once; it stands in row {seen[key]} already",
                )
            )
            continue
        seen[key] = number
        if was is not None and _says_the_same(noun, given, was, comma=sheet.comma):
            plan.unchanged += 1
            continue
        read = read_paper(noun, given, was, comma=sheet.comma)
        mistakes = [(one.field, one.given, one.allowed) for one in read.mistakes]
        mistaken = {name for name, *_ in mistakes}
        mistakes += [one for one in _unknown(noun, read.values, there) if one[0] not in mistaken]
        for name, what, allowed in mistakes:
            column = noun.by_name[name].on_paper
            plan.wrong.append(
                Wrong(sheet=sheet.name, row=number, column=column, given=what, allowed=allowed)
            )
        if not mistakes:
            plan.steps.append(Step(noun=noun, row=number, key=key, values=read.values, was=was))
            mine[key] = read.values


def _columns_fit(noun: Noun, sheet: Sheet, columns: list[str], plan: Plan) -> bool:
    known = {one.on_paper for one in noun.fields}
    # What must be there of every row: the key; the rest is said row by row.
    needed = [noun.by_name[part].on_paper for part in noun.key]
    wrong = [(c, f"one of {', '.join(sorted(known))}") for c in columns if c not in known]
    wrong += [(c, "once") for c in sorted({c for c in columns if columns.count(c) > 1})]
    wrong += [(c, "there: it says which row is meant") for c in needed if c not in columns]
    for column, allowed in wrong:
        plan.wrong.append(
            Wrong(sheet=sheet.name, row=1, column=column, given=column, allowed=allowed)
        )
    return not wrong


def _in_order(
    noun: Noun, columns: Sequence[str], rows: Sequence[tuple[int, Sequence[str]]]
) -> list[tuple[int, Sequence[str]]]:
    """Of places those first that others lie in."""
    if noun.name != "place":
        return [*rows]
    at = columns.index("path")
    return sorted(rows, key=lambda row: row[1][at].count(" / ") if at < len(row[1]) else 0)


def _says_the_same(noun: Noun, given: Mapping[str, str], was: Values, *, comma: bool) -> bool:
    """Also when what is there would not be allowed today."""
    as_shown = paper(noun, was)
    if all(as_shown.get(name) == text for name, text in given.items()):
        return True
    read = read_paper(noun, given, was, comma=comma)
    return not read.mistakes and dict(read.values) == dict(was)


def _unknown(
    noun: Noun, values: Values, there: Mapping[str, Mapping[Key, Values]]
) -> list[tuple[str, str, str]]:
    found = []
    for one in noun.fields:
        value = values.get(one.name)
        if one.kind is Kind.NOUN and value and not known_to(one.name, values, one.refers, there):
            found.append((one.name, str(value), one.takes))
    path = str(values.get("path") or "")
    parent = path.rpartition(" / ")[0]
    if noun.name == "place" and parent:
        site = str(values.get("site") or "")
        if (site, parent) not in there.get("place", {}):
            found.append(("path", path, f"a place within one that is there; {parent} is not"))
    return found


def known_to(
    name: str, values: Values, refers: str, there: Mapping[str, Mapping[Key, Values]]
) -> bool:
    value: Value = values.get(name)
    key = (str(values.get("site") or ""), str(value)) if name == "place" else (str(value),)
    return key in there.get(refers, {})
