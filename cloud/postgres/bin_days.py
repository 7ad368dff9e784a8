"""Days and weeks of bins, added up: what has to be computed again, of what, and what came of it.

Runs under whoever keeps the store. What one day says is for `core.bin_days` to say.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple

import psycopg
from psycopg.rows import class_row

from cloud.core.bin_days import BinDay, CountedAt, Moved
from cloud.core.bin_policies import LEAD_DAYS_UNSAID
from cloud.core.forecasts.demand import BLIND_SHARE_MAX
from cloud.core.kpis import Counted
from cloud.core.trust import INTERVALS_UNTIL_STALE
from cloud.postgres import arrays

DAYS_PER_WEEK = 7
_ONLY_ONE = 0x62696E64617973  # "bindays" in ASCII: any number, as long as it is always the same
_DAY_MS = 86_400_000
_MS = timedelta(milliseconds=1)

# Today before last year: who catches up on much is not in the way of what people look at.
_TAKE = """
WITH chosen AS (
    SELECT bin_id FROM (SELECT bin_id FROM bin_days_due ORDER BY from_at DESC LIMIT %(many)s) d
     GROUP BY bin_id LIMIT %(bins)s),
taken AS (DELETE FROM bin_days_due d USING chosen c WHERE d.bin_id = c.bin_id
          RETURNING d.bin_id, d.from_at)
SELECT bin_id, min(from_at) FROM taken GROUP BY bin_id ORDER BY bin_id
"""
_MARK_OLD = """
INSERT INTO bin_days_due
SELECT b.bin_id, last.upto_at - interval '1 microsecond' FROM bins b, LATERAL
       (SELECT upto_at FROM bin_days WHERE bin_id = b.bin_id ORDER BY day DESC LIMIT 1) last
 WHERE b.active AND last.upto_at < %s
"""
_ASKED = """
WITH asked AS MATERIALIZED (
    SELECT * FROM unnest(%(bin_ids)s::int[], %(from_ats)s::timestamptz[]) AS a(bin_id, from_at))
"""
_MOVED = f"""
{_ASKED}
SELECT a.bin_id, m.event_at, m.kind, m.pieces, m.after_pieces, m.movement_id
  FROM asked a, LATERAL
       (SELECT * FROM movements WHERE bin_id = a.bin_id AND replaced_at IS NULL
           AND event_at < a.from_at ORDER BY event_at DESC, movement_id DESC LIMIT 1) m
UNION ALL
SELECT m.bin_id, m.event_at, m.kind, m.pieces, m.after_pieces, m.movement_id
  FROM asked a JOIN movements m USING (bin_id)
 WHERE m.replaced_at IS NULL AND m.event_at >= a.from_at AND m.event_at < %(to)s
 ORDER BY 1, 2, 6
"""  # noqa: S608 - made of constants, as all below
# An hour that was heard begins and ends; silence is what lies between two of them, and after the
# last sign of life. What was heard before the first day asked for is remembered in the day before.
# OFFSET 0 has the view asked bin by bin: a join would read the hours of all bins for a few of them.
_SILENCES = f"""
{_ASKED},
heard AS (
    SELECT a.bin_id, r.heard_first_at, r.heard_last_at FROM asked a, LATERAL
           (SELECT heard_first_at, heard_last_at FROM portal_rollups
             WHERE bin_id = a.bin_id AND hour >= a.from_at AND hour < %(to)s OFFSET 0) r
    UNION ALL
    SELECT a.bin_id, d.heard_at, d.heard_at FROM asked a, LATERAL
           (SELECT heard_at FROM bin_days WHERE bin_id = a.bin_id AND heard_at IS NOT NULL
               AND day < (a.from_at AT TIME ZONE 'UTC')::date ORDER BY day DESC LIMIT 1) d),
gaps AS (
    SELECT h.bin_id, max(h.heard_last_at) OVER before + %(intervals)s * b.interval_s
                     * interval '1 s' AS from_at,
           lead(h.heard_first_at) OVER (PARTITION BY h.bin_id ORDER BY h.heard_first_at) AS upto_at
      FROM heard h JOIN bins b USING (bin_id)
    WINDOW before AS (PARTITION BY h.bin_id ORDER BY h.heard_first_at
                      ROWS UNBOUNDED PRECEDING))
SELECT bin_id, from_at, upto_at FROM gaps WHERE upto_at > from_at
UNION ALL
SELECT s.bin_id, s.heard_at + %(intervals)s * b.interval_s * interval '1 s', %(to)s
  FROM asked JOIN bin_state s USING (bin_id) JOIN bins b USING (bin_id)
 WHERE s.heard_at + %(intervals)s * b.interval_s * interval '1 s' < %(to)s
 ORDER BY bin_id, from_at
