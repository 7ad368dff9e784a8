-- Packing and aggregates, on top of the hypertable. Run once, by `cloud.postgres.timescale.adopt`.

SET LOCAL search_path = binline, public;

-- By sensor, as it is asked; in the order of the key, so that a repeated reading is found without unpacking.
ALTER TABLE readings SET (timescaledb.enable_columnstore = true, timescaledb.segmentby = 'sensor_id',
                          timescaledb.orderby = 'measured_at, stream_no, seq');

-- One at a time: what was packed stays so, whatever becomes of the next, and others take turns with it.
CREATE FUNCTION readings_pack(before timestamptz) RETURNS int LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = binline, public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    packed int := 0;
    chunk regclass;
BEGIN
    FOR chunk IN
        SELECT format('%I.%I', chunk_schema, chunk_name)::regclass
          FROM timescaledb_information.chunks
         WHERE hypertable_schema = 'binline' AND hypertable_name = 'readings' AND range_end <= before
           AND NOT is_compressed
         ORDER BY range_start LIMIT 1
    LOOP
        PERFORM compress_chunk(chunk, if_not_compressed => true);
        packed := packed + 1;
    END LOOP;
    RETURN packed;
END $$;
REVOKE ALL ON FUNCTION readings_pack FROM PUBLIC;
GRANT EXECUTE ON FUNCTION readings_pack TO binline_jobs;

-- Of whoever keeps the store: only an owner can refresh. It may delete `rollups` as well, so no harm is new.
GRANT USAGE ON SCHEMA binline_store TO binline_view, binline_jobs;
GRANT CREATE ON SCHEMA binline_store TO binline_jobs;
SET LOCAL ROLE binline_jobs;
-- `first` and `last` compare one number: the time, then the stream, then the place in it, side by side.
CREATE MATERIALIZED VIEW binline_store.rollups_hourly
  WITH (timescaledb.continuous, timescaledb.materialized_only = true) AS
    SELECT sensor_id, time_bucket(INTERVAL '1 hour', measured_at) AS hour,
           count(*)::int AS readings, count(condition)::int AS conditions,
           min(measured_at) AS heard_first_at, max(measured_at) AS heard_last_at,
           count(weight_mg)::int AS weights,
           min(measured_at) FILTER (WHERE weight_mg IS NOT NULL) AS first_at,
           first(weight_mg, extract(epoch FROM measured_at) * 1e29 + stream_no * 1e19 + seq) FILTER (WHERE weight_mg IS NOT NULL) AS first_weight_mg,
           max(measured_at) FILTER (WHERE weight_mg IS NOT NULL) AS last_at,
           last(weight_mg, extract(epoch FROM measured_at) * 1e29 + stream_no * 1e19 + seq) FILTER (WHERE weight_mg IS NOT NULL) AS last_weight_mg,
           min(weight_mg) AS min_weight_mg, max(weight_mg) AS max_weight_mg, sum(weight_mg) AS sum_weight_mg,
           last(total, extract(epoch FROM measured_at) * 1e29 + stream_no * 1e19 + seq) FILTER (WHERE total IS NOT NULL) AS last_total
      FROM readings WHERE corrected_at IS NULL
     GROUP BY 1, 2
  WITH NO DATA;
GRANT SELECT ON binline_store.rollups_hourly TO binline_view;
SET LOCAL ROLE binline_owner;
REVOKE CREATE ON SCHEMA binline_store FROM binline_jobs;

-- What the service rolled up stays for hours whose readings are gone. Of the others it keeps from now on only
-- what was corrected into them, which the aggregate leaves out: it knows the time of measuring alone.
DELETE FROM rollups WHERE hour >= (SELECT from_at FROM readings_kept);
INSERT INTO rollups_due
SELECT date_trunc('hour', corrected_at, 'UTC') AS hour, array_agg(DISTINCT sensor_id)
  FROM readings WHERE corrected_at IS NOT NULL GROUP BY hour;

-- Each hour once: what the aggregate has, and what the service has. Who sees it, `portal_rollups` says as before.
CREATE OR REPLACE VIEW binline_store.hours AS
    SELECT sensor_id, hour, sum(readings)::int AS readings, sum(conditions)::int AS conditions,
           min(heard_first_at) AS heard_first_at, max(heard_last_at) AS heard_last_at,
           sum(weights)::int AS weights,
           min(first_at) AS first_at, (array_agg(first_weight_mg ORDER BY first_at))[1] AS first_weight_mg,
           max(last_at) AS last_at,
           (array_agg(last_weight_mg ORDER BY last_at DESC NULLS LAST))[1] AS last_weight_mg,
           min(min_weight_mg) AS min_weight_mg, max(max_weight_mg) AS max_weight_mg,
           sum(sum_weight_mg) AS sum_weight_mg,
           (array_agg(last_total ORDER BY heard_last_at DESC) FILTER (WHERE last_total IS NOT NULL))[1] AS last_total
      FROM (SELECT * FROM rollups
            UNION ALL SELECT * FROM binline_store.rollups_hourly) AS piece
     GROUP BY sensor_id, hour;

CREATE OR REPLACE FUNCTION readings_store() RETURNS text LANGUAGE sql IMMUTABLE RETURN 'columnstore';
