-- The nouns people keep: customers, nested places, items and who supplies them, bins; each with its history.
--
-- Two kinds of history. `changes` says who changed what, when, for a person to read. `bin_items`, `bin_sensors`
-- and `item_calibrations` say what held from when on, for a level of any past time to be computed with. Both are
-- written by triggers with the rights of the owner: a portal may read them, and can neither leave one out nor
-- forge one. What held first counts as having held ever before: the beginning is the first of January 1970.
--
-- A transaction may say, beside who asks: app.from_at, since when what it changes holds (now, if it does not),
-- and app.because, why. See `asking`.

SET LOCAL search_path = binline;

-- The owner is under the policies, too, and has to read what is there to carry it over.
ALTER TABLE sites NO FORCE ROW LEVEL SECURITY;
ALTER TABLE suppliers NO FORCE ROW LEVEL SECURITY;
ALTER TABLE items NO FORCE ROW LEVEL SECURITY;
ALTER TABLE bins NO FORCE ROW LEVEL SECURITY;
ALTER TABLE sensors NO FORCE ROW LEVEL SECURITY;

---------------------------------------------------------------------- customers, sites, places

CREATE TABLE customers (
    customer_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL UNIQUE CHECK (name <> ''),
    number      text NOT NULL DEFAULT '',            -- as their books and ours know them
    active      boolean NOT NULL DEFAULT true,
    version     int NOT NULL DEFAULT 1
);

ALTER TABLE sites
    ADD COLUMN customer_id int REFERENCES customers,
    ADD COLUMN active      boolean NOT NULL DEFAULT true,
    ADD COLUMN version     int NOT NULL DEFAULT 1;
CREATE INDEX ON sites (customer_id);
INSERT INTO customers (name) SELECT name FROM sites ORDER BY site_id;
UPDATE sites s SET customer_id = c.customer_id FROM customers c WHERE c.name = s.name;

-- Site, area, rack, shelf, spot, as deep as it is. A bin hangs on any of them. `name` is what is written there;
-- `path` and `lineage` are kept by a trigger: all names, all ids, from the top down to the place itself.
CREATE TABLE places (
    place_id  int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    site_id   int NOT NULL REFERENCES sites,
    parent_id int,
    kind      text NOT NULL DEFAULT 'spot' CHECK (kind IN ('area', 'rack', 'shelf', 'spot', 'van')),
    name      text NOT NULL CHECK (name <> '' AND name = btrim(name) AND position('/' IN name) = 0),
    path      text NOT NULL DEFAULT '',
    lineage   int[] NOT NULL DEFAULT '{}' CHECK (cardinality(lineage) <= 8),
    active    boolean NOT NULL DEFAULT true,
    version   int NOT NULL DEFAULT 1,
    UNIQUE (site_id, place_id),
    FOREIGN KEY (site_id, parent_id) REFERENCES places (site_id, place_id)   -- on the same site
);
CREATE UNIQUE INDEX places_one_name ON places (site_id, coalesce(parent_id, 0), name);
CREATE UNIQUE INDEX places_one_path ON places (site_id, path);
CREATE INDEX ON places (parent_id);
CREATE INDEX places_below ON places USING gin (lineage);   -- WHERE lineage @> ARRAY[place]: everything below it

CREATE FUNCTION places_derive() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE above places;
BEGIN
    IF NEW.parent_id IS NULL THEN
        NEW.path := NEW.name;
        NEW.lineage := ARRAY[NEW.place_id];
        RETURN NEW;
    END IF;
    SELECT * INTO above FROM places WHERE place_id = NEW.parent_id;
    IF NEW.place_id = ANY(above.lineage) THEN
        RAISE EXCEPTION 'a place cannot lie within itself' USING ERRCODE = 'check_violation',
            CONSTRAINT = 'places_no_ring';
    END IF;
    NEW.path := above.path || ' / ' || NEW.name;
    NEW.lineage := above.lineage || NEW.place_id;
    RETURN NEW;