"""  # noqa: S608 - as above
_HEARD = f"""
{_ASKED}
SELECT a.bin_id, r.day, max(r.heard_last_at) FROM asked a, LATERAL
       (SELECT (hour AT TIME ZONE 'UTC')::date AS day, heard_last_at FROM portal_rollups
         WHERE bin_id = a.bin_id AND hour >= a.from_at AND hour < %(to)s OFFSET 0) r
 GROUP BY 1, 2
"""  # noqa: S608 - as above
_COUNTED = f"""
{_ASKED}
SELECT c.bin_id, c.counted_at, c.pieces, c.level_pieces FROM asked a JOIN counts c USING (bin_id)
 WHERE c.counted_at >= a.from_at AND c.counted_at < %(to)s AND c.level_pieces IS NOT NULL
   AND c.kind <> 'tare' ORDER BY c.counted_at
"""  # noqa: S608 - as above
_KEEP_DAYS = """
INSERT INTO bin_days (bin_id, day, supplier_id, item_id, upto_at, window_ms, known_ms, empty_ms,
                      piece_hours, stock_outs, resumed_empty, held, used, filled, counts,
                      count_hits, counted, counted_off, counted_net, heard_at)
SELECT t.bin_id, t.day, o.supplier_id, o.item_id, t.upto_at, t.window_ms, t.known_ms, t.empty_ms,
       t.piece_hours, t.stock_outs, t.resumed_empty, t.held, t.used, t.filled, t.counts,
       t.count_hits, t.counted, t.counted_off, t.counted_net, t.heard_at
  FROM unnest(%s::int[], %s::date[], %s::timestamptz[], %s::int[], %s::int[], %s::int[],
              %s::float8[], %s::int[], %s::boolean[], %s::int[], %s::int[], %s::int[], %s::int[],
              %s::int[], %s::int[], %s::int[], %s::int[], %s::timestamptz[])
       AS t(bin_id, day, upto_at, window_ms, known_ms, empty_ms, piece_hours, stock_outs,
            resumed_empty, held, used, filled, counts, count_hits, counted, counted_off,
            counted_net, heard_at)
  JOIN bin_items o ON o.bin_id = t.bin_id AND o.from_at < t.upto_at
                  AND (o.to_at IS NULL OR o.to_at >= t.upto_at)
    ON CONFLICT (bin_id, day) DO UPDATE SET
       (supplier_id, item_id, upto_at, window_ms, known_ms, empty_ms, piece_hours, stock_outs,
        resumed_empty, held, used, filled, counts, count_hits, counted, counted_off, counted_net,
        heard_at)
     = (EXCLUDED.supplier_id, EXCLUDED.item_id, EXCLUDED.upto_at, EXCLUDED.window_ms,
        EXCLUDED.known_ms, EXCLUDED.empty_ms, EXCLUDED.piece_hours, EXCLUDED.stock_outs,
        EXCLUDED.resumed_empty, EXCLUDED.held, EXCLUDED.used, EXCLUDED.filled, EXCLUDED.counts,
        EXCLUDED.count_hits, EXCLUDED.counted, EXCLUDED.counted_off, EXCLUDED.counted_net,
        EXCLUDED.heard_at)
"""
_FORGET_DAYS = """
WITH begun AS (SELECT * FROM unnest(%s::int[], %s::date[]) AS t(bin_id, first)),
weeks AS (DELETE FROM bin_weeks w USING begun t WHERE w.bin_id = t.bin_id AND w.week + 6 < t.first),
periods AS (
    DELETE FROM bin_periods p USING begun t WHERE p.bin_id = t.bin_id AND p.last_day < t.first)
DELETE FROM bin_days d USING begun t WHERE d.bin_id = t.bin_id AND d.day < t.first
"""
# A period is a day that lasted longer: of its stock-outs it tells the first, and whether that one
# goes on from before, as a day does (see `kpis`).
_RESUMES = """bool_or(resumed_empty) AND min(day) FILTER (WHERE resumed_empty)
                                    = min(day) FILTER (WHERE known_ms > 0)"""
_BEGUN = "unnest(%(bin_ids)s::int[], %(firsts)s::date[]) AS a(bin_id, first)"
_FORGET_PERIODS = f"""
DELETE FROM bin_periods p USING {_BEGUN}
 WHERE p.bin_id = a.bin_id AND p.first >= date_trunc(p.period, a.first)
   AND NOT EXISTS (SELECT FROM bin_days d WHERE d.bin_id = p.bin_id AND d.day >= p.first
                      AND d.day <= p.last_day AND d.supplier_id = p.supplier_id
                      AND d.item_id = p.item_id)
