-- The first house: who, what, where; readings and their ledger; breaches, orders, notices; log-ins.
--
-- Isolation is here from the first line: one role per process, row level security forced on every
-- plain table that a portal may read, and a security-barrier view where that is not possible.
-- `readings` has no row level security, because COPY is refused under it and TimescaleDB
-- cannot combine it with compression: no portal role holds any right on it, only on the view.
--
-- Who is asking is said per transaction: app.role is 'operations' or 'supplier', app.supplier the
-- supplier's id. Unset means nothing is visible.

CREATE SCHEMA binline;
SET LOCAL search_path = binline;

CREATE FUNCTION is_operations() RETURNS boolean LANGUAGE sql STABLE
    RETURN current_setting('app.role', true) = 'operations';

-- A setting that was set once in a session is '' afterwards, not NULL.
CREATE FUNCTION asking_supplier() RETURNS int LANGUAGE sql STABLE
    RETURN CASE WHEN current_setting('app.role', true) = 'supplier'
                THEN nullif(current_setting('app.supplier', true), '')::int END;

---------------------------------------------------------------------- who and what and where

CREATE TABLE sites (
    site_id   int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name      text NOT NULL UNIQUE CHECK (name <> ''),
    place     text NOT NULL DEFAULT '',
    time_zone text NOT NULL DEFAULT 'UTC'
);

CREATE TABLE suppliers (
    supplier_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL UNIQUE CHECK (name <> '')
);

-- Where a supplier wants to be told. Apart from `suppliers`, because the secret is for the sender alone.
CREATE TABLE supplier_channels (
    channel_id  int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    supplier_id int NOT NULL REFERENCES suppliers,
    kind        text NOT NULL CHECK (kind IN ('email', 'webhook')),
    address     text NOT NULL,
    secret      text NOT NULL DEFAULT '',
    active      boolean NOT NULL DEFAULT true,
    UNIQUE (supplier_id, kind, address)
);

CREATE TABLE items (
    item_id        int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sku            text NOT NULL UNIQUE CHECK (sku <> ''),
    name           text NOT NULL,
    supplier_sku   text NOT NULL DEFAULT '',
    unit_weight_ug bigint NOT NULL CHECK (unit_weight_ug > 0),   -- micrograms: a rivet weighs 0.2 g
    pack           int NOT NULL DEFAULT 1 CHECK (pack > 0)
);

CREATE TABLE bins (
    bin_id      int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code        text NOT NULL UNIQUE CHECK (code ~ '^[A-Z0-9-]{2,32}$'),
    site_id     int NOT NULL REFERENCES sites,
    item_id     int NOT NULL REFERENCES items,
    supplier_id int NOT NULL REFERENCES suppliers,
    place       text NOT NULL,
    capacity    int NOT NULL CHECK (capacity > 0),
    minimum     int NOT NULL CHECK (minimum >= 0 AND minimum < capacity),
    margin      int NOT NULL DEFAULT 0 CHECK (margin >= 0),      -- low ends this far above the minimum
    tare_mg     bigint NOT NULL DEFAULT 0,
    interval_s  int NOT NULL DEFAULT 60 CHECK (interval_s > 0)   -- how often it should be heard of
);
CREATE INDEX ON bins (site_id);
CREATE INDEX ON bins (supplier_id);

CREATE TABLE gateways (
    gateway_id      int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name            text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9-]{1,31}$'),
    site_id         int NOT NULL REFERENCES sites,
    presence        text NOT NULL DEFAULT 'silent' CHECK (presence IN ('online', 'offline', 'silent')),
    presence_at     timestamptz,
    version         text NOT NULL DEFAULT '',
    backlog_batches int NOT NULL DEFAULT 0
);

-- A sensor appears by being heard; a person says which bin it watches.
CREATE TABLE sensors (
    sensor_id  int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    gateway_id int NOT NULL REFERENCES gateways,
    name       text NOT NULL CHECK (name ~ '^[A-Za-z0-9_/-]{1,64}$'),
    bin_id     int UNIQUE REFERENCES bins,
    UNIQUE (gateway_id, name)
);

---------------------------------------------------------------------- readings

CREATE TABLE streams (
    stream_no       int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    gateway_id      int NOT NULL REFERENCES gateways,
    stream          uuid NOT NULL,
    first_heard_at  timestamptz NOT NULL,
    contiguous_upto bigint NOT NULL DEFAULT 0,   -- everything up to here is committed
    UNIQUE (gateway_id, stream)
);

-- Which ranges of which stream are committed. One row per batch, and the batch is the unit of "once".
CREATE TABLE ledger (
    stream_no    int NOT NULL REFERENCES streams,
    first_seq    bigint NOT NULL,
    last_seq     bigint NOT NULL CHECK (last_seq >= first_seq),
    checksum     bigint NOT NULL,                -- CRC-32 of the payload: the same range, other content, is refused
    gap_because  text,                           -- these readings never came, and why
    committed_at timestamptz NOT NULL,
    PRIMARY KEY (stream_no, first_seq)
);

