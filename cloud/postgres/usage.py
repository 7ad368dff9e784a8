"""What is used of each bin a day, made of its movements: for estimates, and for forecasts.

A day is one of the site's zone. Used is what was taken less what was put back; a day without a
movement is a day of none. Not known, and left out, are

    days before the first whole one        the bin was not followed yet
    the newest day that a reading bears    it is not over, or nothing was heard of it since
    days that a silence of more than a day reaches into, if the level moved meanwhile: what went
    is booked on the day the bin came back, and belongs to all of them
"""

from datetime import datetime

import psycopg

DAYS = 28

# A silence is looked for only before a movement that is the first for a day: no other can end one.
# The readings of the new plateau itself are left out, therefore "before".
_DAYS = """
WITH asked AS MATERIALIZED (
    SELECT b.bin_id, b.item_id, si.time_zone AS zone, l.level_at,
           (%(now)s::timestamptz AT TIME ZONE si.time_zone)::date AS today,
           (l.level_at AT TIME ZONE si.time_zone)::date AS borne_out,
           (SELECT (min(m.event_at) AT TIME ZONE si.time_zone)::date FROM movements m
             WHERE m.bin_id = b.bin_id AND m.item_id = b.item_id AND m.replaced_at IS NULL) AS began
      FROM bins b JOIN sites si USING (site_id) JOIN bin_levels l USING (bin_id)
     WHERE %(bin_ids)s::int[] IS NULL OR b.bin_id = ANY(%(bin_ids)s::int[])),
moved AS MATERIALIZED (
    SELECT a.bin_id, a.zone, m.event_at, m.kind, m.pieces,
           (m.event_at AT TIME ZONE a.zone)::date AS day,
           lag(m.event_at) OVER (PARTITION BY a.bin_id ORDER BY m.event_at) AS before_at
      FROM asked a JOIN movements m ON m.bin_id = a.bin_id AND m.item_id = a.item_id
     WHERE m.replaced_at IS NULL
       AND m.event_at >= %(now)s - (%(days)s::int + 7) * interval '1 day'),
silent AS MATERIALIZED (
    SELECT m.bin_id, (last.at AT TIME ZONE m.zone)::date AS from_day, m.day AS upto_day
      FROM moved m, LATERAL (
        SELECT max(r.at) AS at FROM sensors s, LATERAL (
            SELECT greatest(
                (SELECT measured_at FROM readings WHERE sensor_id = s.sensor_id
                    AND corrected_at IS NULL AND measured_at < m.event_at - interval '15 min'
                    AND measured_at >= m.before_at - interval '1 hour'
                  ORDER BY measured_at DESC LIMIT 1),
                (SELECT corrected_at FROM readings WHERE sensor_id = s.sensor_id
                    AND corrected_at < m.event_at - interval '15 min'
                    AND corrected_at >= m.before_at - interval '1 hour'
                  ORDER BY corrected_at DESC LIMIT 1)) AS at) r
         WHERE s.bin_id = m.bin_id) last
     WHERE m.event_at - m.before_at > interval '1 day' AND last.at IS NOT NULL
       AND m.event_at - last.at > interval '1 day'),
used AS (
    SELECT bin_id, day, -sum(pieces)::int AS pieces FROM moved
     WHERE kind IN ('usage', 'put_back') GROUP BY bin_id, day),
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
_RATES = f"""
{_DAYS},
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
_DEMAND = f"{_DAYS} SELECT pieces FROM days ORDER BY day"  # noqa: S608 - as above
# A portal reads readings through its view, and no supplier the table of sensors.
_DEMAND_SEEN = (
    _DEMAND.replace(
        "SELECT max(r.at) AS at FROM sensors s, LATERAL", "SELECT max(r.at) AS at FROM LATERAL"
    )
    .replace(
        "FROM readings WHERE sensor_id = s.sensor_id",
        "FROM portal_readings WHERE bin_id = m.bin_id",
    )
    .replace("WHERE s.bin_id = m.bin_id) last", ") last")
)


def compute(conn: psycopg.Connection, now: datetime) -> int:
    """The rate of every bin, in one statement; how many are another than before.

    Rows are held in the order of their bins, as whoever follows bins holds them.
    """
    return conn.execute(_RATES, {"now": now, "days": DAYS, "bin_ids": None}).rowcount


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
