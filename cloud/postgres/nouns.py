"""The nouns that people keep, as rows: listed, found, written; `cloud.core.nouns` describes them.

References are by name outside and by id inside; what turns one into the other is here. All runs
under whoever is asking (see `asking`): a supplier lists and finds its own, and writes nothing.
"""

import base64
import binascii
import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import class_row, dict_row

from cloud.core.nouns import NOUNS, Noun, Value, Values

LIMIT_MAX = 200
WORDS_MAX = 8
_EDITING = 0x6E6F756E73  # "nouns" in ASCII: writers of nouns take turns, so that a preview holds


@dataclass(frozen=True, kw_only=True)
class Table:
    """Where a noun lies: its row with names for ids, what it is sorted by and searched in."""

    name: str
    ids: tuple[str, ...]
    select: str
    sort: str
    words: str
    # Names to columns where they differ; the columns of references, with what they refer to.
    refers: Mapping[str, str] = dataclasses.field(default_factory=lambda: MappingProxyType({}))
    elsewhere: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Row:
    id: int | tuple[int, int]
    version: int
    values: Values


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a list is asked for. `only` are exact matches by field, as {"site": "Lindau Pumps"}."""

    q: str = ""
    only: Mapping[str, str] = dataclasses.field(default_factory=lambda: MappingProxyType({}))
    active: bool | None = None
    after: str = ""
    limit: int = 50


@dataclass(frozen=True, kw_only=True)
class Listed:
    rows: Sequence[Row]
    next: str  # the cursor that goes on from here; empty: nothing more


@dataclass(frozen=True, kw_only=True)
class Change:
    noun: str
    version: int
    at: datetime
    by: str
    because: str
    before: dict[str, Any] | None
    after: dict[str, Any]


TABLES: Mapping[str, Table] = MappingProxyType(
    {
        "customer": Table(
            name="customers",
            ids=("customer_id",),
            select="SELECT t.customer_id, t.version, t.name, t.number, t.active FROM customers t",
            sort="t.name",
            words="t.name || ' ' || t.number",
        ),
        "supplier": Table(
            name="suppliers",
            ids=("supplier_id",),
            select="SELECT t.supplier_id, t.version, t.name, t.number, t.active FROM suppliers t",
            sort="t.name",
            words="t.name || ' ' || t.number",
        ),
        "site": Table(
            name="sites",
            ids=("site_id",),
            select="SELECT t.site_id, t.version, t.name, c.name AS customer, t.place, t.time_zone,"
            " t.active FROM sites t LEFT JOIN customers c USING (customer_id)",
            sort="t.name",
            words="concat_ws(' ', t.name, t.place, c.name)",
            refers=MappingProxyType({"customer": "customer_id"}),
        ),
        "place": Table(
            name="places",
            ids=("place_id",),
            select="SELECT t.place_id, t.version, si.name AS site, t.path, t.kind, t.active"
            " FROM places t JOIN sites si USING (site_id)",
            sort="si.name || chr(1) || t.path",
            words="si.name || ' ' || t.path",
            refers=MappingProxyType({"site": "site_id"}),
            elsewhere=("path",),
        ),
        "item": Table(
            name="items",
            ids=("item_id",),
            select="SELECT t.item_id, t.version, t.sku, t.name, t.unit_weight_ug, t.unit_sd_ug,"
            " t.unit_error_ug, t.pack, pr.price_e4, pr.currency, t.active"
            " FROM items t LEFT JOIN item_prices pr USING (item_id)",
            sort="t.sku",
            words="t.sku || ' ' || t.name",
            elsewhere=("price_e4", "currency"),
        ),
        "item_supplier": Table(
            name="item_suppliers",
            ids=("item_id", "supplier_id"),
            select="SELECT t.item_id, t.supplier_id, t.version, i.sku AS item, su.name AS supplier,"
            " t.supplier_sku, t.pack, t.moq, t.lead_time_days, t.price_e4, t.currency, t.active"
            " FROM item_suppliers t JOIN items i USING (item_id)"
            " JOIN suppliers su USING (supplier_id)",
            sort="i.sku || chr(1) || su.name",
            words="concat_ws(' ', i.sku, i.name, su.name, t.supplier_sku)",
            refers=MappingProxyType({"item": "item_id", "supplier": "supplier_id"}),
        ),
        "bin": Table(
            name="bins",
            ids=("bin_id",),
            select="SELECT t.bin_id, t.version, t.code, si.name AS site, p.path AS place,"
            " i.sku AS item, su.name AS supplier, t.capacity, t.minimum, t.margin, t.order_up_to,"
            " t.refill_min_pieces, t.tare_mg, t.scale_sd_mg, t.measure, t.pieces_per_count,"
            " t.interval_s, t.ownership, t.critical, t.active"
            " FROM bins t JOIN sites si USING (site_id) JOIN items i USING (item_id)"
            " JOIN suppliers su USING (supplier_id) LEFT JOIN places p USING (place_id)",
            sort="t.code",
            words="",
            refers=MappingProxyType(
                {
                    "site": "site_id",
                    "place": "place_id",
                    "item": "item_id",
                    "supplier": "supplier_id",
                }
            ),
        ),
    }
)
_NAME_OF = MappingProxyType(
    {"site": "si.name", "customer": "c.name", "item": "i.sku", "supplier": "su.name"}
)


# Bins are many and what they refer to is few: that is searched first, and joined for what is shown.
_BIN_WORD = (
    "(t.code ILIKE %s OR t.place ILIKE %s"
    " OR t.place_id IN (SELECT place_id FROM places WHERE path ILIKE %s)"
    " OR t.item_id IN (SELECT item_id FROM items WHERE sku || ' ' || name ILIKE %s)"
    " OR t.supplier_id IN (SELECT supplier_id FROM suppliers WHERE name ILIKE %s)"
    " OR t.site_id IN (SELECT site_id FROM sites WHERE name ILIKE %s))"
)
_BIN_ONLY = MappingProxyType(
    {
        "site": "t.site_id = (SELECT site_id FROM sites WHERE name = %s)",
        "item": "t.item_id = (SELECT item_id FROM items WHERE sku = %s)",
        "supplier": "t.supplier_id = (SELECT supplier_id FROM suppliers WHERE name = %s)",
    }
)


# ------------------------------------------------------------------------------ reading


def listed(conn: psycopg.Connection, noun: Noun, wanted: Wanted) -> Listed:
    table = TABLES[noun.name]
    where: list[str] = ["true"]
    values: list[object] = []
    is_bin = noun.name == "bin"
    for word in wanted.q.split()[:WORDS_MAX]:
        literal = word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        where.append(_BIN_WORD if is_bin else f"{table.words} ILIKE %s")
        values += [f"%{literal}%"] * where[-1].count("%s")
    for name, value in wanted.only.items():
        where.append(_BIN_ONLY[name] if is_bin else f"{_NAME_OF[name]} = %s")
        values.append(value)
    if wanted.active is not None:
        where.append("t.active = %s")
        values.append(wanted.active)
    if wanted.after:
        where.append(f"{table.sort} > %s")  # unique, so nothing falls between two pages
        values.append(_cursor(wanted.after))
    limit = max(1, min(wanted.limit, LIMIT_MAX))
    select = table.select.replace(" FROM ", f", {table.sort} AS sorted FROM ", 1)
    which = f"WHERE {' AND '.join(where)} ORDER BY {table.sort} LIMIT %s"
    if is_bin:
        few = f"FROM (SELECT * FROM bins t {which}) t"  # noqa: S608 - of constants
        query = f"{select.replace('FROM bins t', few, 1)} ORDER BY {table.sort}"
    else:
        query = f"{select} {which}"
    rows = _rows(conn, noun, query, (*values, limit + 1))
    more = len(rows) > limit
    return Listed(
        rows=[row for row, _ in rows[:limit]],
        next=base64.urlsafe_b64encode(json.dumps(rows[limit - 1][1]).encode()).decode()
        if more
        else "",
    )


def every(conn: psycopg.Connection, noun: Noun) -> dict[tuple[str, ...], Row]:
    """All there are, by their key: for files."""
    table = TABLES[noun.name]
    rows = _rows(conn, noun, f"{table.select} ORDER BY {table.sort}", ())
    return {noun.key_of(row.values): row for row, _ in rows}


def find(conn: psycopg.Connection, noun: Noun, *ids: int) -> Row | None:
    table = TABLES[noun.name]
    where = " AND ".join(f"t.{column} = %s" for column in table.ids)
    rows = _rows(conn, noun, f"{table.select} WHERE {where}", ids)
    return rows[0][0] if rows else None


def find_bin(conn: psycopg.Connection, code: str) -> Row | None:
    rows = _rows(conn, NOUNS["bin"], f"{TABLES['bin'].select} WHERE t.code = %s", (code,))
    return rows[0][0] if rows else None


def lines_of(conn: psycopg.Connection, item_id: int) -> list[Row]:
    """Who supplies an item."""
    table = TABLES["item_supplier"]
    query = f"{table.select} WHERE t.item_id = %s ORDER BY su.name"
    return [row for row, _ in _rows(conn, NOUNS["item_supplier"], query, (item_id,))]


def history(conn: psycopg.Connection, noun: Noun, noun_id: int, limit: int) -> list[Change]:
    """Newest first; of an item with its price and its suppliers."""
    nouns = ["item", "item_price", "item_supplier"] if noun.name == "item" else [noun.name]
    cursor = conn.cursor(row_factory=class_row(Change))
    return cursor.execute(
        "SELECT noun, version, at, by, because, before, after FROM changes"
        " WHERE noun_id = %s AND noun = ANY(%s) ORDER BY change_id DESC LIMIT %s",
        (noun_id, nouns, limit),
    ).fetchall()


def since(conn: psycopg.Connection, noun: Noun, noun_id: int, version: int) -> list[Change]:
    """What has changed since a version that somebody looked at."""
    return [c for c in history(conn, noun, noun_id, LIMIT_MAX) if c.version > version]


def item_names(conn: psycopg.Connection, skus: Sequence[Value]) -> dict[str, str]:
    rows = conn.execute("SELECT sku, name FROM items WHERE sku = ANY(%s)", ([*skus],)).fetchall()
    return dict(rows)


def names(conn: psycopg.Connection, noun: Noun, limit: int) -> list[str]:
    """What a form suggests."""
    table = TABLES[noun.name]
    key = {"place": "t.path", "item": "t.sku"}.get(noun.name, "t.name")
    query = f"SELECT DISTINCT {key} FROM {table.name} t WHERE t.active ORDER BY 1 LIMIT %s"  # noqa: S608 - of constants
    rows = conn.execute(query, (limit,)).fetchall()
    return [name for (name,) in rows]


def ids_of(conn: psycopg.Connection, noun: Noun) -> dict[tuple[str, ...], int]:
    return {key: row.id for key, row in every(conn, noun).items() if isinstance(row.id, int)}


def _rows(
    conn: psycopg.Connection, noun: Noun, query: str, values: Iterable[object]
) -> list[tuple[Row, str]]:
    table = TABLES[noun.name]
    found = []
    with conn.cursor(row_factory=dict_row) as cursor:
        for row in cursor.execute(query, tuple(values)).fetchall():
            ids = tuple(row[column] for column in table.ids)
            found.append(
                (
                    Row(
                        id=ids[0] if len(ids) == 1 else (ids[0], ids[1]),
                        version=row["version"],
                        values={field.name: row[field.name] for field in noun.fields},
                    ),
                    row.get("sorted", ""),
                )
            )
    return found


class CursorUnknown(ValueError):  # noqa: N818 - an answer, not a defect
    """Not a cursor that a list of ours has given."""


def _cursor(text: str) -> str:
    try:
        value = json.loads(base64.urlsafe_b64decode(text.encode()))
    except (ValueError, binascii.Error) as error:
        raise CursorUnknown(text) from error
    if not isinstance(value, str) or "\0" in value:
        raise CursorUnknown(text)
    return value


# ------------------------------------------------------------------------------ writing


def take_turns(conn: psycopg.Connection) -> None:
    conn.execute("SELECT pg_advisory_xact_lock(%s)", (_EDITING,))


def reference_key(name: str, values: Values) -> tuple[str, ...]:
    """The key of what a field refers to: a place is found by its site, too."""
    value = str(values.get(name) or "")
    return (str(values.get("site") or ""), value) if name == "place" else (value,)


def add(
    conn: psycopg.Connection, noun: Noun, values: Values, references: Mapping[str, int | None]
) -> int:
    """`references`: the ids of what the fields refer to, by field; "parent" is of a place."""
    columns = _columns(noun, values, references)
    if noun.name == "bin":
        columns["place"] = ""  # its trigger writes the name of the place there
    table = TABLES[noun.name]
    row = conn.execute(
        sql.SQL("INSERT INTO {} ({}) VALUES ({}) RETURNING {}").format(
            sql.Identifier(table.name),
            sql.SQL(", ").join(map(sql.Identifier, columns)),
            sql.SQL(", ").join([sql.Placeholder()] * len(columns)),
            sql.Identifier(table.ids[0]),
        ),
        [*columns.values()],
    ).fetchone()
    assert row is not None
    if noun.name == "item":
        _price(conn, row[0], values)
    return int(row[0])


def change(
    conn: psycopg.Connection,
    noun: Noun,
    row: Row,
    values: Values,
    references: Mapping[str, int | None],
) -> None:
    """Write over `row`, whose version the caller has checked in this transaction."""
    columns = _columns(noun, values, references)
    table = TABLES[noun.name]
    ids = row.id if isinstance(row.id, tuple) else (row.id,)
    if noun.name == "item":
        columns["version"] = (
            row.version + 1
        )  # its price lies elsewhere, and counts as a change of it
        _price(conn, ids[0], values)
    if noun.name == "bin" and columns["place_id"] is None and row.values.get("place"):
        columns["place"] = ""
    conn.execute(
        sql.SQL("UPDATE {} SET {} WHERE {}").format(
            sql.Identifier(table.name),
            sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(c)) for c in columns),
            sql.SQL(" AND ").join(sql.SQL("{} = %s").format(sql.Identifier(c)) for c in table.ids),
        ),
        [*columns.values(), *ids],
    )


# The column of `bins` by which a change of these is a change of bins.
_BINS_OF = MappingProxyType({"item": "item_id", "item_supplier": "item_id", "bin": "bin_id"})
_HOLD = sql.SQL(
    "SELECT 1 FROM bin_state WHERE bin_id IN (SELECT bin_id FROM bins WHERE {} = ANY(%s))"
    " ORDER BY bin_id FOR NO KEY UPDATE"
)
_LOOK = sql.SQL(
    "WITH moved AS (UPDATE bin_state SET changed_xid = pg_current_xact_id()"
    " WHERE bin_id IN (SELECT bin_id FROM bins WHERE {} = ANY(%s)) RETURNING bin_id)"
    " INSERT INTO bin_due (bin_id) SELECT bin_id FROM moved ON CONFLICT (bin_id) DO NOTHING"
)


def hold_bins(conn: psycopg.Connection, noun: Noun, ids: Sequence[int]) -> None:
    """The present of the bins that a change is about, held first, as everybody does."""
    if noun.name in _BINS_OF:
        conn.execute(_HOLD.format(sql.Identifier(_BINS_OF[noun.name])), ([*ids],))


def have_looked_at(conn: psycopg.Connection, noun: Noun, ids: Sequence[int]) -> None:
    """Open pages and whoever assesses look again at these bins."""
    if noun.name in _BINS_OF:
        conn.execute(_LOOK.format(sql.Identifier(_BINS_OF[noun.name])), ([*ids],))


def _columns(noun: Noun, values: Values, references: Mapping[str, int | None]) -> dict[str, Value]:
    table = TABLES[noun.name]
    columns: dict[str, Value] = {}
    for field in noun.fields:
        if field.name in table.refers:
            columns[table.refers[field.name]] = references[field.name]
        elif field.name not in table.elsewhere:
            columns[field.name] = values[field.name]
    if noun.name == "place":
        columns["name"] = str(values["path"]).rpartition(" / ")[2]
        columns["parent_id"] = references["parent"]
    return columns


def _price(conn: psycopg.Connection, item_id: int, values: Values) -> None:
    if values["price_e4"] is None:
        conn.execute(
            "UPDATE item_prices SET price_e4 = NULL, currency = NULL WHERE item_id = %s", (item_id,)
        )
        return
    conn.execute(
        "INSERT INTO item_prices (item_id, price_e4, currency) VALUES (%s, %s, %s)"
        " ON CONFLICT (item_id) DO UPDATE SET price_e4 = excluded.price_e4,"
        " currency = excluded.currency",
        (item_id, values["price_e4"], values["currency"]),
    )