"""  # noqa: S608 - of constants
_SUMMED = (
    "last_day", "upto_at", "window_ms", "known_ms", "empty_ms", "piece_hours", "stock_outs",
    "resumed_empty", "held", "used", "filled", "counts", "count_hits", "counted", "counted_off",
    "counted_net",
)  # fmt: skip
_KEEP_PERIODS = f"""
INSERT INTO bin_periods AS k (bin_id, period, first, supplier_id, item_id, {", ".join(_SUMMED)})
SELECT d.bin_id, p.period, date_trunc(p.period, d.day)::date, d.supplier_id, d.item_id,
       max(day), max(upto_at), sum(window_ms), sum(known_ms), sum(empty_ms), sum(piece_hours),
       sum(stock_outs) - count(*) FILTER (WHERE resumed_empty) + ({_RESUMES})::int, {_RESUMES},
       (array_agg(held ORDER BY day DESC))[1], sum(used), sum(filled), sum(counts),
       sum(count_hits), sum(counted), sum(counted_off), sum(counted_net)
  FROM {_BEGUN}, (VALUES ('week'), ('month')) AS p(period), bin_days d
 WHERE d.bin_id = a.bin_id AND d.day >= date_trunc(p.period, a.first)
 GROUP BY 1, 2, 3, 4, 5
    ON CONFLICT (bin_id, period, first, supplier_id, item_id) DO UPDATE
   SET ({", ".join(_SUMMED)}) = ({", ".join(f"EXCLUDED.{name}" for name in _SUMMED)})
"""  # noqa: S608 - of constants
_KEEP_WEEKS = """
INSERT INTO bin_weeks (bin_id, week, supplier_id, item_id, used, seen, lead_weeks)
SELECT w.bin_id, w.week, w.supplier_id, w.item_id, greatest(0, w.used),
       w.window_ms = %(week_ms)s AND w.hidden_ms <= %(blind)s * %(week_ms)s,
       greatest(1, ceil(coalesce(p.lead_time_days, line.lead_time_days, %(unsaid)s) / 7.0))::int
  FROM (SELECT d.bin_id, date_trunc('week', d.day)::date AS week,
               (array_agg(d.supplier_id ORDER BY d.day DESC))[1] AS supplier_id,
               (array_agg(d.item_id ORDER BY d.day DESC))[1] AS item_id,
               sum(d.used)::int AS used, sum(d.window_ms) AS window_ms,
               sum(d.window_ms - d.known_ms + d.empty_ms) AS hidden_ms
          FROM unnest(%(bin_ids)s::int[], %(firsts)s::date[]) AS a(bin_id, first)
          JOIN bin_days d ON d.bin_id = a.bin_id AND d.day >= date_trunc('week', a.first)
         GROUP BY 1, 2) w
  LEFT JOIN bin_policies p USING (bin_id)
  LEFT JOIN item_suppliers line USING (item_id, supplier_id)
    ON CONFLICT (bin_id, week) DO UPDATE SET (supplier_id, item_id, used, seen)
     = (EXCLUDED.supplier_id, EXCLUDED.item_id, EXCLUDED.used, EXCLUDED.seen)
RETURNING bin_id, xmax = 0
"""
_WEEKS = """
SELECT bin_id, week, CASE WHEN seen THEN used END, forecast IS NOT NULL
  FROM bin_weeks WHERE bin_id = ANY(%s) AND week >= %s ORDER BY bin_id, week
"""
_SAY = """
UPDATE bin_weeks w SET forecast = t.forecast, square = t.square, said_at = t.said_at
  FROM unnest(%s::int[], %s::date[], %s::real[], %s::real[], %s::timestamptz[])
       AS t(bin_id, week, forecast, square, said_at)
 WHERE w.bin_id = t.bin_id AND w.week = t.week AND w.forecast IS NULL
