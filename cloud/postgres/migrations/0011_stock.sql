-- What a delivery of known quantity says of a piece's weight; each supplier sees of a sensor what it said of its bin,
-- and its own numbers alone.

SET LOCAL search_path = binline;

---------------------------------------------------------------------- what deliveries say of the weight of a piece

-- A delivery is named by its bin, item and time: its movement gets another number whenever history is restated.
CREATE TABLE findings (
    finding_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    bin_id         int NOT NULL REFERENCES bins,
    item_id        int NOT NULL REFERENCES items,
    event_at       timestamptz NOT NULL,             -- of the refill
    movement_id    bigint NOT NULL REFERENCES movements,
    order_id       uuid REFERENCES orders,           -- that said how many came; null: a person did
    pieces         int NOT NULL CHECK (pieces > 0),  -- that are known to have come
    weighed        int NOT NULL,                     -- pieces, by the unit weight that was in use
    before_mg      bigint NOT NULL,
    after_mg       bigint NOT NULL,
    from_ug        bigint NOT NULL,                  -- in use then
    unit_weight_ug bigint NOT NULL CHECK (unit_weight_ug > 0),   -- learnt; as in use where nothing was
    unit_sd_ug     bigint NOT NULL CHECK (unit_sd_ug >= 0),
    unit_error_ug  bigint NOT NULL CHECK (unit_error_ug >= 0),
    says           text NOT NULL,                    -- the evidence, a sentence
    told_by        text NOT NULL,
    told_because   text NOT NULL,
    told_at        timestamptz NOT NULL,
    -- kept: it says nothing better; applied: so little that nobody was asked; overtaken: another weight came first
    state          text NOT NULL CHECK (state IN ('kept', 'applied', 'waiting', 'accepted', 'declined', 'overtaken')),
    answered_by      text,
    answered_because text,
    answered_at      timestamptz,
    CHECK ((state IN ('accepted', 'declined', 'overtaken')) = (answered_at IS NOT NULL))
);
CREATE INDEX ON findings (bin_id, finding_id DESC);
CREATE UNIQUE INDEX findings_one_waits ON findings (item_id) WHERE state = 'waiting';
CREATE UNIQUE INDEX findings_used_once ON findings (bin_id, event_at) WHERE state IN ('applied', 'accepted');
CREATE UNIQUE INDEX findings_one_of_line ON findings (order_id, bin_id) WHERE order_id IS NOT NULL;

ALTER TABLE findings ENABLE ROW LEVEL SECURITY;
ALTER TABLE findings FORCE ROW LEVEL SECURITY;
CREATE POLICY jobs_all ON findings TO binline_jobs USING (true) WITH CHECK (true);
CREATE POLICY operations_all ON findings TO binline_portal USING (is_operations()) WITH CHECK (is_operations());

GRANT SELECT, INSERT, UPDATE (state, answered_by, answered_because, answered_at) ON findings
    TO binline_jobs, binline_portal;
-- A weight that moves by less than half a percent is put into use by whoever follows bins.
GRANT UPDATE (unit_weight_ug, unit_sd_ug, unit_error_ug) ON items TO binline_jobs;

---------------------------------------------------------------------- of a sensor, what it said of a bin

-- By the time of each reading: which bin the sensor watched then. A supplier sees what was said of its bin since it
-- is its own, and of an hour in which the sensor moved on, nothing. The text is changed in place, because the store
-- of readings may have been moved into a hypertable, and the views with it.
DO $$
DECLARE
    place record;
    was text;
    become text;
BEGIN
    FOR place IN SELECT * FROM (VALUES
        ('portal_readings', 'COALESCE(r.corrected_at, r.measured_at)', 'COALESCE(r.corrected_at, r.measured_at)'),
        ('portal_rollups', 'r.heard_first_at', 'r.heard_last_at')) AS t(name, began, ended)
    LOOP
        was := pg_get_viewdef(place.name::regclass);
        become := replace(was, 'JOIN sensors s USING (sensor_id)', format(
            'JOIN bin_sensors s ON s.sensor_id = r.sensor_id AND s.from_at <= %s AND (s.to_at IS NULL OR %1$s < s.to_at)',
            place.began));
        -- Besides whatever was said before of who sees them.
        become := regexp_replace(become, E'\n  WHERE (.*);$', format(
            E'\n  WHERE (\\1) AND (is_operations() OR ((s.to_at IS NULL OR %s < s.to_at)'
            ' AND NOT EXISTS (SELECT FROM bin_items o WHERE o.bin_id = b.bin_id AND o.supplier_id <> b.supplier_id'
            ' AND o.to_at > %s)))', place.ended, place.began));
        IF become NOT LIKE '%JOIN bin_sensors s%' OR become NOT LIKE '%FROM bin_items o%' THEN
            RAISE EXCEPTION '% is not as expected: %', place.name, was;
        END IF;
        EXECUTE format('CREATE OR REPLACE VIEW %I WITH (security_barrier = true) AS %s', place.name, become);
    END LOOP;
END $$;
GRANT SELECT ON bin_sensors, bin_items TO binline_view;
CREATE POLICY view_all ON bin_sensors TO binline_view USING (true);
CREATE POLICY view_all ON bin_items TO binline_view USING (true);

---------------------------------------------------------------------- a supplier's number of an item is its own

-- Until now a number of the item itself stood in where a supplier had none of its own, whoever's it was. It is kept
-- where all the item's bins have one supplier; where they have several, nobody knows whose it was.
ALTER TABLE items NO FORCE ROW LEVEL SECURITY;
ALTER TABLE bins NO FORCE ROW LEVEL SECURITY;
ALTER TABLE item_suppliers NO FORCE ROW LEVEL SECURITY;
INSERT INTO item_suppliers (item_id, supplier_id, supplier_sku)
SELECT i.item_id, min(b.supplier_id), i.supplier_sku FROM items i JOIN bins b USING (item_id)
 WHERE i.supplier_sku <> '' GROUP BY i.item_id HAVING count(DISTINCT b.supplier_id) = 1
ON CONFLICT DO NOTHING;
ALTER TABLE items FORCE ROW LEVEL SECURITY;
ALTER TABLE bins FORCE ROW LEVEL SECURITY;
ALTER TABLE item_suppliers FORCE ROW LEVEL SECURITY;
ALTER TABLE items DROP COLUMN supplier_sku;