END $$;
CREATE TRIGGER places_derive BEFORE INSERT OR UPDATE ON places
    FOR EACH ROW EXECUTE FUNCTION places_derive();

---------------------------------------------------------------------- suppliers, items, who supplies what

ALTER TABLE suppliers
    ADD COLUMN number  text NOT NULL DEFAULT '',
    ADD COLUMN active  boolean NOT NULL DEFAULT true,
    ADD COLUMN version int NOT NULL DEFAULT 1;

-- `supplier_sku` and `pack` of an item hold where its supplier has no line of its own in `item_suppliers`.
ALTER TABLE items
    ADD COLUMN unit_sd_ug    bigint NOT NULL DEFAULT 0 CHECK (unit_sd_ug >= 0),      -- from piece to piece
    ADD COLUMN unit_error_ug bigint NOT NULL DEFAULT 0 CHECK (unit_error_ug >= 0),   -- of the mean, one sd
    ADD COLUMN active        boolean NOT NULL DEFAULT true,
    ADD COLUMN version       int NOT NULL DEFAULT 1;

-- What a piece is worth to whoever keeps the books, in ten-thousandths. Apart from `items`, because every
-- supplier of an item may read that, and no supplier this.
CREATE TABLE item_prices (
    item_id  int PRIMARY KEY REFERENCES items ON DELETE CASCADE,
    price_e4 bigint CHECK (price_e4 >= 0),           -- null: no longer said
    currency text CHECK (currency ~ '^[A-Z]{3}$'),
    CHECK ((price_e4 IS NULL) = (currency IS NULL))
);

CREATE TABLE item_suppliers (
    item_id        int NOT NULL REFERENCES items ON DELETE CASCADE,
    supplier_id    int NOT NULL REFERENCES suppliers,
    supplier_sku   text NOT NULL DEFAULT '',
    pack           int CHECK (pack > 0),                          -- null: the item's
    moq            int CHECK (moq > 0),                           -- pieces; null: none said
    lead_time_days int CHECK (lead_time_days BETWEEN 0 AND 730),  -- null: not said
    price_e4       bigint CHECK (price_e4 >= 0),                  -- per piece, in ten-thousandths
    currency       text CHECK (currency ~ '^[A-Z]{3}$'),
    active         boolean NOT NULL DEFAULT true,
    version        int NOT NULL DEFAULT 1,
    PRIMARY KEY (item_id, supplier_id),
    CHECK ((price_e4 IS NULL) = (currency IS NULL))
);
CREATE INDEX ON item_suppliers (supplier_id);
CREATE INDEX ON item_suppliers (supplier_sku) WHERE supplier_sku <> '';

-- One item may have had one number for all its suppliers, so far: each gets it as its own.
INSERT INTO item_suppliers (item_id, supplier_id, supplier_sku)
SELECT DISTINCT i.item_id, b.supplier_id, i.supplier_sku FROM bins b JOIN items i USING (item_id);

---------------------------------------------------------------------- bins

ALTER TABLE bins
    ADD COLUMN place_id          int,
    ADD COLUMN scale_sd_mg       bigint NOT NULL DEFAULT 0 CHECK (scale_sd_mg >= 0),   -- 0: to be learnt
    ADD COLUMN measure           text NOT NULL DEFAULT 'weight'
        CHECK (measure IN ('weight', 'counter_out', 'counter_in', 'tags', 'steps', 'two_bin')),
    ADD COLUMN pieces_per_count  int NOT NULL DEFAULT 1 CHECK (pieces_per_count > 0),
    ADD COLUMN refill_min_pieces int CHECK (refill_min_pieces > 0),   -- null: a pack
    ADD COLUMN order_up_to       int CHECK (order_up_to > 0),         -- null: its capacity
    ADD COLUMN critical          boolean NOT NULL DEFAULT false,
    ADD COLUMN ownership         text NOT NULL DEFAULT 'owned' CHECK (ownership IN ('owned', 'consignment')),
    ADD COLUMN active            boolean NOT NULL DEFAULT true,
    ADD COLUMN version           int NOT NULL DEFAULT 1,
    ADD FOREIGN KEY (site_id, place_id) REFERENCES places (site_id, place_id),
    ADD CONSTRAINT bins_order_fits CHECK (order_up_to IS NULL OR (order_up_to > minimum AND order_up_to <= capacity));
