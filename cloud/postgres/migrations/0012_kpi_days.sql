-- Days and weeks of each bin, added up: what KPIs of a quarter are made of.
--
-- A row says what a day of a bin came to, computed whole from movements, silences and counts (`core.bin_days`). What
-- makes it another is noted in the transaction that causes it, and the day is computed again: late readings, an
-- hour that is rolled up again, a movement taken back, a count, another supplier.

SET LOCAL search_path = binline;

CREATE TABLE bin_days (
    bin_id        int NOT NULL REFERENCES bins ON DELETE CASCADE,
    day           date NOT NULL,                     -- of UTC
    supplier_id   int NOT NULL,                      -- whose it was at its end, and what lay in it
    item_id       int NOT NULL,
    upto_at       timestamptz NOT NULL,              -- how far the day is reckoned
    window_ms     int NOT NULL,
    known_ms      int NOT NULL,                      -- the level was known
    empty_ms      int NOT NULL,
    piece_hours   double precision NOT NULL,
    stock_outs    int NOT NULL,
    resumed_empty boolean NOT NULL,                  -- begins with the stock-out of a day before
    held          int,                               -- at its end; null: not known
    used          int NOT NULL,                      -- taken, less what was put back
    filled        int NOT NULL,
    counts        int NOT NULL,
    count_hits    int NOT NULL,
    counted       int NOT NULL,                      -- pieces, by people
    counted_off   int NOT NULL,
    counted_net   int NOT NULL,
    heard_at      timestamptz,                       -- the last sign of life until its end, as far as rolled up
    PRIMARY KEY (bin_id, day)
) WITH (fillfactor = 80);
CREATE INDEX bin_days_by_day ON bin_days (day);
CREATE INDEX bin_days_of_supplier ON bin_days (supplier_id, day);

-- From Monday. `forecast` is what was said of the week before it began, and never changes once it is there.
CREATE TABLE bin_weeks (
    bin_id      int NOT NULL REFERENCES bins ON DELETE CASCADE,
    week        date NOT NULL CHECK (extract(isodow FROM week) = 1),
    supplier_id int NOT NULL,
    item_id     int NOT NULL,
    used        int NOT NULL CHECK (used >= 0),      -- so far
    seen        boolean NOT NULL,                    -- it is over, and hardly any of it was hidden
    lead_weeks  int NOT NULL CHECK (lead_weeks > 0), -- for how long an order placed in it has to last
    forecast    real,                                -- pieces; null: still learning
    square      real,                                -- mean squared step from week to week, of what was known then
    said_at     timestamptz,                         -- null: worked out later, from no more than was known then
    PRIMARY KEY (bin_id, week)
);
CREATE INDEX bin_weeks_by_week ON bin_weeks (week);

-- From when on days of a bin are to be computed again. Only added to and taken from, so that nobody waits for it.
CREATE TABLE bin_days_due (
    bin_id  int NOT NULL,
    from_at timestamptz NOT NULL
);
CREATE INDEX ON bin_days_due (from_at DESC);
CREATE INDEX ON bin_days_due (bin_id);

CREATE FUNCTION bin_days_mark() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = binline, pg_temp AS $$
BEGIN
    IF TG_TABLE_NAME = 'movements' THEN
        INSERT INTO bin_days_due SELECT bin_id, min(event_at) FROM become GROUP BY bin_id;
    ELSIF TG_TABLE_NAME = 'counts' THEN
        INSERT INTO bin_days_due SELECT bin_id, min(counted_at) FROM become GROUP BY bin_id;
    ELSE
        INSERT INTO bin_days_due SELECT bin_id, min(from_at) FROM become GROUP BY bin_id;
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION bin_days_mark FROM PUBLIC;
CREATE TRIGGER movements_mark_days AFTER INSERT ON movements REFERENCING NEW TABLE AS become
    FOR EACH STATEMENT EXECUTE FUNCTION bin_days_mark();
CREATE TRIGGER movements_mark_days_again AFTER UPDATE ON movements REFERENCING NEW TABLE AS become
    FOR EACH STATEMENT EXECUTE FUNCTION bin_days_mark();
CREATE TRIGGER counts_mark_days AFTER INSERT ON counts REFERENCING NEW TABLE AS become
    FOR EACH STATEMENT EXECUTE FUNCTION bin_days_mark();
CREATE TRIGGER bin_items_mark_days AFTER INSERT ON bin_items REFERENCING NEW TABLE AS become
    FOR EACH STATEMENT EXECUTE FUNCTION bin_days_mark();
CREATE TRIGGER bin_items_mark_days_again AFTER UPDATE ON bin_items REFERENCING NEW TABLE AS become
    FOR EACH STATEMENT EXECUTE FUNCTION bin_days_mark();

---------------------------------------------------------------------- who sees what

DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['bin_days', 'bin_weeks'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY jobs_all ON %I TO binline_jobs USING (true) WITH CHECK (true)', t);
        -- Who asks is looked up once, and not for each of a million days. A supplier sees what was its own then:
        -- neither what was before it had the bin, nor what came after, nor what was agreed not to be shown.
        EXECUTE format('CREATE POLICY operations_all ON %I TO binline_portal USING ((SELECT is_operations()))', t);
        EXECUTE format('CREATE POLICY supplier_own ON %I FOR SELECT TO binline_portal '
                       'USING (supplier_id = (SELECT asking_supplier()) AND bin_id NOT IN (SELECT b.bin_id FROM bins b '
                       'WHERE b.site_id IN (SELECT sites_withheld())))', t);
    END LOOP;
END $$;

GRANT SELECT, INSERT, UPDATE, DELETE ON bin_days, bin_weeks TO binline_jobs;
GRANT SELECT, INSERT, DELETE ON bin_days_due TO binline_jobs;
GRANT SELECT ON bin_days, bin_weeks TO binline_portal;
-- Whoever keeps the store reads hours as operations do: where an aggregate holds them, only the view has them all.
GRANT SELECT ON portal_rollups TO binline_jobs;

-- What happened before this was here.
ALTER TABLE movements NO FORCE ROW LEVEL SECURITY;
INSERT INTO bin_days_due SELECT bin_id, min(event_at) FROM movements WHERE replaced_at IS NULL GROUP BY bin_id;
ALTER TABLE movements FORCE ROW LEVEL SECURITY;
