-- Readings out of their weeks into a hypertable. Run once, by `cloud.postgres.timescale.adopt`.

SET LOCAL search_path = binline, public;

ALTER TABLE readings RENAME TO readings_of_weeks;
ALTER TABLE readings_of_weeks SET SCHEMA binline_store;
CREATE TABLE readings (LIKE binline_store.readings_of_weeks INCLUDING ALL);

-- Weeks here, too, for the same reason. No index on the time alone: nobody asks for all sensors at a time.
SELECT create_hypertable('readings', by_range('measured_at', INTERVAL '7 days'), create_default_indexes => false);

INSERT INTO readings SELECT * FROM binline_store.readings_of_weeks;

CREATE TRIGGER rollups_corrected AFTER UPDATE ON readings REFERENCING OLD TABLE AS was NEW TABLE AS become
    FOR EACH STATEMENT EXECUTE FUNCTION rollups_corrected();
CREATE TRIGGER readings_follow AFTER UPDATE ON readings REFERENCING OLD TABLE AS was NEW TABLE AS become
    FOR EACH STATEMENT EXECUTE FUNCTION readings_follow();

-- The views as they are, said again, so that they mean the new table; and every right as it was.
DO $$
DECLARE
    told record;
BEGIN
    FOR told IN
        SELECT a.privilege_type AS right, a.grantee::regrole AS who FROM pg_class c, aclexplode(c.relacl) a
         WHERE c.oid = 'binline_store.readings_of_weeks'::regclass AND a.grantee <> c.relowner
    LOOP
        EXECUTE format('GRANT %s ON readings TO %s', told.right, told.who);
    END LOOP;
    FOR told IN
        SELECT a.privilege_type AS right, a.grantee::regrole AS who, t.attname AS place
          FROM pg_attribute t, aclexplode(t.attacl) a
         WHERE t.attrelid = 'binline_store.readings_of_weeks'::regclass
    LOOP
        EXECUTE format('GRANT %s (%I) ON readings TO %s', told.right, told.place, told.who);
    END LOOP;
    EXECUTE 'CREATE OR REPLACE VIEW portal_readings WITH (security_barrier = true) AS '
         || replace(pg_get_viewdef('portal_readings'::regclass), 'binline_store.readings_of_weeks', 'readings');
END $$;
DROP TABLE binline_store.readings_of_weeks;
DROP FUNCTION readings_make_week, readings_weeks_wanted;

CREATE OR REPLACE FUNCTION readings_store() RETURNS text LANGUAGE sql IMMUTABLE RETURN 'hypertable';

-- Chunks make themselves for any time; one that was made for the year 1970 holds readings of a clock that was
-- never set, and stays as long as one of them turned out to be younger.
CREATE OR REPLACE FUNCTION readings_drop(before timestamptz) RETURNS int LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = binline, public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    chunk record;
    younger boolean;
    dropped int := 0;
BEGIN
    IF before > now() - interval '30 days' THEN
        RAISE EXCEPTION 'readings of the last 30 days are not dropped; asked for before %', before;
    END IF;
    FOR chunk IN
        SELECT format('%I.%I', chunk_schema, chunk_name) AS name, range_start, range_end
          FROM timescaledb_information.chunks
         WHERE hypertable_schema = 'binline' AND hypertable_name = 'readings' AND range_end <= before
    LOOP
        SELECT EXISTS (SELECT FROM readings
                        WHERE measured_at >= chunk.range_start AND measured_at < chunk.range_end
                          AND corrected_at >= before) INTO younger;
        CONTINUE WHEN younger;
        PERFORM drop_chunks('readings', older_than => chunk.range_end, newer_than => chunk.range_start);
        dropped := dropped + 1;
    END LOOP;
    UPDATE readings_kept SET from_at = before WHERE from_at < before;
    RETURN dropped;
END $$;