CREATE INDEX ON bins (place_id);
CREATE INDEX ON bins (item_id);

-- Names were free text: each becomes a place of its own at the top of its site.
INSERT INTO places (site_id, name)
SELECT DISTINCT site_id, btrim(replace(place, '/', '-')) FROM bins WHERE btrim(place) <> '';
UPDATE bins b SET place_id = p.place_id, place = p.name FROM places p
 WHERE p.site_id = b.site_id AND p.name = btrim(replace(b.place, '/', '-'));

-- Where a bin hangs on a place, its own `place` is that place's name.
CREATE FUNCTION bins_place() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.place_id IS NOT NULL THEN
        NEW.place := coalesce((SELECT name FROM places WHERE place_id = NEW.place_id), NEW.place);
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER bins_place BEFORE INSERT OR UPDATE ON bins FOR EACH ROW EXECUTE FUNCTION bins_place();

-- A place that is renamed or moved takes along what lies below it, and the bins that hang on it.
CREATE FUNCTION places_carry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE places SET path = '' WHERE parent_id = NEW.place_id;   -- derived again by its own trigger
    IF NEW.name <> OLD.name THEN
        UPDATE bins SET place = NEW.name WHERE place_id = NEW.place_id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER places_carry AFTER UPDATE ON places FOR EACH ROW
    WHEN (OLD.path IS DISTINCT FROM NEW.path) EXECUTE FUNCTION places_carry();

-- A bin may be watched by several sensors.
ALTER TABLE sensors DROP CONSTRAINT sensors_bin_id_key;
CREATE INDEX sensors_of_bin ON sensors (bin_id) WHERE bin_id IS NOT NULL;

---------------------------------------------------------------------- what held from when on

-- The moment a change holds from: as the transaction says, else now; never before what was there began.
CREATE FUNCTION holds_from(began timestamptz) RETURNS timestamptz LANGUAGE sql STABLE
    RETURN greatest(coalesce(nullif(current_setting('app.from_at', true), '')::timestamptz, now()), began);

-- Who changes: whoever asks, else the process itself.
CREATE FUNCTION who_asks() RETURNS text LANGUAGE sql STABLE
    RETURN coalesce(nullif(current_setting('app.user', true), ''), session_user::text);

CREATE TABLE bin_items (
    bin_id      int NOT NULL REFERENCES bins ON DELETE CASCADE,
    item_id     int NOT NULL REFERENCES items,
    supplier_id int NOT NULL REFERENCES suppliers,
    tare_mg     bigint NOT NULL,
    from_at     timestamptz NOT NULL,
    to_at       timestamptz CHECK (to_at > from_at),   -- null: still
    PRIMARY KEY (bin_id, from_at)
);
CREATE UNIQUE INDEX bin_items_now ON bin_items (bin_id) WHERE to_at IS NULL;
CREATE INDEX ON bin_items (item_id);
CREATE INDEX ON bin_items (supplier_id);

CREATE TABLE bin_sensors (
    sensor_id int NOT NULL REFERENCES sensors ON DELETE CASCADE,
    bin_id    int NOT NULL REFERENCES bins ON DELETE CASCADE,
    from_at   timestamptz NOT NULL,
    to_at     timestamptz CHECK (to_at > from_at),
    by        text NOT NULL,
    PRIMARY KEY (sensor_id, from_at)
);
CREATE UNIQUE INDEX bin_sensors_now ON bin_sensors (sensor_id) WHERE to_at IS NULL;
CREATE INDEX ON bin_sensors (bin_id, from_at);

