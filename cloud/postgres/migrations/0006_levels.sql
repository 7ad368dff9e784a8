-- What each bin holds, and how that came to be: levels, movements, counts by people.
--
-- Readings are followed in the order of their corrected time, whatever order they came in. Whoever follows keeps
-- its state in `bin_tracks` and, so that late readings need not be followed from the beginning, in `checkpoints`.
-- What was concluded is never changed in place: a movement that late readings take back stays, with the time at
-- which it was replaced.

SET LOCAL search_path = binline;

---------------------------------------------------------------------- what waits to be followed

-- Written by ingest in the transaction of the readings themselves: from when on a sensor has something new.
CREATE TABLE follow_due (
    follow_due_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sensor_ids    int[] NOT NULL,
    from_ms       bigint[] NOT NULL      -- since 1970, by the gateway's clock or as corrected
);

-- The same by the bin, together with what else makes one to be looked at: a count, a changed rule.
CREATE TABLE bin_follow (
    bin_id  int PRIMARY KEY REFERENCES bins ON DELETE CASCADE,
    from_at timestamptz                  -- null: nothing new was read
);

---------------------------------------------------------------------- levels

-- One row per bin, small, because it is written with every reading of the bin.
CREATE TABLE bin_levels (
    bin_id        int PRIMARY KEY REFERENCES bins ON DELETE CASCADE,
    pieces        int CHECK (pieces >= 0),           -- null: no level is known yet
    sd_pieces     real NOT NULL DEFAULT 0,
    exact         boolean NOT NULL DEFAULT false,
    level_at      timestamptz,                       -- of the newest reading that bears it out
    plateau_since timestamptz,
    unconfirmed   int NOT NULL DEFAULT 0,            -- pieces; a change that is seen and not confirmed yet
    doubts        jsonb NOT NULL DEFAULT '[]',       -- [kind, sentence] each
    followed_at   timestamptz,                       -- the newest reading that was looked at
    settles_at    timestamptz,                       -- when time alone decides something
    zero_error_mg bigint,
    usage_per_day real,                              -- of the last weeks, days without usage included
    usage_sd      real,                              -- from day to day
    usage_days    int NOT NULL DEFAULT 0,            -- that this rests on
    changed_xid   xid8 NOT NULL DEFAULT pg_current_xact_id()
) WITH (fillfactor = 50);
CREATE INDEX ON bin_levels (settles_at) WHERE settles_at IS NOT NULL;
CREATE INDEX ON bin_levels (changed_xid);

-- What is remembered between two readings, and by which rules it was made.
CREATE TABLE bin_tracks (
    bin_id     int PRIMARY KEY REFERENCES bins ON DELETE CASCADE,
    item_id    int NOT NULL REFERENCES items,
    rules      jsonb NOT NULL,
    from_at    timestamptz NOT NULL,                 -- since when this item lies in it
    state      text,                                 -- JSON of `core.followed`; null: nothing was seen
    counted_at timestamptz,                          -- of the last count that was followed
    fed        int NOT NULL DEFAULT 0,               -- readings since the last checkpoint
    version    bigint NOT NULL DEFAULT 0             -- who remembers it compares this
);

CREATE TABLE checkpoints (
    bin_id int NOT NULL REFERENCES bins ON DELETE CASCADE,
    at     timestamptz NOT NULL,                     -- of the last reading in it
    state  text NOT NULL,
    PRIMARY KEY (bin_id, at)
);

---------------------------------------------------------------------- movements

CREATE TABLE movements (
    movement_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    bin_id        int NOT NULL REFERENCES bins,
    item_id       int NOT NULL REFERENCES items,
    kind          text NOT NULL CHECK (kind IN ('opening', 'usage', 'refill', 'put_back', 'correction', 'swap')),
    pieces        int NOT NULL,
    before_pieces int NOT NULL CHECK (before_pieces >= 0),
    after_pieces  int NOT NULL CHECK (after_pieces >= 0),
    event_at      timestamptz NOT NULL,              -- the new plateau begins
    confirmed_at  timestamptz NOT NULL,              -- the reading that made it sure
    known_at      timestamptz NOT NULL,              -- we booked it
    before_refs   bigint[],                          -- stream_no, seq of the first and of the last reading of the plateau
    after_refs    bigint[] NOT NULL,
    before_mg     bigint,
    after_mg      bigint,
    because       text NOT NULL,
    restated      boolean NOT NULL DEFAULT false,    -- made of an older one, by a unit weight that was learnt later
    replaced_at   timestamptz,                       -- late readings or a restatement told otherwise
    CHECK (after_pieces = before_pieces + pieces)
);
CREATE INDEX movements_live ON movements (bin_id, event_at) WHERE replaced_at IS NULL;
CREATE INDEX movements_by_time ON movements (event_at) WHERE replaced_at IS NULL;

-- A unit weight that was learnt anew: what it made of history.
CREATE TABLE restatements (
    restatement_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    bin_id         int NOT NULL REFERENCES bins,
    item_id        int NOT NULL REFERENCES items,
    at             timestamptz NOT NULL,
    from_ug        bigint NOT NULL,
    to_ug          bigint NOT NULL,
    movements      int NOT NULL,
    before_pieces  int NOT NULL,
    after_pieces   int NOT NULL
);
CREATE INDEX ON restatements (bin_id, at);

---------------------------------------------------------------------- counts by people

