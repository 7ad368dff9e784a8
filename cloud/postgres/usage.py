"""What is used of each bin a day, made of its movements: for estimates, and for forecasts.

A day is one of the site's zone. Used is what was taken less what was put back; a day without a
movement is a day of none. Not known, and left out, are

    days before the first whole one        the bin was not followed yet
    the newest day that a reading bears    it is not over, or nothing was heard of it since
    days that a silence of more than a day reaches into, if the level moved meanwhile: what went
    is booked on the day the bin came back, and belongs to all of them

For parameters (`demands`) a day on which the bin was empty is not known either: what was asked for
then is not what was taken.
"""

from collections.abc import Sequence
from datetime import datetime

import psycopg

from cloud.core.forecasts.demand import KINDS

DAYS = 28

# A silence is looked for only before a movement that is the first for a day: no other can end one.
# The readings of the new plateau itself are left out, therefore "before".
_MOVED = """
WITH asked AS MATERIALIZED (
    SELECT b.bin_id, b.item_id, si.time_zone AS zone, l.level_at,
           (%(now)s::timestamptz AT TIME ZONE si.time_zone)::date AS today,
           (l.level_at AT TIME ZONE si.time_zone)::date AS borne_out,
           (SELECT (min(m.event_at) AT TIME ZONE si.time_zone)::date FROM movements m
             WHERE m.bin_id = b.bin_id AND m.item_id = b.item_id AND m.replaced_at IS NULL) AS began
      FROM bins b JOIN sites si USING (site_id) JOIN bin_levels l USING (bin_id)
     WHERE %(bin_ids)s::int[] IS NULL OR b.bin_id = ANY(%(bin_ids)s::int[])),
moved AS MATERIALIZED (
    -- Bin by bin, in the order of the index: a join would read what moved in all bins for a few of
    -- them, and sort it.
    SELECT a.bin_id, a.zone, m.* FROM asked a, LATERAL
           (SELECT event_at, kind, pieces, before_pieces, after_pieces,
                   (event_at AT TIME ZONE a.zone)::date AS day,
                   lag(event_at) OVER ordered AS before_at,
                   lead(event_at) OVER ordered AS next_at
              FROM movements
             WHERE bin_id = a.bin_id AND item_id = a.item_id AND replaced_at IS NULL
               AND event_at >= %(now)s - (%(days)s::int + 7) * interval '1 day'
            WINDOW ordered AS (ORDER BY event_at)) m),
paused AS MATERIALIZED (
    -- Mostly something was heard on the day before. Where days are added up they say so: one look
    -- at a row. Else it is looked for among readings, as a value, and not as a condition, so that
    -- it is looked for by the sensor and the week it must lie in.
    SELECT bin_id, zone, day, event_at, before_at FROM moved m
     WHERE event_at - before_at > interval '1 day'
       AND (SELECT d.heard_at < m.event_at - interval '15 min'
               AND d.heard_at >= m.event_at - interval '1 day'
              FROM bin_days d
             WHERE d.bin_id = m.bin_id
               AND d.day = (m.event_at AT TIME ZONE 'UTC')::date - 1) IS NOT true
       AND (SELECT 1 FROM {read_of} = m.bin_id AND r.corrected_at IS NULL
               AND r.measured_at < m.event_at - interval '15 min'
               AND r.measured_at >= m.event_at - interval '1 day' LIMIT 1) IS NULL),
silent AS MATERIALIZED (
    SELECT p.bin_id, (last.at AT TIME ZONE p.zone)::date AS from_day, p.day AS upto_day
      FROM paused p, LATERAL (
        SELECT greatest(
            (SELECT max(measured_at) FROM {read_of} = p.bin_id
                AND r.corrected_at IS NULL AND r.measured_at < p.event_at - interval '15 min'
                AND r.measured_at >= p.before_at - interval '1 hour'),
            (SELECT max(corrected_at) FROM {read_of} = p.bin_id
                AND r.corrected_at < p.event_at - interval '15 min'
                AND r.corrected_at >= p.before_at - interval '1 hour')) AS at) last
     WHERE p.event_at - last.at > interval '1 day'),
used AS (
    SELECT bin_id, day, -sum(pieces)::int AS pieces FROM moved
     WHERE kind IN ({demanded}) GROUP BY bin_id, day)
"""
# A portal reads readings through its view, and no supplier the table of sensors.
_READ_OF = "sensors s JOIN readings r USING (sensor_id) WHERE s.bin_id"
_SEEN_OF = "portal_readings r WHERE r.bin_id"
_DAYS = """
{moved},
days AS (
    SELECT a.bin_id, d.day::date AS day,
           CASE WHEN d.day > a.began AND d.day < a.today AND d.day < a.borne_out
                 AND NOT EXISTS (SELECT FROM silent s WHERE s.bin_id = a.bin_id
                                    AND d.day BETWEEN s.from_day AND s.upto_day)
                THEN coalesce(u.pieces, 0) END AS pieces
      FROM asked a
      CROSS JOIN LATERAL generate_series(a.today - %(days)s::int, a.today - 1, interval '1 day')
           AS d(day)
      LEFT JOIN used u ON u.bin_id = a.bin_id AND u.day = d.day)
"""
_DEMANDED = ", ".join(f"'{kind}'" for kind in KINDS)
_MOVED_READ, _MOVED_SEEN = (
    _MOVED.format(read_of=one, demanded=_DEMANDED) for one in (_READ_OF, _SEEN_OF)
)
_DAYS_READ, _DAYS_SEEN = (_DAYS.format(moved=one) for one in (_MOVED_READ, _MOVED_SEEN))
_RATES = f"""
{_DAYS_READ},
rates AS (
    SELECT bin_id, greatest(0, avg(pieces))::real AS per_day,
           coalesce(stddev_samp(pieces), sqrt(greatest(0, avg(pieces))))::real AS sd,
           count(pieces)::int AS days
      FROM days GROUP BY bin_id),
held AS MATERIALIZED (
    SELECT l.bin_id FROM bin_levels l JOIN rates r USING (bin_id)
     WHERE (l.usage_per_day, l.usage_sd, l.usage_days) IS DISTINCT FROM (r.per_day, r.sd, r.days)
     ORDER BY l.bin_id FOR UPDATE OF l)
UPDATE bin_levels l SET usage_per_day = r.per_day, usage_sd = r.sd, usage_days = r.days,
       changed_xid = pg_current_xact_id()
  FROM held JOIN rates r USING (bin_id) WHERE l.bin_id = held.bin_id
"""  # noqa: S608 - made of the constants above
# Only what was used and what is not known is told: most days of most bins are neither, and of many
# bins and many days a row for each would take longer than all the rest. A bin is empty from the
# movement that left nothing to the next one; what was there before the first one seen here was so
# from the beginning.
_DEMANDS = f"""
{_MOVED_READ},
spans AS (
    SELECT bin_id, from_day, upto_day FROM silent
    UNION ALL
    SELECT bin_id, day, coalesce((next_at AT TIME ZONE zone)::date, 'infinity') FROM moved
     WHERE after_pieces = 0
    UNION ALL
    SELECT bin_id, '-infinity', day FROM moved
     WHERE before_at IS NULL AND before_pieces = 0 AND kind <> 'opening'
    UNION ALL
    SELECT a.bin_id, '-infinity', 'infinity' FROM asked a JOIN bin_levels l USING (bin_id)
     WHERE l.pieces = 0 AND NOT EXISTS (SELECT FROM moved m WHERE m.bin_id = a.bin_id)),
unknown AS (
    SELECT s.bin_id, array_agg(a.today - greatest(s.from_day, a.today - %(days)s::int)) AS from_ago,
           array_agg(a.today - least(s.upto_day, a.today)) AS upto_ago
      FROM spans s JOIN asked a USING (bin_id)
     WHERE s.upto_day >= a.today - %(days)s::int AND s.from_day < a.today GROUP BY s.bin_id),
told AS (
    SELECT u.bin_id, array_agg(a.today - u.day) AS ago, array_agg(greatest(0, u.pieces)) AS pieces
      FROM used u JOIN asked a USING (bin_id)
     WHERE u.day < a.today AND u.day >= a.today - %(days)s::int GROUP BY u.bin_id)
SELECT a.bin_id, a.today - a.began - 1, a.today - a.borne_out + 1, t.ago, t.pieces, n.from_ago,
       n.upto_ago
  FROM asked a LEFT JOIN told t USING (bin_id) LEFT JOIN unknown n USING (bin_id)
"""  # noqa: S608 - made of the constants above
_OF_ONE = " SELECT pieces FROM days ORDER BY day"
_DEMAND, _DEMAND_SEEN = (days + _OF_ONE for days in (_DAYS_READ, _DAYS_SEEN))


