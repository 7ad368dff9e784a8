"""What is remembered of bins that are followed, beside what they are by now.

bin_tracks    what is remembered, locked by whoever follows the bin
checkpoints   what was remembered at a time: what comes late is followed again from there

A track keeps the rules that it was followed by, so that what was changed since is told from them.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

import psycopg

from cloud.core.followed import Measure, Rules
from cloud.core.levels import Calibration
from cloud.postgres import arrays

RULES_MAX = 100_000  # of so many bins it is kept what they came to: most never change

# Nothing but numbers and text, so that a row is a key.
_RULES = """
SELECT b.bin_id, b.item_id, b.tare_mg,
       coalesce((SELECT max(to_at) FROM bin_items o
                  WHERE o.bin_id = b.bin_id AND o.item_id <> b.item_id), 'epoch') AS from_at,
       b.scale_sd_mg, b.measure, b.pieces_per_count,
       b.capacity, b.interval_s, coalesce(b.refill_min_pieces, i.pack) AS refill_pieces,
       i.unit_weight_ug, i.unit_sd_ug, i.unit_error_ug,
       (SELECT string_agg(sensor_id::text, ' ' ORDER BY sensor_id) FROM sensors s
         WHERE s.bin_id = b.bin_id) AS sensors
  FROM bins b JOIN items i USING (item_id)
 WHERE b.bin_id = ANY(%s::int[]) ORDER BY b.bin_id
"""
_LOCK = """
SELECT bin_id, version FROM bin_tracks WHERE bin_id = ANY(%s::int[]) ORDER BY bin_id FOR UPDATE
"""
_READ = """
SELECT bin_id, item_id, from_at, rules::text, state, counted_at, fed, version FROM bin_tracks
 WHERE bin_id = ANY(%s::int[])
"""
_BEGIN = """
INSERT INTO bin_tracks (bin_id, item_id, from_at, rules) VALUES (%s, %s, %s, %s)
ON CONFLICT DO NOTHING
"""
_SAVE = """
UPDATE bin_tracks b
   SET item_id = t.item_id, from_at = t.from_at, rules = t.rules, state = t.state,
       counted_at = t.counted_at, fed = t.fed, version = version + 1
  FROM json_to_recordset(%s::json) AS t(
       bin_id int, item_id int, from_at timestamptz, rules jsonb, state text,
       counted_at timestamptz, fed int)
 WHERE b.bin_id = t.bin_id
