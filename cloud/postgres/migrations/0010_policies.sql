-- How a bin is ordered for, as people set it and as history would have it: every policy there is, with its
-- parameters; who changed it, and the calendars of suppliers, when and why; usage that is known beforehand; what the
-- nightly estimate came to.
--
-- A policy's own parameters are one JSON object, checked by the program (`core.policy_settings`) and by the policy
-- itself when it is made: a policy that is added, or its next version, needs no migration. Minimum, order-up-to level
-- and capacity stay with the bin, pack and minimum order in columns: they are of the bin whatever its policy.

SET LOCAL search_path = binline;

---------------------------------------------------------------------- policies of bins

ALTER TABLE bin_policies NO FORCE ROW LEVEL SECURITY;   -- the owner is under it, too, and carries over
ALTER TABLE bin_policies DROP CONSTRAINT bin_policies_policy_check;
ALTER TABLE bin_policies ALTER COLUMN grace_hours DROP NOT NULL, ALTER COLUMN grace_hours DROP DEFAULT;  -- null: as agreed
ALTER TABLE bin_policies RENAME COLUMN version TO policy_version;
ALTER TABLE bin_policies
    ADD COLUMN parameters         jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(parameters) = 'object'),
    ADD COLUMN version            int NOT NULL DEFAULT 1,         -- of what is set; a decision names it
    -- Kept by history: the nightly estimate sets minimum and order-up-to level, the minimum within a band that
    -- somebody allowed. What was agreed holds while it learns, and is remembered.
    ADD COLUMN automatic          boolean NOT NULL DEFAULT false,
    ADD COLUMN minimum_from       int CHECK (minimum_from >= 0),
    ADD COLUMN minimum_to         int CHECK (minimum_to >= 0),
    ADD COLUMN agreed_minimum     int CHECK (agreed_minimum >= 0),
    ADD COLUMN agreed_order_up_to int CHECK (agreed_order_up_to > 0),   -- null: what the bin can hold
    ADD COLUMN target_permille    int NOT NULL DEFAULT 950        -- of demand, by value, served at once
        CHECK (target_permille BETWEEN 500 AND 999),
    ADD CHECK (policy ~ '^[a-z_]+$'),
    ADD CHECK (minimum_from <= minimum_to),
    ADD CHECK (NOT automatic OR (minimum_from IS NOT NULL AND minimum_to IS NOT NULL AND agreed_minimum IS NOT NULL));
UPDATE bin_policies SET parameters = jsonb_build_object('quantity', quantity, 'multiples', true)
 WHERE quantity IS NOT NULL;
ALTER TABLE bin_policies DROP COLUMN quantity;
ALTER TABLE bin_policies FORCE ROW LEVEL SECURITY;

CREATE TRIGGER zz_count_version BEFORE UPDATE ON bin_policies FOR EACH ROW EXECUTE FUNCTION count_version();
CREATE TRIGGER note_change AFTER INSERT OR UPDATE ON bin_policies
    FOR EACH ROW EXECUTE FUNCTION note_change('bin_policy', 'bin_id');
CREATE TRIGGER zz_count_version BEFORE UPDATE ON supplier_calendars FOR EACH ROW EXECUTE FUNCTION count_version();
CREATE TRIGGER note_change AFTER INSERT OR UPDATE ON supplier_calendars
    FOR EACH ROW EXECUTE FUNCTION note_change('supplier_calendar', 'supplier_id');

-- Which version of each it was decided by; null: before there were versions; 0: nothing was set.
ALTER TABLE decisions
    ADD COLUMN settings_version int,
    ADD COLUMN calendar_version int;

---------------------------------------------------------------------- known beforehand

-- Days of the bin's site, both included. Never deleted: withdrawn, with who and when.
CREATE TABLE planned_usage (
    planned_usage_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    bin_id           int NOT NULL REFERENCES bins,
    from_day         date NOT NULL,
    to_day           date NOT NULL,
    pieces           int NOT NULL CHECK (pieces > 0),             -- over all of these days
    by               text NOT NULL,
    because          text NOT NULL CHECK (btrim(because) <> ''),
    at               timestamptz NOT NULL,
    withdrawn_at     timestamptz,
    withdrawn_by     text,
    CHECK (to_day BETWEEN from_day AND from_day + 366),
    CHECK ((withdrawn_at IS NULL) = (withdrawn_by IS NULL))
);
CREATE INDEX ON planned_usage (bin_id, to_day) WHERE withdrawn_at IS NULL;

---------------------------------------------------------------------- what history says

-- A row per bin, written anew each night. `minimum` and `order_up_to`: null where the policy has no such level, or
-- nothing is to be said of it.
CREATE TABLE bin_parameters (
    bin_id              int PRIMARY KEY REFERENCES bins ON DELETE CASCADE,
    computed_at         timestamptz NOT NULL,
    target_permille     int NOT NULL,
    method              text NOT NULL CHECK (method IN ('contract', 'history')),
    learning            boolean NOT NULL,
    rate_milli_per_day  bigint NOT NULL CHECK (rate_milli_per_day >= 0),   -- thousandths of a piece
    spread              real NOT NULL,
    minimum             int CHECK (minimum >= 0),
    order_up_to         int CHECK (order_up_to > 0),
    because             text NOT NULL,
    -- Where history keeps the bin: what was set by it last, and why it is not, where it is not.
    applied_minimum     int,
    applied_order_up_to int,
    held                text NOT NULL DEFAULT ''
);
CREATE INDEX ON bin_parameters (computed_at);

---------------------------------------------------------------------- who sees what

DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['planned_usage', 'bin_parameters'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY jobs_all ON %I TO binline_jobs USING (true) WITH CHECK (true)', t);
        EXECUTE format('CREATE POLICY operations_all ON %I TO binline_portal '
                       'USING (is_operations()) WITH CHECK (is_operations())', t);
    END LOOP;
END $$;

GRANT SELECT ON planned_usage TO binline_jobs;
GRANT SELECT, INSERT, UPDATE, DELETE ON bin_parameters TO binline_jobs;
GRANT UPDATE (parameters) ON bin_policies TO binline_jobs;              -- a rate that history keeps
GRANT UPDATE (minimum, order_up_to) ON bins TO binline_jobs;            -- where history keeps them
GRANT SELECT ON bin_parameters TO binline_portal;
GRANT SELECT, INSERT, UPDATE (withdrawn_at, withdrawn_by) ON planned_usage TO binline_portal;
