"""What the pages and the API share about the nouns people keep: found, shown, told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

import psycopg

from cloud.actions import keep_nouns
from cloud.core.imports import Plan
from cloud.core.nouns import BIN, ITEM, ITEM_SUPPLIER, NOUNS, Kind, Noun, Value, paper_of
from cloud.core.refusals import NounUnknown
from cloud.http import problems
from cloud.postgres import nouns
from cloud.postgres.nouns import Change, Listed, Row, Wanted
from cloud.postgres.sessions import Session

HISTORY_MAX = 100
QUERY_CHARS_MAX = 80
OPERATIONS = "operations"
# By which fields lists can be narrowed.
ONLY: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"site": ("customer",), "place": ("site",), "bin": ("site", "item", "supplier")}
)
_PRICE = ("price_e4", "currency")


@dataclass(frozen=True, kw_only=True)
class Difference:
    field: str
    label: str
    before: Value
    after: Value
    before_paper: str
    after_paper: str


@dataclass(frozen=True, kw_only=True)
class Told:
    version: int
    at: datetime
    by: str
    because: str
    what: str  # the item, its price, one of its suppliers
    new: bool
    differences: Sequence[Difference]


def find(conn: psycopg.Connection, noun: Noun, ident: str) -> Row:
    """A bin by its code, everything else by its number. What is not there or not theirs: 404."""
    if noun is BIN:
        return keep_nouns.known(nouns.find_bin(conn, ident))
    if not ident.isascii() or not ident.isdecimal() or len(ident) > 9:  # noqa: PLR2004 - an int4
        raise NounUnknown
    return keep_nouns.known(nouns.find(conn, noun, int(ident)))


def ident_of(noun: Noun, row: Row) -> str:
    return str(row.values["code"]) if noun is BIN else str(first_id(row))


def first_id(row: Row) -> int:
    return row.id[0] if isinstance(row.id, tuple) else row.id


def listed(conn: psycopg.Connection, noun: Noun, wanted: Wanted) -> Listed:
    try:
        return nouns.listed(conn, noun, wanted)
    except nouns.CursorUnknown:
        raise problems.Told(problems.CURSOR_UNKNOWN) from None


def out(row: Row) -> dict[str, Any]:
    number = {} if isinstance(row.id, tuple) else {"id": row.id}
    return number | {"version": row.version} | dict(row.values)


def plan_out(plan: Plan) -> dict[str, Any]:
    """A plan in JSON."""
    return {
        "mark": plan.mark,
        "unchanged": plan.unchanged,
        "new": [{"noun": one.noun.name, "row": one.row, "key": one.label} for one in plan.new],
        "changed": [
            {
                "noun": one.noun.name,
                "row": one.row,
                "key": one.label,
                "differences": [
                    {"label": label, "before": before, "after": after}
                    for label, before, after in one.differences
                ],
            }
            for one in plan.changed
        ],
        "wrong": [
            {
                "sheet": one.sheet,
                "row": one.row,
                "column": one.column,
                "given": one.given,
                "allowed": one.allowed,
            }
            for one in plan.wrong
        ],
    }


def history(conn: psycopg.Connection, session: Session, noun: Noun, row: Row) -> list[Told]:
    """Newest first. A supplier is told what changed, and not by which person."""
    changes = nouns.history(conn, noun, first_id(row), HISTORY_MAX)
    names = _Names(conn)
    theirs = session.role != OPERATIONS
    return [
        Told(
            version=one.version,
            at=one.at,
            by="operations" if theirs else one.by,
            because="" if theirs else one.because,
            what=_what(one, names),
            new=one.before is None,
            differences=_differences(one, names),
        )
        for one in changes
    ]


class _Names:
    """What ids in a change are called, looked up when one is met."""

    def __init__(self, conn: psycopg.Connection) -> None:
        self._conn = conn
        self._names: dict[str, dict[int, str]] = {}

    def of(self, noun: str, number: object) -> str | None:
        if not isinstance(number, int):
            return None
        if noun not in self._names:
            there = nouns.ids_of(self._conn, NOUNS[noun])
            self._names[noun] = {id_: key[-1] for key, id_ in there.items()}
        return self._names[noun].get(number)


def _what(change: Change, names: _Names) -> str:
    match change.noun:
        case "item_price":
            return "Its value"
        case "item_supplier":
            supplier = names.of("supplier", change.after.get("supplier_id"))
            return f"Supplied by {supplier or 'another'}"
        case _:
            return ""


def _differences(change: Change, names: _Names) -> list[Difference]:
    noun = {"item_price": ITEM, "item_supplier": ITEM_SUPPLIER}.get(change.noun) or NOUNS[
        change.noun
    ]
    table = nouns.TABLES[noun.name]
    found = []
    for field in noun.fields:
        if change.noun == "item" and field.name in _PRICE:
            continue
        column = table.refers.get(field.name, field.name)
        if noun.name == "place" and field.name == "path":
            column = "name"
        if column not in change.after or column in table.ids:
            continue
        before, after = (
            None if said is None else said.get(column) for said in (change.before, change.after)
        )
        if before == after:
            continue
        if field.kind is Kind.NOUN:
            before, after = names.of(field.refers, before), names.of(field.refers, after)
        found.append(
            Difference(
                field=field.name,
                label=field.label,
                before=before,
                after=after,
                before_paper=paper_of(field, before),
                after_paper=paper_of(field, after),
            )
        )
    return found