-- `from_at` is when it began to hold, `known_at` when we learnt so. The newest known of the latest begun holds.
CREATE TABLE item_calibrations (
    item_calibration_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    item_id             int NOT NULL REFERENCES items ON DELETE CASCADE,
    unit_weight_ug      bigint NOT NULL CHECK (unit_weight_ug > 0),
    unit_sd_ug          bigint NOT NULL,
    unit_error_ug       bigint NOT NULL,
    from_at             timestamptz NOT NULL,
    known_at            timestamptz NOT NULL,
    because             text NOT NULL,
    by                  text NOT NULL
);
CREATE INDEX ON item_calibrations (item_id, from_at DESC, known_at DESC, item_calibration_id DESC);

INSERT INTO bin_items (bin_id, item_id, supplier_id, tare_mg, from_at)
SELECT bin_id, item_id, supplier_id, tare_mg, 'epoch' FROM bins;
INSERT INTO bin_sensors (sensor_id, bin_id, from_at, by)
SELECT sensor_id, bin_id, 'epoch', 'before there was a history' FROM sensors WHERE bin_id IS NOT NULL;
INSERT INTO item_calibrations (item_id, unit_weight_ug, unit_sd_ug, unit_error_ug, from_at, known_at, because, by)
SELECT item_id, unit_weight_ug, 0, 0, 'epoch', now(), '', 'before there was a history' FROM items;

CREATE FUNCTION bins_remember() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = binline, pg_temp AS $$
DECLARE since timestamptz;
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO bin_items VALUES (NEW.bin_id, NEW.item_id, NEW.supplier_id, NEW.tare_mg, 'epoch');
        RETURN NULL;
    END IF;
    SELECT from_at INTO since FROM bin_items WHERE bin_id = NEW.bin_id AND to_at IS NULL;
    IF holds_from(since) = since THEN   -- a second thought within one transaction, or an old one
        UPDATE bin_items SET item_id = NEW.item_id, supplier_id = NEW.supplier_id, tare_mg = NEW.tare_mg
         WHERE bin_id = NEW.bin_id AND to_at IS NULL;
    ELSE
        UPDATE bin_items SET to_at = holds_from(since) WHERE bin_id = NEW.bin_id AND to_at IS NULL;
        INSERT INTO bin_items VALUES (NEW.bin_id, NEW.item_id, NEW.supplier_id, NEW.tare_mg, holds_from(since));
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER bins_remember AFTER INSERT ON bins FOR EACH ROW EXECUTE FUNCTION bins_remember();
CREATE TRIGGER bins_remember_change AFTER UPDATE ON bins FOR EACH ROW
    WHEN ((OLD.item_id, OLD.supplier_id, OLD.tare_mg) IS DISTINCT FROM (NEW.item_id, NEW.supplier_id, NEW.tare_mg))
    EXECUTE FUNCTION bins_remember();

CREATE FUNCTION sensors_remember() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = binline, pg_temp AS $$
DECLARE last bin_sensors; at timestamptz;
BEGIN
    SELECT * INTO last FROM bin_sensors WHERE sensor_id = NEW.sensor_id ORDER BY from_at DESC LIMIT 1;
    -- What it said before anybody gave it a bin was said of its first.
    at := CASE WHEN last.sensor_id IS NULL THEN 'epoch' ELSE holds_from(coalesce(last.to_at, last.from_at)) END;
    IF last.to_at IS NULL AND last.from_at = at THEN
        DELETE FROM bin_sensors WHERE sensor_id = NEW.sensor_id AND from_at = at;
    ELSE
        UPDATE bin_sensors SET to_at = at WHERE sensor_id = NEW.sensor_id AND to_at IS NULL;
    END IF;
    IF NEW.bin_id IS NOT NULL THEN
        INSERT INTO bin_sensors VALUES (NEW.sensor_id, NEW.bin_id, at, NULL, who_asks());
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER sensors_remember AFTER INSERT ON sensors FOR EACH ROW
    WHEN (NEW.bin_id IS NOT NULL) EXECUTE FUNCTION sensors_remember();
CREATE TRIGGER sensors_remember_change AFTER UPDATE ON sensors FOR EACH ROW
    WHEN (OLD.bin_id IS DISTINCT FROM NEW.bin_id) EXECUTE FUNCTION sensors_remember();