-- `measured_at` is what the gateway recorded, once, on its disk. It is part of the key because
-- every partitioning needs it there; it never changes, corrections get a column of their own.
CREATE TABLE readings (
    sensor_id     int NOT NULL,
    measured_at   timestamptz NOT NULL,
    stream_no     int NOT NULL,
    seq           bigint NOT NULL,
    received_at   timestamptz NOT NULL,
    weight_mg     bigint,
    total         bigint,
    condition     text,
    because       text,
    stability     smallint NOT NULL,
    quality       smallint NOT NULL,
    clock_trusted boolean NOT NULL,
    PRIMARY KEY (sensor_id, measured_at, stream_no, seq),
    CHECK (num_nonnulls(weight_mg, total, condition) = 1)
);

-- What could not be taken in, whole, with the reason; nothing is thrown away.
CREATE TABLE dead_letters (
    dead_letter_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received_at    timestamptz NOT NULL,
    topic          text NOT NULL,
    payload        bytea NOT NULL,
    because        text NOT NULL
);

-- The present of each bin, kept by ingest in the transaction of the readings themselves.
-- The last number and the last sign of life are two things: a scale that reports "overload" was
-- heard, and its last weight is as old as it is.
CREATE TABLE bin_state (
    bin_id        int PRIMARY KEY REFERENCES bins,
    sensor_id     int NOT NULL,
    heard_at      timestamptz NOT NULL,          -- measured-at of the newest reading of any outcome
    received_at   timestamptz NOT NULL,
    condition     text,                          -- of that newest reading; null: it was a number
    measured_at   timestamptz,                   -- of the newest number
    weight_mg     bigint,
    total         bigint,
    stability     smallint,
    quality       smallint,
    clock_trusted boolean,
    stream_no     int,                           -- names the reading the number came from
    seq           bigint,
    changed_xid   xid8 NOT NULL DEFAULT pg_current_xact_id()   -- lets open pages ask what changed since
) WITH (fillfactor = 50);

-- Bins whose state moved and that nobody has looked at yet.
CREATE TABLE bin_due (bin_id int PRIMARY KEY);

---------------------------------------------------------------------- low, ordered, told

CREATE TABLE breaches (
    breach_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    bin_id        int NOT NULL REFERENCES bins,
    opened_at     timestamptz NOT NULL,
    opened_pieces int NOT NULL,
    lowest_pieces int NOT NULL,
    closed_at     timestamptz,
    closed_pieces int
);
CREATE UNIQUE INDEX breaches_one_open ON breaches (bin_id) WHERE closed_at IS NULL;

CREATE TABLE orders (
    order_id        uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    number          int GENERATED ALWAYS AS IDENTITY (START WITH 1001) UNIQUE,
    breach_id       bigint NOT NULL UNIQUE REFERENCES breaches,     -- one breach, one order
    bin_id          int NOT NULL REFERENCES bins,
    item_id         int NOT NULL REFERENCES items,
    supplier_id     int NOT NULL REFERENCES suppliers,
    quantity        int NOT NULL CHECK (quantity > 0),
    state           text NOT NULL DEFAULT 'placed' CHECK (state IN ('placed', 'acknowledged', 'closed')),
    because         text NOT NULL,                                  -- the decision, in a sentence
    evidence        jsonb NOT NULL,                                 -- the reading it rests on, and the rule's inputs
    placed_at       timestamptz NOT NULL,
    acknowledged_at timestamptz,
    acknowledged_by text,
    closed_at       timestamptz,
    received_pieces int
);
CREATE UNIQUE INDEX orders_one_open ON orders (bin_id) WHERE state <> 'closed';
CREATE INDEX ON orders (supplier_id, state);

-- What happened to an order, in order. Rows are only ever added.
CREATE TABLE order_events (
    order_event_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id       uuid NOT NULL REFERENCES orders,
    at             timestamptz NOT NULL,
    event          text NOT NULL,
    actor          text NOT NULL,
    detail         text NOT NULL DEFAULT ''
);
CREATE INDEX ON order_events (order_id);

-- The outbox: written in the transaction that causes it, sent from outside of it.
CREATE TABLE notices (
    notice_id   uuid PRIMARY KEY DEFAULT gen_random_uuid(),   -- also the idempotency key at the receiver
    order_id    uuid NOT NULL REFERENCES orders,
    supplier_id int NOT NULL REFERENCES suppliers,
    channel_id  int NOT NULL REFERENCES supplier_channels,
    kind        text NOT NULL DEFAULT 'order_placed',
    state       text NOT NULL DEFAULT 'owed' CHECK (state IN ('owed', 'sent', 'given_up')),
    created_at  timestamptz NOT NULL,
    next_try_at timestamptz NOT NULL,
    tries       int NOT NULL DEFAULT 0,
    sent_at     timestamptz,
    UNIQUE (order_id, channel_id, kind)
);
CREATE INDEX notices_owed ON notices (next_try_at) WHERE state = 'owed';

