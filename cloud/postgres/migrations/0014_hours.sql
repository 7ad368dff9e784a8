-- What an hour came to, wherever it is held; and apart from it, who sees it.
--
-- `binline_store.hours` is all hours. Moving into TimescaleDB puts those of its aggregate into it, and touches no
-- condition of who sees what; and a migration that changes such a condition does so for every store.

SET LOCAL search_path = binline;

DO $$
BEGIN
    IF readings_store() = 'columnstore' THEN
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
    ELSE
        CREATE OR REPLACE VIEW binline_store.hours AS SELECT * FROM rollups;
    END IF;
END $$;
GRANT CREATE ON SCHEMA binline_store TO binline_view;
ALTER VIEW binline_store.hours OWNER TO binline_view;
REVOKE CREATE ON SCHEMA binline_store FROM binline_view;

-- Only where its hours come from is replaced, whatever has been said since of who sees them.
DO $$
DECLARE
    was text := pg_get_viewdef('portal_rollups'::regclass);
    become text;
BEGIN
    become := regexp_replace(was, '\( SELECT piece\.sensor_id.* GROUP BY piece\.sensor_id, piece\.hour\) r\M',
                             'binline_store.hours r');
    become := regexp_replace(become, '\mrollups r\M', 'binline_store.hours r');
    IF become NOT LIKE '%binline_store.hours r%' THEN
        RAISE EXCEPTION 'portal_rollups is not as expected: %', was;
    END IF;
    EXECUTE 'CREATE OR REPLACE VIEW portal_rollups WITH (security_barrier = true) AS ' || become;
END $$;
