"""What it takes to follow bins: what waits, what is remembered of them, and what was read since.

follow_due   by ingest, per transaction: which sensors have something new, since when
bin_follow   the same by the bin; from there bins are taken, a few at a time
bin_tracks   what is remembered, locked by whoever follows the bin
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

import psycopg

from cloud.core.followed import Measure, Rules, Seen, from_us
from cloud.core.following import Counted
from cloud.core.levels import Calibration
from cloud.postgres import arrays

DUE_ROWS_MAX = 1_000  # transactions of ingest, spread over their bins at once
RULES_MAX = 100_000  # of so many bins it is kept what they came to: most never change

_SPREAD = """
WITH taken AS (
    DELETE FROM follow_due WHERE follow_due_id IN
        (SELECT follow_due_id FROM follow_due ORDER BY follow_due_id LIMIT %s
            FOR UPDATE SKIP LOCKED)
    RETURNING sensor_ids, from_ms),
news AS (
    SELECT s.bin_id, timestamptz 'epoch' + min(t.ms) * interval '1 ms' AS from_at
      FROM taken, unnest(sensor_ids, from_ms) AS t(sensor_id, ms) JOIN sensors s USING (sensor_id)
     WHERE s.bin_id IS NOT NULL GROUP BY s.bin_id ORDER BY s.bin_id),
marked AS (
    INSERT INTO bin_follow AS b (bin_id, from_at) SELECT bin_id, from_at FROM news
        ON CONFLICT (bin_id) DO UPDATE SET from_at = least(b.from_at, EXCLUDED.from_at)
    RETURNING 1)
SELECT (SELECT count(*) FROM taken), (SELECT count(*) FROM marked)
"""
_MARK_SETTLING = """
INSERT INTO bin_follow SELECT bin_id, NULL FROM bin_levels WHERE settles_at <= %s ORDER BY bin_id
    ON CONFLICT DO NOTHING
"""
_TAKE = """
DELETE FROM bin_follow WHERE bin_id IN
    (SELECT bin_id FROM bin_follow WHERE bin_id <> ALL(%s)
      ORDER BY from_at < %s NULLS FIRST, CASE WHEN from_at >= %s THEN from_at END, from_at DESC,
            bin_id LIMIT %s FOR UPDATE SKIP LOCKED)
RETURNING bin_id, from_at
"""
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
_READING = (
    "stream_no, seq, weight_mg, condition, stability, quality, clock_trusted, total, code, change"
)
_NOT_REFUSED = "(refused.nos IS NULL OR stream_no <> ALL(refused.nos))"
# Each sensor from its own place on. The least time of all is said again, for weeks to be left out
# when the question is planned. What a machine said that a person then refused is not of this bin.
_SINCE = f"""
WITH refused AS MATERIALIZED (SELECT array_agg(stream_no) AS nos FROM streams WHERE refused),
since AS (
    SELECT sensor_id, timestamptz 'epoch' + us * interval '1 us' AS at, stream_no, seq
      FROM unnest(%(ids)s::int[], %(us)s::bigint[], %(streams)s::int[], %(seqs)s::bigint[])
        AS t(sensor_id, us, stream_no, seq))
SELECT r.at, {", ".join("r." + one for one in _READING.split(", "))}, t.sensor_id
  FROM refused, since t, LATERAL
"""  # noqa: S608 - made of constants
_MEASURED = f"""
SELECT measured_at AS at, {_READING} FROM readings
 WHERE sensor_id = t.sensor_id AND corrected_at IS NULL
   AND measured_at >= t.at AND measured_at >= %(least)s
   AND (measured_at, stream_no, seq) > (t.at, t.stream_no, t.seq) AND {_NOT_REFUSED}
"""  # noqa: S608 - made of constants
_CORRECTED = f"""
SELECT corrected_at, {_READING} FROM readings
 WHERE sensor_id = t.sensor_id AND corrected_at >= t.at
   AND (corrected_at, stream_no, seq) > (t.at, t.stream_no, t.seq) AND {_NOT_REFUSED}
"""  # noqa: S608 - made of constants
_IN_ORDER = "ORDER BY 1, 2, 3 LIMIT %(limit)s"
_SEEN = f"""
{_SINCE} (SELECT * FROM (({_MEASURED} {_IN_ORDER}) UNION ALL ({_CORRECTED} {_IN_ORDER})) u
          {_IN_ORDER}) r
"""  # noqa: S608 - made of constants
# Nearly always: of all weeks, which lie ahead too, one is asked, and nothing was corrected.
_NEXT_WEEK = "date_trunc('week', now() + interval '1 day', 'UTC') + interval '7 days'"
_IS_PLAIN = f"""
SELECT NOT EXISTS (SELECT FROM readings WHERE measured_at >= {_NEXT_WEEK})
   AND NOT EXISTS (SELECT FROM readings
                    WHERE sensor_id = ANY(%(ids)s::int[]) AND corrected_at >= %(least)s)
"""  # noqa: S608 - made of constants
_SEEN_PLAIN = f"{_SINCE} ({_MEASURED} AND measured_at < {_NEXT_WEEK} {_IN_ORDER}) r"
_COUNTS = """
SELECT c.bin_id, c.counted_at, c.pieces, c.because, c.kind <> 'tare'
  FROM unnest(%s::int[], %s::int[], %s::bigint[]) AS t(bin_id, item_id, us)
  JOIN counts c ON c.bin_id = t.bin_id AND c.item_id = t.item_id
   AND c.counted_at > timestamptz 'epoch' + t.us * interval '1 us'
 ORDER BY c.counted_at, c.count_id
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