CREATE FUNCTION items_remember() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = binline, pg_temp AS $$
BEGIN
    INSERT INTO item_calibrations
        (item_id, unit_weight_ug, unit_sd_ug, unit_error_ug, from_at, known_at, because, by)
    VALUES (NEW.item_id, NEW.unit_weight_ug, NEW.unit_sd_ug, NEW.unit_error_ug,
            CASE TG_OP WHEN 'INSERT' THEN 'epoch' ELSE holds_from('epoch') END, now(),
            coalesce(current_setting('app.because', true), ''), who_asks());
    RETURN NULL;
END $$;
CREATE TRIGGER items_remember AFTER INSERT ON items FOR EACH ROW EXECUTE FUNCTION items_remember();
CREATE TRIGGER items_remember_change AFTER UPDATE ON items FOR EACH ROW
    WHEN ((OLD.unit_weight_ug, OLD.unit_sd_ug, OLD.unit_error_ug)
          IS DISTINCT FROM (NEW.unit_weight_ug, NEW.unit_sd_ug, NEW.unit_error_ug))
    EXECUTE FUNCTION items_remember();

---------------------------------------------------------------------- who changed what, when

CREATE TABLE changes (
    change_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    noun        text NOT NULL,      -- customer, site, place, supplier, item, item_price, item_supplier, bin
    noun_id     int NOT NULL,       -- of an item_price and an item_supplier: the item's
    version     int NOT NULL,       -- that it became
    at          timestamptz NOT NULL,
    by          text NOT NULL,
    because     text NOT NULL,
    supplier_id int,                -- the one supplier, before and after, who may read it; null: none
    before      jsonb,              -- null: it was new
    after       jsonb NOT NULL
);
CREATE INDEX ON changes (noun_id, noun, change_id DESC);