"""


class Due(NamedTuple):
    bin_id: int
    from_at: datetime


@dataclass(frozen=True, kw_only=True)
class Silence:
    bin_id: int
    from_at: datetime
    upto_at: datetime


class Week(NamedTuple):
    bin_id: int
    week: date
    used: int | None  # None: it was not seen
    is_said: bool


class Said(NamedTuple):
    bin_id: int
    week: date
    forecast: float
    square: float | None
    said_at: datetime | None


def take(conn: psycopg.Connection, bins: int, marks: int) -> list[Due] | None:
    """The bins whose days are to be computed again; None: somebody else is at it.

    Two at once could each see half of what came, and the slower would write the older half.
    """
    held = conn.execute("SELECT pg_try_advisory_xact_lock(%s)", (_ONLY_ONE,)).fetchone()
    if held != (True,):
        return None
    found = conn.execute(_TAKE, {"bins": bins, "many": marks}).fetchall()
    return [Due(*row) for row in found]


def mark_older(conn: psycopg.Connection, than: datetime) -> int:
    """Have the last day of every bin go on, that nothing else moves."""
    return conn.execute(_MARK_OLD, (than,)).rowcount


def moved(
    conn: psycopg.Connection, asked: Sequence[Due], to_at: datetime
) -> dict[int, list[Moved]]:
    """In order of time, each with the last movement before its time."""
    found: dict[int, list[Moved]] = defaultdict(list)
    for bin_id, at, kind, pieces, after, _ in conn.execute(_MOVED, _params(asked, to_at)):
        found[bin_id].append(Moved(at=at, kind=kind, pieces=pieces, after_pieces=after))
    return found


def silences(conn: psycopg.Connection, asked: Sequence[Due], to_at: datetime) -> list[Silence]:
    """From when a scale should have been heard of until it was, or to the end of the time."""
    values = _params(asked, to_at) | {"intervals": INTERVALS_UNTIL_STALE}
    return conn.cursor(row_factory=class_row(Silence)).execute(_SILENCES, values).fetchall()


def heard(
    conn: psycopg.Connection, asked: Sequence[Due], to_at: datetime
) -> dict[tuple[int, date], datetime]:
    rows = conn.execute(_HEARD, _params(asked, to_at)).fetchall()
    return {(bin_id, day): at for bin_id, day, at in rows}


def counted(
    conn: psycopg.Connection, asked: Sequence[Due], to_at: datetime
) -> dict[int, list[CountedAt]]:
    """Where a level was known to hold against; taring is no count of stock."""
    found: dict[int, list[CountedAt]] = defaultdict(list)
    for bin_id, at, pieces, level in conn.execute(_COUNTED, _params(asked, to_at)):
        found[bin_id].append(CountedAt(at=at, counted=Counted(physical=pieces, system=level)))
    return found


def keep(
    conn: psycopg.Connection,
    days: Mapping[int, Sequence[BinDay]],
    heard_at: Mapping[tuple[int, date], datetime],
) -> list[int]:
    """Write days, and what they are part of; the bins that have a week they had not."""
    firsts = {bin_id: of_bin[0].day for bin_id, of_bin in days.items() if of_bin}
    rows = [(bin_id, day) for bin_id, of_bin in days.items() for day in of_bin]
    if not rows:
        return []
    columns = zip(*(_row(bin_id, day, heard_at) for bin_id, day in rows), strict=True)
    conn.execute(_KEEP_DAYS, [arrays.numbers(column) for column in columns])
    weeks = {
        "bin_ids": list(firsts),
        "firsts": list(firsts.values()),
        "week_ms": DAYS_PER_WEEK * _DAY_MS,
        "blind": BLIND_SHARE_MAX,
        "unsaid": LEAD_DAYS_UNSAID,
    }
    conn.execute(_FORGET_PERIODS, weeks)
    conn.execute(_KEEP_PERIODS, weeks)
    found = conn.execute(_KEEP_WEEKS, weeks).fetchall()
    return sorted({bin_id for bin_id, is_new in found if is_new})


def forget_before(conn: psycopg.Connection, firsts: Mapping[int, date]) -> None:
    """What was concluded of days in which, as is known now, a bin was not followed yet."""
    conn.execute(_FORGET_DAYS, (list(firsts), list(firsts.values())))


def weeks(conn: psycopg.Connection, bin_ids: Sequence[int], since: date) -> list[Week]:
    return [Week(*row) for row in conn.execute(_WEEKS, (list(bin_ids), since)).fetchall()]


def say(conn: psycopg.Connection, said: Sequence[Said]) -> None:
    if said:
        conn.execute(_SAY, [list(column) for column in zip(*said, strict=True)])


def prune(conn: psycopg.Connection, before: datetime) -> int:
    gone = conn.execute("DELETE FROM bin_days WHERE day < %s", (before.date(),)).rowcount
    conn.execute("DELETE FROM bin_periods WHERE last_day < %s", (before.date(),))
    return gone + conn.execute("DELETE FROM bin_weeks WHERE week < %s", (before.date(),)).rowcount


def _params(asked: Sequence[Due], to_at: datetime) -> dict[str, object]:
    return {
        "bin_ids": [one.bin_id for one in asked],
        "from_ats": [one.from_at for one in asked],
        "to": to_at,
    }


def _row(
    bin_id: int, day: BinDay, heard_at: Mapping[tuple[int, date], datetime]
) -> tuple[object, ...]:
    held_for, counts = day.lasted, day.counts
    return (
        bin_id, day.day, day.upto_at, held_for.window // _MS, held_for.known // _MS,
        held_for.empty // _MS, held_for.piece_hours, held_for.stock_outs, day.resumed_empty,
        day.held, day.used, day.filled, counts.counts, counts.hits, counts.physical, counts.off,
        counts.net, heard_at.get((bin_id, day.day)),
    )  # fmt: skip
