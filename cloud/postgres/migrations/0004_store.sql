-- Readings by the week, what an hour of them came to, and an end for both.
--
-- Weeks, not days: with 400 days kept a question without bounds was planned in 0.5 ms instead of 4.8 and held
-- 124 locks instead of 832 (the lock table of a small server has room for about 4,000), and COPY ran at 0.9
-- to 1.0 of one flat table in either.

SET LOCAL search_path = binline;

---------------------------------------------------------------------- readings, by the week

-- The weeks lie in a schema that nobody but their owner may enter: who reads, reads `readings`.
CREATE SCHEMA binline_store;

DROP VIEW portal_readings;
ALTER TABLE readings RENAME TO readings_flat;
ALTER TABLE readings_flat SET SCHEMA binline_store;
CREATE TABLE readings (LIKE binline_store.readings_flat INCLUDING ALL) PARTITION BY RANGE (measured_at);

-- A reading whose time was corrected is looked for by that time.
CREATE INDEX readings_corrected ON readings (sensor_id, corrected_at) WHERE corrected_at IS NOT NULL;

-- What no week was made for: the far past of a clock that was never set, or weeks nobody expected yet.
CREATE TABLE binline_store.readings_other PARTITION OF readings DEFAULT;

-- Up to where raw readings were dropped: what an hour before it came to can no longer be computed again.
CREATE TABLE readings_kept (from_at timestamptz NOT NULL);
CREATE UNIQUE INDEX readings_kept_one ON readings_kept ((true));
INSERT INTO readings_kept VALUES ('-infinity');

-- How readings are kept: 'weeks', 'hypertable' or 'columnstore'. The last two are TimescaleDB's and may
-- replace what is here later, when an administrator allows it.
CREATE FUNCTION readings_store() RETURNS text LANGUAGE sql IMMUTABLE RETURN 'weeks';

-- The functions from here on run with the rights of the owner, and only those who keep the store may call them.

-- Weeks begin on Monday, 0:00 UTC. Makes the week of `at`, and moves into it what waited in `readings_other`.
CREATE FUNCTION readings_make_week(at timestamptz) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = binline, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    begins timestamptz := date_bin('7 days', at, '2001-01-01 00:00+00');
    ends timestamptz := begins + interval '7 days';
    week text := 'readings_' || to_char(begins, 'YYYYMMDD');
    moved bigint;
BEGIN
    IF to_regclass('binline_store.' || week) IS NOT NULL THEN
        RETURN 0;
    END IF;
    -- Held first, as ingest takes them: the table, then what is below it.
    LOCK TABLE ONLY readings IN SHARE UPDATE EXCLUSIVE MODE;
    LOCK TABLE binline_store.readings_other IN ACCESS EXCLUSIVE MODE;
    EXECUTE format('CREATE TABLE binline_store.%I (LIKE readings INCLUDING ALL,'
                   ' CONSTRAINT week CHECK (measured_at >= %L AND measured_at < %L))', week, begins, ends);
    EXECUTE format('WITH out AS (DELETE FROM binline_store.readings_other'
                   ' WHERE measured_at >= %L AND measured_at < %L RETURNING *)'
                   ' INSERT INTO binline_store.%I SELECT * FROM out', begins, ends, week);
    GET DIAGNOSTICS moved = ROW_COUNT;
    EXECUTE format('ALTER TABLE readings ATTACH PARTITION binline_store.%I FOR VALUES FROM (%L) TO (%L)',
                   week, begins, ends);
    EXECUTE format('ALTER TABLE binline_store.%I DROP CONSTRAINT week', week);
    RETURN moved;
END $$;

-- Weeks between `after` and `upto` in which readings wait that no week was made for.
CREATE FUNCTION readings_weeks_wanted(after timestamptz, upto timestamptz) RETURNS SETOF timestamptz
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = binline, pg_temp AS $$
    SELECT DISTINCT date_bin('7 days', measured_at, '2001-01-01 00:00+00')
      FROM binline_store.readings_other
     WHERE measured_at >= after AND measured_at < upto ORDER BY 1
$$;

-- Drops whole weeks before `before`, and what is as old among the others; the number of weeks dropped.
-- A week stays as long as one of its readings turned out to be younger. Whoever takes over the
-- service cannot make it forget the last month.
CREATE FUNCTION readings_drop(before timestamptz) RETURNS int LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = binline, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    week regclass;
    ends timestamptz;
    younger boolean;
    dropped int := 0;
BEGIN
    IF before > now() - interval '30 days' THEN
        RAISE EXCEPTION 'readings of the last 30 days are not dropped; asked for before %', before;
    END IF;
    FOR week, ends IN
        SELECT i.inhrelid::regclass,
               (regexp_match(pg_get_expr(c.relpartbound, c.oid), 'TO \(''(.*?)''\)'))[1]::timestamptz
          FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
         WHERE i.inhparent = 'readings'::regclass AND pg_get_expr(c.relpartbound, c.oid) <> 'DEFAULT'
    LOOP
        CONTINUE WHEN ends > before;
        EXECUTE format('SELECT EXISTS (SELECT FROM %s WHERE corrected_at >= %L)', week, before) INTO younger;
        CONTINUE WHEN younger;
        EXECUTE format('DROP TABLE %s', week);
        dropped := dropped + 1;
    END LOOP;
    DELETE FROM binline_store.readings_other WHERE coalesce(corrected_at, measured_at) < before;
    UPDATE readings_kept SET from_at = before WHERE from_at < before;
    RETURN dropped;