CREATE TABLE attempts (
    attempt_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    notice_id  uuid NOT NULL REFERENCES notices,
    at         timestamptz NOT NULL,
    ok         boolean NOT NULL,
    detail     text NOT NULL
);
CREATE INDEX ON attempts (notice_id);

---------------------------------------------------------------------- log-ins

CREATE TABLE users (
    user_id       int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email         text NOT NULL CHECK (email = lower(email)) UNIQUE,
    password_hash text NOT NULL,
    role          text NOT NULL CHECK (role IN ('operations', 'supplier')),
    supplier_id   int REFERENCES suppliers,
    active        boolean NOT NULL DEFAULT true,
    CHECK ((role = 'supplier') = (supplier_id IS NOT NULL))
);

CREATE TABLE sessions (
    token_hash bytea PRIMARY KEY,      -- SHA-256: a stolen table opens no door
    user_id    int NOT NULL REFERENCES users ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    seen_at    timestamptz NOT NULL
);

CREATE TABLE login_failures (
    email text NOT NULL,
    at    timestamptz NOT NULL
);
CREATE INDEX ON login_failures (email, at);

---------------------------------------------------------------------- what a portal sees of readings

-- Owned by a role that nobody logs in as; the barrier keeps a cheap function in the caller's
-- WHERE from seeing rows before the filter does.
CREATE VIEW portal_readings WITH (security_barrier = true) AS
    SELECT s.bin_id, r.sensor_id, r.measured_at, r.received_at, st.stream, r.seq, r.weight_mg, r.total,
           r.condition, r.because, r.stability, r.quality, r.clock_trusted
      FROM readings r
      JOIN sensors s USING (sensor_id)
      JOIN streams st USING (stream_no)
      JOIN bins b ON b.bin_id = s.bin_id
     WHERE is_operations() OR b.supplier_id = asking_supplier();
GRANT USAGE, CREATE ON SCHEMA binline TO binline_view;   -- a view's new owner must be able to make one
ALTER VIEW portal_readings OWNER TO binline_view;
REVOKE CREATE ON SCHEMA binline FROM binline_view;

---------------------------------------------------------------------- rights

GRANT USAGE ON SCHEMA binline TO binline_ingest, binline_jobs, binline_portal, binline_auth, binline_view;
GRANT SELECT ON readings, sensors, streams, bins TO binline_view;

GRANT SELECT ON gateways, bins TO binline_ingest;
GRANT UPDATE (presence, presence_at, version, backlog_batches) ON gateways TO binline_ingest;
GRANT SELECT, INSERT ON sensors, ledger, readings TO binline_ingest;
GRANT SELECT, INSERT, UPDATE ON streams, bin_state TO binline_ingest;
GRANT SELECT, INSERT ON bin_due TO binline_ingest;
GRANT INSERT ON dead_letters TO binline_ingest;

GRANT SELECT ON sites, suppliers, supplier_channels, items, gateways, sensors, streams, readings, ledger TO binline_jobs;
GRANT SELECT ON bins TO binline_jobs;
GRANT UPDATE (margin) ON bins TO binline_jobs;    -- row locks need some UPDATE right; the jobs lock the bin they assess
GRANT SELECT ON bin_state TO binline_jobs;
GRANT UPDATE (changed_xid) ON bin_state TO binline_jobs;
GRANT SELECT, DELETE, UPDATE, INSERT ON bin_due TO binline_jobs;
GRANT SELECT, INSERT, UPDATE ON breaches, orders, notices TO binline_jobs;
GRANT SELECT, INSERT ON order_events, attempts TO binline_jobs;

GRANT SELECT, INSERT, UPDATE ON sites, suppliers, items, bins, gateways, sensors TO binline_portal;
GRANT INSERT ON supplier_channels TO binline_portal;
GRANT SELECT (channel_id, supplier_id, kind, address, active) ON supplier_channels TO binline_portal;
GRANT SELECT ON bin_state, breaches, orders, order_events, notices, attempts, portal_readings TO binline_portal;
GRANT UPDATE (state, acknowledged_at, acknowledged_by) ON orders TO binline_portal;
GRANT UPDATE (changed_xid) ON bin_state TO binline_portal;
GRANT INSERT ON order_events TO binline_portal;