"""


class Now(NamedTuple):
    """What a bin is by now."""

    item_id: int
    from_at: datetime  # since when the item lies in it
    rules: Rules


class Track(NamedTuple):
    """What is remembered of it."""

    bin_id: int
    item_id: int
    from_at: datetime
    rules: Rules
    state: str | None
    counted_at: datetime | None
    fed: int
    version: int


def now_of(conn: psycopg.Connection, bin_ids: Iterable[int]) -> dict[int, Now]:
    cursor = conn.cursor(binary=True).execute(_RULES, (arrays.numbers(bin_ids),))
    return {row[0]: _now(row[1:]) for row in cursor.fetchall()}


def lock(conn: psycopg.Connection, now: Mapping[int, Now], *, wait: bool = True) -> dict[int, int]:
    """Bins that are held until the transaction ends, with their versions; what is new is begun.

    Who does not wait gets neither what is new nor what somebody else holds.
    """
    ids = sorted(now)
    query = _LOCK if wait else _LOCK + "SKIP LOCKED"
    held: dict[int, int] = dict(
        conn.cursor(binary=True).execute(query, (arrays.numbers(ids),)).fetchall()
    )
    begun = [bin_id for bin_id in ids if bin_id not in held]
    if begun and wait:
        with conn.cursor() as cursor:
            cursor.executemany(
                _BEGIN,
                [(i, now[i].item_id, now[i].from_at, rules_json(now[i].rules)) for i in begun],
            )
        held.update(conn.execute(_LOCK, (arrays.numbers(begun),)).fetchall())
    return held


def read(conn: psycopg.Connection, bin_ids: Sequence[int]) -> dict[int, Track]:
    """What is remembered of bins that are held."""
    if not bin_ids:
        return {}
    rows = conn.execute(_READ, (arrays.numbers(bin_ids),)).fetchall()
    return {
        bin_id: Track(bin_id, item_id, from_at, _said(rules), *rest)
        for bin_id, item_id, from_at, rules, *rest in rows
    }


def save(conn: psycopg.Connection, tracks: Sequence[Track]) -> None:
    """In one statement: one for each row takes the driver longer than all else."""
    if tracks:
        rows = [{**t._asdict(), "rules": _fields_of(t.rules)} for t in tracks]
        conn.execute(_SAVE, (json.dumps(rows, default=datetime.isoformat),))


# ------------------------------------------------------------------ checkpoints


def checkpoint_before(
    conn: psycopg.Connection, bin_id: int, at: datetime, item_since: datetime
) -> tuple[datetime, str] | None:
    """The last state before `at`; those from then on are forgotten, they miss what came late."""
    conn.execute("DELETE FROM checkpoints WHERE bin_id = %s AND at >= %s", (bin_id, at))
    row = conn.execute(
        "SELECT at, state FROM checkpoints WHERE bin_id = %s AND at >= %s ORDER BY at DESC LIMIT 1",
        (bin_id, item_since),
    ).fetchone()
    return None if row is None else (row[0], row[1])


def keep_checkpoints(conn: psycopg.Connection, new: Sequence[tuple[int, datetime, str]]) -> None:
    if not new:
        return
    with conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO checkpoints VALUES (%s, %s, %s)"
            " ON CONFLICT (bin_id, at) DO UPDATE SET state = EXCLUDED.state",
            list(new),
        )


def checkpoints_of(conn: psycopg.Connection, bin_id: int) -> list[tuple[datetime, str]]:
    return conn.execute(
        "SELECT at, state FROM checkpoints WHERE bin_id = %s ORDER BY at", (bin_id,)
    ).fetchall()


def forget_checkpoints(conn: psycopg.Connection, bin_id: int) -> None:
    conn.execute("DELETE FROM checkpoints WHERE bin_id = %s", (bin_id,))


def prune_checkpoints(conn: psycopg.Connection, recent: datetime, oldest: datetime) -> int:
    """Older than `recent` one a day stays, older than `oldest` none."""
    return conn.execute(
        "DELETE FROM checkpoints c WHERE at < %s OR (at < %s AND EXISTS (SELECT FROM checkpoints o"
        "  WHERE o.bin_id = c.bin_id AND o.at < c.at"
        "    AND o.at >= date_trunc('day', c.at, 'UTC')))",
        (oldest, recent),
    ).rowcount


# ------------------------------------------------------------------ rules as JSON


_OF_CALIBRATION = [field.name for field in fields(Calibration)]
_OF_RULES = [field.name for field in fields(Rules) if field.name != "calibration"]
_NOW = (
    "item_id", "tare_mg", "from_at", "scale_sd_mg", "measure", "pieces_per_count", "capacity",
    "interval_s", "refill_pieces", "unit_weight_ug", "unit_sd_ug", "unit_error_ug", "sensors",
)  # fmt: skip


def rules_json(rules: Rules) -> str:
    return json.dumps(_fields_of(rules))


def _fields_of(rules: Rules) -> dict[str, Any]:
    """All of it side by side: no name is of both."""
    calibration = {name: getattr(rules.calibration, name) for name in _OF_CALIBRATION}
    return calibration | {name: getattr(rules, name) for name in _OF_RULES}


def _rules(known: Mapping[str, Any]) -> Rules:
    """From what is remembered, or from a row of what holds now."""
    said = {name: known[name] for name in _OF_RULES}
    said |= {"measure": Measure(known["measure"]), "sensors": tuple(known["sensors"])}
    calibration = Calibration(**{name: known[name] for name in _OF_CALIBRATION})
    return _same(Rules(calibration=calibration, **said))


@lru_cache(maxsize=RULES_MAX)
def _same(rules: Rules) -> Rules:
    """One object for all that are equal: whether something was changed is then told at a glance."""
    return rules


@lru_cache(maxsize=RULES_MAX)
def _said(rules: str) -> Rules:
    return _rules(json.loads(rules))


@lru_cache(maxsize=RULES_MAX)
def _now(row: tuple[Any, ...]) -> Now:
    known = dict(zip(_NOW, row, strict=True))
    sensors = tuple(map(int, (known["sensors"] or "").split()))
    return Now(known["item_id"], known["from_at"], _rules({**known, "sensors": sensors}))
