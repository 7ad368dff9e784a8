-- What an order is decided by, every decision, the chain of what an order rests on, and what people put off.
--
-- A bin without a row in `bin_policies`, of a supplier without a row in `supplier_calendars`, is ordered for as
-- ever: at its minimum, in whole packs, up to `order_up_to` or its capacity. Nobody can change or delete a decision
-- or a record of evidence: there is no right to.

SET LOCAL search_path = binline;

---------------------------------------------------------------------- by which rules

CREATE TABLE bin_policies (
    bin_id         int PRIMARY KEY REFERENCES bins,
    policy         text NOT NULL DEFAULT 'min_max' CHECK (policy IN ('min_max', 'fixed_quantity')),
    version        int NOT NULL DEFAULT 1 CHECK (version > 0),
    quantity       int CHECK (quantity > 0),                      -- of fixed_quantity: pieces
    rounding       text NOT NULL DEFAULT 'down_to_capacity'
        CHECK (rounding IN ('up', 'down_to_capacity', 'stop_and_ask')),
    moq            int CHECK (moq > 0),                           -- pieces; null: as its supplier says for the item
    lead_time_days int CHECK (lead_time_days BETWEEN 0 AND 730),  -- null: as its supplier says
    grace_hours    int NOT NULL DEFAULT 24 CHECK (grace_hours BETWEEN 0 AND 8760),
    CHECK ((policy = 'fixed_quantity') = (quantity IS NOT NULL))
);

-- Weekdays are numbers from Monday, 0. A change is a new version; an order remembers what came of the one it met.
CREATE TABLE supplier_calendars (
    supplier_id   int PRIMARY KEY REFERENCES suppliers,
    version       int NOT NULL DEFAULT 1 CHECK (version > 0),
    zone          text NOT NULL CHECK (zone <> ''),
    order_days    int[] NOT NULL DEFAULT '{0,1,2,3,4}'
        CHECK (cardinality(order_days) > 0 AND order_days <@ '{0,1,2,3,4,5,6}'),
    cut_off       time NOT NULL DEFAULT '23:59',
    lead_days     int NOT NULL DEFAULT 0 CHECK (lead_days BETWEEN 0 AND 730),
    lead_kind     text NOT NULL DEFAULT 'working' CHECK (lead_kind IN ('working', 'calendar')),
    working_days  int[] NOT NULL DEFAULT '{0,1,2,3,4}'
        CHECK (cardinality(working_days) > 0 AND working_days <@ '{0,1,2,3,4,5,6}'),
    delivery_days int[] NOT NULL DEFAULT '{0,1,2,3,4}'
        CHECK (cardinality(delivery_days) > 0 AND delivery_days <@ '{0,1,2,3,4,5,6}'),
    delivered_by  time NOT NULL DEFAULT '18:00',
    holidays      date[] NOT NULL DEFAULT '{}'
);

---------------------------------------------------------------------- what was decided

ALTER TABLE orders
    ADD COLUMN expected_at timestamptz,                    -- by the calendar; null: ordered before there was one
    ADD COLUMN rush        boolean NOT NULL DEFAULT false; -- else the bin was to run out before it comes
CREATE INDEX ON orders (bin_id, placed_at);
CREATE INDEX ON orders (placed_at);
CREATE INDEX ON breaches (bin_id, opened_at);

-- A row whenever the rules say something else of a bin, also that they wait. `inputs` is canonical JSON: all that
-- the decision was made on, so that it can be made again.
CREATE TABLE decisions (
    decision_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    bin_id      int NOT NULL REFERENCES bins,
    breach_id   bigint REFERENCES breaches,
    order_id    uuid REFERENCES orders,                    -- that was placed by it
    at          timestamptz NOT NULL,
    policy      text NOT NULL,
    version     int NOT NULL,
    inputs      text NOT NULL,
    outcome     text NOT NULL CHECK (outcome IN ('place', 'wait', 'held')),
    ask         text,                                      -- why a person is asked; null: nobody is
    quantity    int,
    because     text NOT NULL,
    sameness    text NOT NULL                              -- a hash: what makes it another decision than the last
);
CREATE INDEX ON decisions (bin_id, decision_id DESC);

---------------------------------------------------------------------- what an order rests on

-- Each record holds the hash of the one before (`core.evidence`). `body` is canonical JSON, as it was hashed.
CREATE TABLE order_evidence (
    order_id uuid NOT NULL REFERENCES orders,
    seq      int NOT NULL CHECK (seq > 0),
    kind     text NOT NULL CHECK (kind IN ('reading', 'movement', 'position', 'decision', 'event')),
    body     text NOT NULL,
    previous text NOT NULL,
    digest   text NOT NULL,
    PRIMARY KEY (order_id, seq)
);

---------------------------------------------------------------------- what a person has put off

-- What needs a person is computed from what holds; only that it was put off is kept. The last row of a key holds.
CREATE TABLE case_snoozes (
    case_snooze_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key            text NOT NULL CHECK (key <> ''),
    by             text NOT NULL,
    because        text NOT NULL CHECK (btrim(because) <> ''),
    at             timestamptz NOT NULL,
    until          timestamptz NOT NULL CHECK (until > at)
);
CREATE INDEX ON case_snoozes (key, case_snooze_id DESC);
CREATE INDEX ON case_snoozes (until);

---------------------------------------------------------------------- who sees what

DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['bin_policies', 'supplier_calendars', 'decisions', 'order_evidence', 'case_snoozes'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY jobs_all ON %I TO binline_jobs USING (true) WITH CHECK (true)', t);
        EXECUTE format('CREATE POLICY operations_all ON %I TO binline_portal '
                       'USING (is_operations()) WITH CHECK (is_operations())', t);
    END LOOP;
END $$;
CREATE POLICY supplier_own ON supplier_calendars FOR SELECT TO binline_portal USING (supplier_id = asking_supplier());
-- Both sides see the chain of their order, and what either does to it is a record of it.
CREATE POLICY supplier_own ON order_evidence FOR SELECT TO binline_portal
    USING (order_id IN (SELECT o.order_id FROM orders o WHERE o.supplier_id = asking_supplier()));
CREATE POLICY supplier_answers ON order_evidence FOR INSERT TO binline_portal
    WITH CHECK (kind = 'event'
                AND order_id IN (SELECT o.order_id FROM orders o WHERE o.supplier_id = asking_supplier()));

GRANT SELECT ON bin_policies, supplier_calendars TO binline_jobs;
GRANT SELECT, INSERT ON decisions, order_evidence TO binline_jobs;
GRANT SELECT, INSERT, UPDATE ON bin_policies, supplier_calendars TO binline_portal;
GRANT SELECT ON decisions TO binline_portal;
GRANT SELECT, INSERT ON order_evidence, case_snoozes TO binline_portal;