# From the last reading before them that is not theirs: what they said lies after it.
_WITHOUT_REFUSED = """
WITH refused AS (
    SELECT s.bin_id, s.sensor_id, min(least(r.measured_at, r.corrected_at)) AS first_at
      FROM streams st JOIN sensors s USING (gateway_id)
      JOIN readings r ON r.sensor_id = s.sensor_id AND r.stream_no = st.stream_no
     WHERE st.gateway_id = %(gateway_id)s AND st.stream = ANY(%(streams)s) AND s.bin_id IS NOT NULL
     GROUP BY s.bin_id, s.sensor_id),
since AS (
    SELECT bin_id, min(coalesce((
        SELECT max(r.measured_at) FROM readings r JOIN streams st USING (stream_no)
         WHERE r.sensor_id = refused.sensor_id AND r.measured_at < first_at AND NOT st.refused),
        first_at)) AS from_at
      FROM refused GROUP BY bin_id),
doubted AS (
    UPDATE bin_tracks t SET version = version + 1 FROM since WHERE t.bin_id = since.bin_id)
INSERT INTO bin_follow AS b (bin_id, from_at) SELECT bin_id, from_at FROM since ORDER BY bin_id
    ON CONFLICT (bin_id) DO UPDATE SET from_at = least(b.from_at, EXCLUDED.from_at)
"""


def mark_due(conn: psycopg.Connection, earliest_ms: Mapping[int, int]) -> None:
    """By ingest: these sensors have something new from these times on."""
    if earliest_ms:
        conn.execute(
            "INSERT INTO follow_due (sensor_ids, from_ms) VALUES (%s::int[], %s::bigint[])",
            (arrays.numbers(earliest_ms), arrays.numbers(earliest_ms.values())),
        )


class Due(NamedTuple):
    bin_id: int
    from_at: datetime | None  # the earliest news; None: nothing new was read


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


class Since(NamedTuple):
    """Of a sensor what comes after this place; of one in no stream, all of its time, too."""

    sensor_id: int
    at_us: int
    stream_no: int = -1
    seq: int = -1


def spread(conn: psycopg.Connection) -> int:
    """Say by the bin what ingest said by the sensor; how many transactions of it were read."""
    row = conn.execute(_SPREAD, (DUE_ROWS_MAX,)).fetchone()
    assert row is not None
    return int(row[0])


def without_refused(conn: psycopg.Connection, gateway_id: int, streams: Collection[UUID]) -> None:
    """Follow again what these streams said something of, without what they said."""
    conn.execute(_WITHOUT_REFUSED, {"gateway_id": gateway_id, "streams": list(streams)})


def mark_settling(conn: psycopg.Connection, now: datetime) -> None:
    conn.execute(_MARK_SETTLING, (now,))


def take(conn: psycopg.Connection, limit: int, but: Sequence[int], recent: datetime) -> list[Due]:
    """Bins to follow: a month of backlog does not hold up the present.

    What is news since `recent` in the order of its time, or who waited longest would wait on as
    long as something newer comes; after it what is older, the freshest first.
    """
    rows = conn.execute(_TAKE, (list(but), recent, recent, limit)).fetchall()
    return sorted(Due(*row) for row in rows)


def give_back(conn: psycopg.Connection, due: Sequence[Due]) -> None:
    if not due:
        return
    with conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO bin_follow AS b VALUES (%s, %s) ON CONFLICT (bin_id)"
            " DO UPDATE SET from_at = least(b.from_at, EXCLUDED.from_at)",
            list(due),
        )


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


def seen(conn: psycopg.Connection, since: Sequence[Since], limit: int) -> dict[int, list[Seen]]:
    """Per sensor what was read after its place, in order, at most so many."""
    found: dict[int, list[Seen]] = {one.sensor_id: [] for one in since}
    if not since:
        return found
    ids, times, streams, seqs = map(arrays.numbers, zip(*since, strict=True))
    asked = {
        "ids": ids,
        "us": times,
        "streams": streams,
        "seqs": seqs,
        "least": from_us(min(one.at_us for one in since)),
        "limit": limit,
    }
    # Binary: the times of a hundred thousand readings are slow to read as text.
    cursor = conn.cursor(binary=True)
    told = cursor.execute(_IS_PLAIN, asked).fetchone()
    is_plain = told is not None and told[0]
    rows = cursor.execute(_SEEN_PLAIN if is_plain else _SEEN, asked)
    for one in map(Seen._make, rows.fetchall()):
        found[one.sensor_id].append(one)
    return found


def counts_after(
    conn: psycopg.Connection, since: Sequence[tuple[int, int, int]]
) -> dict[int, list[Counted]]:
    """`since`: bins, their items, and from when on, in microseconds since 1970."""
    found: dict[int, list[Counted]] = {}
    if since:
        rows = conn.execute(
            _COUNTS, [arrays.numbers(column) for column in zip(*since, strict=True)]
        )
        for bin_id, *rest in rows:
            found.setdefault(bin_id, []).append(Counted(*rest))
    return found


def tares_of(conn: psycopg.Connection, bin_id: int) -> list[tuple[datetime, int]]:
    """What the empty bin weighed, and from when on."""
    return conn.execute(
        "SELECT from_at, tare_mg FROM bin_items WHERE bin_id = %s ORDER BY from_at", (bin_id,)
    ).fetchall()


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