-- A count is a fact about a time, like a reading: followed in order with them, and never changed.
CREATE TABLE counts (
    count_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    bin_id       int NOT NULL REFERENCES bins,
    item_id      int NOT NULL REFERENCES items,
    kind         text NOT NULL CHECK (kind IN ('audit', 'cycle', 'correction', 'tare')),
    pieces       int NOT NULL CHECK (pieces >= 0),
    counted_at   timestamptz NOT NULL,
    entered_at   timestamptz NOT NULL,
    by           text NOT NULL,
    because      text NOT NULL CHECK (because <> ''),
    level_pieces int                                 -- what we held it for when it was entered; null: nothing
);
CREATE UNIQUE INDEX counts_one_at_a_time ON counts (bin_id, counted_at);

---------------------------------------------------------------------- what makes a bin to be looked at again

CREATE FUNCTION bins_follow() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = binline, pg_temp AS $$
BEGIN
    IF TG_TABLE_NAME = 'items' THEN
        INSERT INTO bin_follow SELECT bin_id, NULL FROM bins WHERE item_id = NEW.item_id ORDER BY bin_id
            ON CONFLICT DO NOTHING;
    ELSIF TG_TABLE_NAME = 'counts' THEN
        INSERT INTO bin_follow VALUES (NEW.bin_id, NEW.counted_at)
            ON CONFLICT (bin_id) DO UPDATE SET from_at = least(bin_follow.from_at, EXCLUDED.from_at);
    ELSIF NEW.bin_id IS NOT NULL THEN
        INSERT INTO bin_follow VALUES (NEW.bin_id, NULL) ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION bins_follow FROM PUBLIC;
CREATE TRIGGER bins_follow AFTER INSERT OR UPDATE ON bins FOR EACH ROW EXECUTE FUNCTION bins_follow();
CREATE TRIGGER items_follow AFTER UPDATE ON items FOR EACH ROW EXECUTE FUNCTION bins_follow();
CREATE TRIGGER sensors_follow AFTER INSERT OR UPDATE OF bin_id ON sensors FOR EACH ROW EXECUTE FUNCTION bins_follow();
CREATE TRIGGER counts_follow AFTER INSERT ON counts FOR EACH ROW EXECUTE FUNCTION bins_follow();

-- A corrected reading is new where it comes to, and missing where it was.
CREATE FUNCTION readings_follow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO follow_due (sensor_ids, from_ms)
    SELECT array_agg(sensor_id), array_agg(ms)
      FROM (SELECT sensor_id, (extract(epoch FROM min(at)) * 1000)::bigint AS ms
              FROM (SELECT sensor_id, coalesce(corrected_at, measured_at) AS at FROM was
                    UNION ALL SELECT sensor_id, coalesce(corrected_at, measured_at) FROM become) t
             GROUP BY sensor_id) s
    HAVING count(*) > 0;
    RETURN NULL;
END $$;
CREATE TRIGGER readings_follow AFTER UPDATE ON readings REFERENCING OLD TABLE AS was NEW TABLE AS become
    FOR EACH STATEMENT EXECUTE FUNCTION readings_follow();

---------------------------------------------------------------------- who sees what

DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['bin_follow', 'bin_levels', 'movements', 'restatements', 'counts'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY jobs_all ON %I TO binline_jobs USING (true) WITH CHECK (true)', t);
        EXECUTE format('CREATE POLICY operations_all ON %I TO binline_portal '
                       'USING (is_operations()) WITH CHECK (is_operations())', t);
    END LOOP;
END $$;
-- Of its own bins; and of what moved in them, what did so while they were its own.
CREATE POLICY supplier_own ON bin_levels FOR SELECT TO binline_portal
    USING (bin_id IN (SELECT b.bin_id FROM bins b WHERE b.supplier_id = asking_supplier()));
CREATE POLICY supplier_own ON movements FOR SELECT TO binline_portal
    USING (EXISTS (SELECT FROM bin_items o WHERE o.bin_id = movements.bin_id AND o.supplier_id = asking_supplier()
                      AND event_at >= o.from_at AND (o.to_at IS NULL OR event_at < o.to_at)));
CREATE POLICY triggers_all ON bin_follow TO binline_owner USING (true) WITH CHECK (true);
CREATE POLICY triggers_read ON bins FOR SELECT TO binline_owner USING (true);   -- which bins an item lies in

GRANT INSERT ON follow_due TO binline_ingest;
GRANT SELECT, DELETE, UPDATE ON follow_due TO binline_jobs;      -- UPDATE: what is taken is locked first
GRANT SELECT, INSERT, UPDATE, DELETE ON bin_follow TO binline_jobs;
GRANT SELECT, INSERT, UPDATE, DELETE ON bin_levels, bin_tracks, checkpoints TO binline_jobs;
GRANT SELECT, INSERT, UPDATE ON movements TO binline_jobs;
GRANT SELECT, INSERT ON restatements TO binline_jobs;
GRANT SELECT, INSERT ON counts TO binline_jobs;
GRANT SELECT ON bin_levels, movements, restatements, counts TO binline_portal;
GRANT INSERT ON counts TO binline_portal;

-- What was heard before this was here is followed from its beginning.
INSERT INTO follow_due (sensor_ids, from_ms)
SELECT array_agg(sensor_id), array_agg(0) FROM sensors WHERE bin_id IS NOT NULL HAVING count(*) > 0;