def compute(conn: psycopg.Connection, now: datetime) -> int:
    """The rate of every bin, in one statement; how many are another than before.

    Rows are held in the order of their bins, as whoever follows bins holds them.
    """
    return conn.execute(_RATES, {"now": now, "days": DAYS, "bin_ids": None}).rowcount


def demands(
    conn: psycopg.Connection, bin_ids: Sequence[int], days: int, now: datetime
) -> dict[int, list[int | None]]:
    """As `demand`, of many bins in one statement, and not known either where a bin was empty."""
    asked = {"now": now, "days": days, "bin_ids": [*bin_ids]}
    rows = conn.execute(_DEMANDS, asked, binary=True).fetchall()
    return {bin_id: _demand_of(days, *told) for bin_id, *told in rows}


def _demand_of(  # noqa: PLR0917 - the columns of a row
    days: int,
    oldest: int | None,
    newest: int | None,
    used_ago: list[int] | None,
    pieces: list[int] | None,
    from_ago: list[int] | None,
    upto_ago: list[int] | None,
) -> list[int | None]:
    """Oldest first. All are days ago: 1 is yesterday; known are those from `oldest` to `newest`."""
    if oldest is None or newest is None:
        return [None] * days
    oldest, newest = min(oldest, days), max(newest, 1)
    demand: list[int | None] = [None] * days
    for ago in range(newest, oldest + 1):
        demand[days - ago] = 0
    for ago, taken in zip(used_ago or (), pieces or (), strict=True):
        if newest <= ago <= oldest:
            demand[days - ago] = taken
    for first, last in zip(from_ago or (), upto_ago or (), strict=True):
        for ago in range(max(last, 1), first + 1):
            demand[days - ago] = None
    return demand


def demand(conn: psycopg.Connection, bin_id: int, days: int, now: datetime) -> list[int | None]:
    """What was used on each of the last `days`, oldest first, without today; None: not known.

    More put back than taken is a day of none: what was given back is no negative demand.
    """
    asked = {"now": now, "days": days, "bin_ids": [bin_id]}
    rows = conn.execute(_DEMAND, asked).fetchall()
    return [None if pieces is None else max(0, pieces) for (pieces,) in rows]


def demand_seen(
    conn: psycopg.Connection, bin_id: int, days: int, now: datetime
) -> list[int | None]:
    """The same, under whoever asks (see `asking`): nothing where nothing may be seen."""
    asked = {"now": now, "days": days, "bin_ids": [bin_id]}
    rows = conn.execute(_DEMAND_SEEN, asked).fetchall()
    return [None if pieces is None else max(0, pieces) for (pieces,) in rows]