GRANT SELECT, INSERT, UPDATE ON users TO binline_auth;
GRANT SELECT, INSERT, UPDATE, DELETE ON sessions TO binline_auth;
GRANT SELECT, INSERT, DELETE ON login_failures TO binline_auth;

-- Every plain table: enabled and forced. The tables without are named, with the reason, in the
-- test that reads the catalogue: streams, ledger, readings, dead_letters (COPY; no portal right).
DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['sites', 'suppliers', 'supplier_channels', 'items', 'bins', 'gateways', 'sensors',
                             'bin_state', 'bin_due', 'breaches', 'orders', 'order_events', 'notices', 'attempts',
                             'users', 'sessions', 'login_failures'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    END LOOP;

    -- Processes that are not asked by anybody see every row of the tables they are granted.
    FOREACH t IN ARRAY ARRAY['bins', 'gateways', 'sensors', 'bin_state', 'bin_due'] LOOP
        EXECUTE format('CREATE POLICY ingest_all ON %I TO binline_ingest USING (true) WITH CHECK (true)', t);
    END LOOP;
    FOREACH t IN ARRAY ARRAY['sites', 'suppliers', 'supplier_channels', 'items', 'bins', 'gateways', 'sensors',
                             'bin_state', 'bin_due', 'breaches', 'orders', 'order_events', 'notices', 'attempts'] LOOP
        EXECUTE format('CREATE POLICY jobs_all ON %I TO binline_jobs USING (true) WITH CHECK (true)', t);
    END LOOP;
    FOREACH t IN ARRAY ARRAY['users', 'sessions', 'login_failures'] LOOP
        EXECUTE format('CREATE POLICY auth_all ON %I TO binline_auth USING (true) WITH CHECK (true)', t);
    END LOOP;
    FOREACH t IN ARRAY ARRAY['sensors', 'bins'] LOOP
        EXECUTE format('CREATE POLICY view_all ON %I TO binline_view USING (true)', t);
    END LOOP;

    -- Operations see and keep everything a portal is granted.
    FOREACH t IN ARRAY ARRAY['sites', 'suppliers', 'supplier_channels', 'items', 'bins', 'gateways', 'sensors',
                             'bin_state', 'breaches', 'orders', 'order_events', 'notices', 'attempts'] LOOP
        EXECUTE format('CREATE POLICY operations_all ON %I TO binline_portal '
                       'USING (is_operations()) WITH CHECK (is_operations())', t);
    END LOOP;
END $$;

-- A supplier sees its own, and of others nothing. A subquery on a table that is itself under a policy
-- sees only what the asker may see, so "my bins" is written once, on `bins`.
CREATE POLICY supplier_own ON suppliers FOR SELECT TO binline_portal USING (supplier_id = asking_supplier());
CREATE POLICY supplier_own ON supplier_channels FOR SELECT TO binline_portal USING (supplier_id = asking_supplier());
CREATE POLICY supplier_own ON bins FOR SELECT TO binline_portal USING (supplier_id = asking_supplier());
CREATE POLICY supplier_own ON sites FOR SELECT TO binline_portal
    USING (site_id IN (SELECT b.site_id FROM bins b WHERE b.supplier_id = asking_supplier()));
CREATE POLICY supplier_own ON items FOR SELECT TO binline_portal
    USING (item_id IN (SELECT b.item_id FROM bins b WHERE b.supplier_id = asking_supplier()));
CREATE POLICY supplier_own ON bin_state FOR ALL TO binline_portal
    USING (bin_id IN (SELECT b.bin_id FROM bins b WHERE b.supplier_id = asking_supplier()));
CREATE POLICY supplier_own ON breaches FOR SELECT TO binline_portal
    USING (bin_id IN (SELECT b.bin_id FROM bins b WHERE b.supplier_id = asking_supplier()));
CREATE POLICY supplier_own ON orders FOR SELECT TO binline_portal USING (supplier_id = asking_supplier());
CREATE POLICY supplier_answers ON orders FOR UPDATE TO binline_portal
    USING (supplier_id = asking_supplier()) WITH CHECK (supplier_id = asking_supplier());
CREATE POLICY supplier_own ON order_events FOR SELECT TO binline_portal
    USING (order_id IN (SELECT o.order_id FROM orders o WHERE o.supplier_id = asking_supplier()));
CREATE POLICY supplier_answers ON order_events FOR INSERT TO binline_portal
    WITH CHECK (order_id IN (SELECT o.order_id FROM orders o WHERE o.supplier_id = asking_supplier()));
CREATE POLICY supplier_own ON notices FOR SELECT TO binline_portal USING (supplier_id = asking_supplier());
CREATE POLICY supplier_own ON attempts FOR SELECT TO binline_portal
    USING (notice_id IN (SELECT n.notice_id FROM notices n WHERE n.supplier_id = asking_supplier()));