END $$;

REVOKE ALL ON FUNCTION readings_make_week, readings_weeks_wanted, readings_drop FROM PUBLIC;
GRANT EXECUTE ON FUNCTION readings_make_week, readings_weeks_wanted, readings_drop TO binline_jobs;

DO $$
DECLARE week timestamptz;
BEGIN
    FOR week IN
        SELECT DISTINCT date_bin('7 days', measured_at, '2001-01-01 00:00+00')
          FROM binline_store.readings_flat WHERE measured_at > now() - interval '400 days'
           AND measured_at < now() + interval '28 days'
        UNION SELECT generate_series(date_bin('7 days', now(), '2001-01-01 00:00+00'),
                                     now() + interval '28 days', interval '7 days')
    LOOP
        PERFORM readings_make_week(week);
    END LOOP;
END $$;
INSERT INTO readings SELECT * FROM binline_store.readings_flat;
DROP TABLE binline_store.readings_flat;

---------------------------------------------------------------------- what an hour came to

-- Computed again from the readings whenever one of its readings comes or is corrected, so order of arrival does
-- not matter. Hours are of the corrected time. Kept when the readings themselves are long gone.
CREATE TABLE rollups (
    sensor_id       int NOT NULL,
    hour            timestamptz NOT NULL,
    readings        int NOT NULL,            -- of any outcome
    conditions      int NOT NULL,
    heard_first_at  timestamptz NOT NULL,
    heard_last_at   timestamptz NOT NULL,
    weights         int NOT NULL,            -- from here on, of the weights; null when there was none
    first_at        timestamptz,
    first_weight_mg bigint,
    last_at         timestamptz,
    last_weight_mg  bigint,
    min_weight_mg   bigint,
    max_weight_mg   bigint,
    sum_weight_mg   numeric,
    last_total      bigint,
    PRIMARY KEY (sensor_id, hour)
);
CREATE INDEX rollups_by_hour ON rollups USING brin (hour) WITH (pages_per_range = 32);

-- Written by ingest in the transaction of the readings themselves, one row per hour it touched.
CREATE TABLE rollups_due (
    hour       timestamptz NOT NULL,
    sensor_ids int[] NOT NULL
);
CREATE INDEX ON rollups_due (hour);

-- A corrected reading leaves one hour and comes into another. For updates alone: it would slow COPY down.
CREATE FUNCTION rollups_corrected() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO rollups_due
    SELECT date_trunc('hour', at, 'UTC') AS hour, array_agg(DISTINCT sensor_id)
      FROM (SELECT sensor_id, coalesce(corrected_at, measured_at) AS at FROM was
            UNION ALL SELECT sensor_id, coalesce(corrected_at, measured_at) FROM become) t
     GROUP BY hour;
    RETURN NULL;
END $$;
CREATE TRIGGER rollups_corrected AFTER UPDATE ON readings REFERENCING OLD TABLE AS was NEW TABLE AS become
    FOR EACH STATEMENT EXECUTE FUNCTION rollups_corrected();

INSERT INTO rollups_due
SELECT date_trunc('hour', coalesce(corrected_at, measured_at), 'UTC') AS hour, array_agg(DISTINCT sensor_id)
  FROM readings GROUP BY hour;

---------------------------------------------------------------------- what a portal sees

CREATE VIEW portal_readings WITH (security_barrier = true) AS
    SELECT s.bin_id, r.sensor_id, r.measured_at, r.received_at, st.stream, r.seq, r.weight_mg, r.total,
           r.condition, r.because, r.stability, r.quality, r.clock_trusted, r.code, r.change, r.corrected_at,
           coalesce(r.corrected_at, r.measured_at) AS at
      FROM readings r
      JOIN sensors s USING (sensor_id)
      JOIN streams st USING (stream_no)
      JOIN bins b ON b.bin_id = s.bin_id
     WHERE is_operations() OR b.supplier_id = asking_supplier();

CREATE VIEW portal_rollups WITH (security_barrier = true) AS
    SELECT s.bin_id, r.*
      FROM rollups r
      JOIN sensors s USING (sensor_id)
      JOIN bins b ON b.bin_id = s.bin_id
     WHERE is_operations() OR b.supplier_id = asking_supplier();

GRANT CREATE ON SCHEMA binline TO binline_view;
ALTER VIEW portal_readings OWNER TO binline_view;
ALTER VIEW portal_rollups OWNER TO binline_view;
REVOKE CREATE ON SCHEMA binline FROM binline_view;

---------------------------------------------------------------------- rights

GRANT SELECT ON readings, rollups TO binline_view;
GRANT SELECT ON portal_readings, portal_rollups TO binline_portal;

GRANT SELECT, INSERT, UPDATE (corrected_at) ON readings TO binline_ingest;
GRANT INSERT ON rollups_due TO binline_ingest;

GRANT SELECT ON readings, readings_kept TO binline_jobs;
GRANT SELECT, INSERT, DELETE ON rollups TO binline_jobs;
GRANT SELECT, DELETE, UPDATE ON rollups_due TO binline_jobs;
GRANT DELETE ON ledger, attempts, dead_letters, readings_aside TO binline_jobs;