-- What is derived, and what counts the changes, is no change.
CREATE FUNCTION told_of(row_ jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE
    RETURN row_ - ARRAY['version', 'path', 'lineage'];

CREATE FUNCTION count_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF told_of(to_jsonb(NEW)) IS DISTINCT FROM told_of(to_jsonb(OLD)) OR NEW.version <> OLD.version THEN
        NEW.version := OLD.version + 1;
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = binline, pg_temp AS $$
DECLARE
    was jsonb := CASE TG_OP WHEN 'UPDATE' THEN told_of(to_jsonb(OLD)) END;
    become jsonb := told_of(to_jsonb(NEW));
    supplier int;
BEGIN
    IF was IS NOT DISTINCT FROM become THEN
        RETURN NULL;
    END IF;
    IF TG_ARGV[0] = 'bin' AND (was IS NULL OR was ->> 'supplier_id' = become ->> 'supplier_id') THEN
        supplier := (become ->> 'supplier_id')::int;
    END IF;
    INSERT INTO changes (noun, noun_id, version, at, by, because, supplier_id, before, after)
    VALUES (TG_ARGV[0], (become ->> TG_ARGV[1])::int, coalesce((to_jsonb(NEW) ->> 'version')::int, 0), now(),
            who_asks(), coalesce(current_setting('app.because', true), ''), supplier, was, become);
    RETURN NULL;
END $$;

DO $$
DECLARE t text; noun text; key text;
BEGIN
    FOR t, noun, key IN VALUES
        ('customers', 'customer', 'customer_id'), ('sites', 'site', 'site_id'), ('places', 'place', 'place_id'),
        ('suppliers', 'supplier', 'supplier_id'), ('items', 'item', 'item_id'), ('bins', 'bin', 'bin_id'),
        ('item_suppliers', 'item_supplier', 'item_id'), ('item_prices', 'item_price', 'item_id')
    LOOP
        -- Triggers of one event run by name: after what is derived.
        IF t <> 'item_prices' THEN
            EXECUTE format('CREATE TRIGGER zz_count_version BEFORE UPDATE ON %I '
                           'FOR EACH ROW EXECUTE FUNCTION count_version()', t);
        END IF;
        EXECUTE format('CREATE TRIGGER note_change AFTER INSERT OR UPDATE ON %I '
                       'FOR EACH ROW EXECUTE FUNCTION note_change(%L, %L)', t, noun, key);
    END LOOP;
END $$;

REVOKE ALL ON FUNCTION bins_remember, sensors_remember, items_remember, note_change FROM PUBLIC;

---------------------------------------------------------------------- row level security

ALTER TABLE sites FORCE ROW LEVEL SECURITY;
ALTER TABLE suppliers FORCE ROW LEVEL SECURITY;
ALTER TABLE items FORCE ROW LEVEL SECURITY;
ALTER TABLE bins FORCE ROW LEVEL SECURITY;
ALTER TABLE sensors FORCE ROW LEVEL SECURITY;

DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['customers', 'places', 'item_prices', 'item_suppliers', 'bin_items', 'bin_sensors',
                             'item_calibrations', 'changes'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY jobs_all ON %I TO binline_jobs USING (true) WITH CHECK (true)', t);
        EXECUTE format('CREATE POLICY operations_all ON %I TO binline_portal '
                       'USING (is_operations()) WITH CHECK (is_operations())', t);
    END LOOP;
    -- What the triggers write, and nobody else.
    FOREACH t IN ARRAY ARRAY['bin_items', 'bin_sensors', 'item_calibrations', 'changes'] LOOP
        EXECUTE format('CREATE POLICY remembered ON %I TO binline_owner USING (true) WITH CHECK (true)', t);
    END LOOP;
END $$;
CREATE POLICY operations_all ON bin_due TO binline_portal USING (is_operations()) WITH CHECK (is_operations());
CREATE POLICY view_all ON item_calibrations TO binline_view USING (true);

CREATE POLICY supplier_own ON customers FOR SELECT TO binline_portal
    USING (customer_id IN (SELECT s.customer_id FROM bins b JOIN sites s USING (site_id)
                            WHERE b.supplier_id = asking_supplier()));
CREATE POLICY supplier_own ON places FOR SELECT TO binline_portal
    USING (place_id IN (SELECT b.place_id FROM bins b WHERE b.supplier_id = asking_supplier()));
CREATE POLICY supplier_own ON item_suppliers FOR SELECT TO binline_portal USING (supplier_id = asking_supplier());
CREATE POLICY supplier_own ON bin_items FOR SELECT TO binline_portal USING (supplier_id = asking_supplier());
-- Of its own bins, while they were its own: neither who had them before nor who came after.
CREATE POLICY supplier_own ON changes FOR SELECT TO binline_portal
    USING (noun = 'bin' AND supplier_id = asking_supplier()
           AND noun_id IN (SELECT b.bin_id FROM bins b WHERE b.supplier_id = asking_supplier()));

-- Without why and by whom: the reason may name a bin of another supplier.
CREATE VIEW portal_calibrations WITH (security_barrier = true) AS
    SELECT item_calibration_id, item_id, unit_weight_ug, unit_sd_ug, unit_error_ug, from_at, known_at
      FROM item_calibrations c
     WHERE is_operations()
        OR item_id IN (SELECT b.item_id FROM bins b WHERE b.supplier_id = asking_supplier());
GRANT CREATE ON SCHEMA binline TO binline_view;
ALTER VIEW portal_calibrations OWNER TO binline_view;
REVOKE CREATE ON SCHEMA binline FROM binline_view;

---------------------------------------------------------------------- rights

GRANT SELECT ON item_calibrations TO binline_view;

GRANT SELECT ON customers, places, item_prices, item_suppliers, bin_items, bin_sensors, item_calibrations
    TO binline_jobs;

GRANT SELECT, INSERT, UPDATE ON customers, places, item_prices, item_suppliers TO binline_portal;
GRANT SELECT ON bin_items, bin_sensors, item_calibrations, changes, portal_calibrations TO binline_portal;
GRANT SELECT, INSERT ON bin_due TO binline_portal;   -- whoever changes a bin has it looked at
