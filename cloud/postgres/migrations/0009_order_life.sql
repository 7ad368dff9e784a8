-- The whole life of an order: drafts, answers, changes, shipments, receipts, and lines for several bins.
--
-- `core.order_states` says what may follow what. What was `placed` is `sent` from here on; there is one vocabulary.
-- One need is named by (bin, cycle, ordinal): however many workers, replays or restarts decide, it is ordered once.

SET LOCAL search_path = binline;

-- The owner is under the policies, too, and would carry over nothing: not while this runs.
ALTER TABLE breaches NO FORCE ROW LEVEL SECURITY;
ALTER TABLE orders NO FORCE ROW LEVEL SECURITY;
ALTER TABLE bins NO FORCE ROW LEVEL SECURITY;

---------------------------------------------------------------------- the cycles of a bin

-- A cycle is the time from full to low and full again. It goes up when a breach closes.
ALTER TABLE breaches ADD COLUMN cycle int;
UPDATE breaches b SET cycle = n.cycle
  FROM (SELECT breach_id, row_number() OVER (PARTITION BY bin_id ORDER BY breach_id) AS cycle FROM breaches) n
 WHERE n.breach_id = b.breach_id;
ALTER TABLE breaches ALTER COLUMN cycle SET NOT NULL, ADD CHECK (cycle > 0), ADD UNIQUE (bin_id, cycle);

-- Low for how long, and at how many levels, before it is said; by default at once.
ALTER TABLE bin_policies
    ADD COLUMN dwell_s      int NOT NULL DEFAULT 0 CHECK (dwell_s BETWEEN 0 AND 86400),
    ADD COLUMN dwell_levels int NOT NULL DEFAULT 1 CHECK (dwell_levels BETWEEN 1 AND 100);

-- A bin on its way to low: it has to last (`core.breaches.Watch`).
CREATE TABLE bin_watches (
    bin_id     int PRIMARY KEY REFERENCES bins ON DELETE CASCADE,
    seen_at    timestamptz,
    low_since  timestamptz,
    low_levels int NOT NULL DEFAULT 0
);

-- Whether orders to a supplier wait for each other until shortly before the cut-off. By default they leave at once.
ALTER TABLE supplier_calendars ADD COLUMN gathers boolean NOT NULL DEFAULT false;

---------------------------------------------------------------------- orders

CREATE TABLE order_lines (
    order_id    uuid NOT NULL REFERENCES orders,
    number      int NOT NULL CHECK (number > 0),
    bin_id      int NOT NULL REFERENCES bins,
    item_id     int NOT NULL REFERENCES items,
    breach_id   bigint REFERENCES breaches,                     -- null: it came along, or somebody asked for it
    cycle       int NOT NULL CHECK (cycle > 0),
    ordinal     int NOT NULL CHECK (ordinal > 0),               -- of the orders of the cycle
    asked       int NOT NULL CHECK (asked > 0),                 -- as it was decided
    quantity    int NOT NULL CHECK (quantity >= 0),             -- as agreed; 0: it will not come at all
    promised_at timestamptz,
    shipped     int NOT NULL DEFAULT 0 CHECK (shipped >= 0),
    received    int NOT NULL DEFAULT 0 CHECK (received >= 0),   -- as weighed
    because     text NOT NULL,                                  -- the decision, in a sentence
    evidence    jsonb NOT NULL,                                 -- the reading it rests on, and the rule's inputs
    PRIMARY KEY (order_id, number),
    CONSTRAINT order_lines_one_need UNIQUE (bin_id, cycle, ordinal)
);
CREATE INDEX ON order_lines (item_id);
CREATE INDEX ON order_lines (breach_id) WHERE breach_id IS NOT NULL;

INSERT INTO order_lines (order_id, number, bin_id, item_id, breach_id, cycle, ordinal, asked, quantity, received,
                         because, evidence)
SELECT o.order_id, 1, o.bin_id, o.item_id, o.breach_id, b.cycle, 1, o.quantity, o.quantity,
       greatest(0, coalesce(o.received_pieces, 0)), o.because, o.evidence
  FROM orders o JOIN breaches b USING (breach_id);

ALTER TABLE orders RENAME COLUMN placed_at TO drafted_at;
ALTER TABLE orders RENAME COLUMN acknowledged_at TO answered_at;
ALTER TABLE orders RENAME COLUMN acknowledged_by TO answered_by;
ALTER TABLE orders RENAME COLUMN closed_at TO ended_at;
ALTER TABLE orders RENAME COLUMN expected_at TO due_at;   -- by the calendar; null: ordered before there was one
ALTER TABLE orders
    ADD COLUMN site_id           int REFERENCES sites,
    ADD COLUMN consigned         boolean NOT NULL DEFAULT false,
    ADD COLUMN agreement_version int NOT NULL DEFAULT 0,   -- 0: nothing was agreed on
    ADD COLUMN calendar_version  int NOT NULL DEFAULT 0,   -- 0: the supplier had said nothing of its days
    ADD COLUMN drafted_by        text NOT NULL DEFAULT 'binline',
    ADD COLUMN expires_at        timestamptz,              -- of the draft
    ADD COLUMN escalates_at      timestamptz,
    ADD COLUMN escalated_at      timestamptz,
    ADD COLUMN leaves_at         timestamptz,              -- approved, and waits for others until then
    ADD COLUMN approved_at       timestamptz,
    ADD COLUMN approved_by       text NOT NULL DEFAULT '',
    ADD COLUMN sent_at           timestamptz,
    ADD COLUMN shipped_at        timestamptz,
    ADD COLUMN received_at       timestamptz,              -- the first of it
    ADD COLUMN ended_by          text NOT NULL DEFAULT '',
    ADD COLUMN ended_because     text NOT NULL DEFAULT '',
    DROP CONSTRAINT orders_state_check,
    ALTER COLUMN state SET DEFAULT 'draft';
UPDATE orders SET answered_by = '' WHERE answered_by IS NULL;
ALTER TABLE orders ALTER COLUMN answered_by SET DEFAULT '', ALTER COLUMN answered_by SET NOT NULL;
UPDATE orders o
   SET site_id = b.site_id, approved_at = drafted_at, approved_by = 'binline', sent_at = drafted_at,
       state = CASE o.state WHEN 'placed' THEN 'sent' ELSE o.state END,
       received_at = o.ended_at, ended_by = CASE o.state WHEN 'closed' THEN 'scale' ELSE '' END
  FROM bins b WHERE b.bin_id = o.bin_id;
DROP INDEX orders_one_open;
ALTER TABLE orders
    DROP COLUMN breach_id, DROP COLUMN bin_id, DROP COLUMN item_id, DROP COLUMN quantity, DROP COLUMN evidence,
    DROP COLUMN received_pieces,
    ALTER COLUMN site_id SET NOT NULL,
    ADD CONSTRAINT orders_state_check CHECK (state IN (
        'draft', 'approved', 'sent', 'acknowledged', 'confirmed', 'changed', 'shipped', 'part_delivered', 'received',
        'closed', 'refused', 'cancelled', 'expired')),
    ADD CONSTRAINT orders_ended_check CHECK ((ended_at IS NOT NULL) =
        (state IN ('closed', 'refused', 'cancelled', 'expired')));
CREATE INDEX ON orders (state, drafted_at) WHERE ended_at IS NULL;
CREATE INDEX ON orders (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX ON orders (site_id);

-- What may come more than once: changes that are proposed, and shipments, each under a number of its own. The same
-- number again is the same act; with other contents it is refused. Receipts stand in `order_receipts`, line by line.
CREATE TABLE order_acts (
    order_id    uuid NOT NULL REFERENCES orders,
    kind        text NOT NULL CHECK (kind IN ('change', 'shipment')),
    act_id      text NOT NULL CHECK (act_id <> '' AND length(act_id) <= 80),
    ordinal     int NOT NULL CHECK (ordinal > 0),   -- of its kind
    at          timestamptz NOT NULL,
    by          text NOT NULL DEFAULT '',
    because     text NOT NULL DEFAULT '',
    expected_at timestamptz,                        -- of a shipment
    lines       jsonb NOT NULL,                     -- [{"line", "pieces", "at"}]: `at` of a change alone
    state       text NOT NULL DEFAULT 'taken' CHECK (state IN ('taken', 'open', 'accepted', 'rejected', 'replaced')),
    answered_at timestamptz,
    answered_by text NOT NULL DEFAULT '',
    PRIMARY KEY (order_id, kind, act_id),
    UNIQUE (order_id, kind, ordinal)
);

-- Which movement of the scale was booked onto which line. A movement that is told otherwise later moves nothing back:
-- what came is compared in sum (`actions.receive`).
CREATE TABLE order_receipts (
    order_id   uuid NOT NULL,
    line       int NOT NULL,
    receipt_id text NOT NULL,
    bin_id     int NOT NULL REFERENCES bins,
    pieces     int NOT NULL CHECK (pieces > 0),
    event_at   timestamptz NOT NULL,
    PRIMARY KEY (order_id, line, receipt_id),
    FOREIGN KEY (order_id, line) REFERENCES order_lines (order_id, number)
);
CREATE INDEX ON order_receipts (bin_id, event_at);

---------------------------------------------------------------------- what would have been ordered

-- In shadow nothing leaves: one row for each need, beside which stands what people did.
CREATE TABLE shadow_orders (
    shadow_order_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    bin_id            int NOT NULL REFERENCES bins,
    item_id           int NOT NULL REFERENCES items,
    supplier_id       int NOT NULL REFERENCES suppliers,
    breach_id         bigint NOT NULL REFERENCES breaches,
    cycle             int NOT NULL,
    agreement_version int NOT NULL,
    at                timestamptz NOT NULL,
    quantity          int NOT NULL CHECK (quantity > 0),
    price_e4          bigint,                          -- as it was then; null: not known
    currency          text,
    due_at            timestamptz NOT NULL,
    because           text NOT NULL,
    UNIQUE (bin_id, cycle)
);
CREATE INDEX ON shadow_orders (at);

---------------------------------------------------------------------- notices

-- A notice is about an order, or about a breach nobody orders for. `about` tells two of a kind apart: two changes, say.
ALTER TABLE notices
    ALTER COLUMN order_id DROP NOT NULL,
    ADD COLUMN breach_id bigint REFERENCES breaches,
    ADD COLUMN about     text NOT NULL DEFAULT '',
    ADD COLUMN facts     jsonb,                        -- of a breach: what held when it was told
    DROP CONSTRAINT notices_order_id_channel_id_kind_key,
    ADD CHECK (num_nonnulls(order_id, breach_id) = 1),
    ADD CONSTRAINT notices_once UNIQUE NULLS NOT DISTINCT (order_id, breach_id, channel_id, kind, about);

---------------------------------------------------------------------- who sees what

DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['bin_watches', 'order_lines', 'order_acts', 'order_receipts', 'shadow_orders'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY jobs_all ON %I TO binline_jobs USING (true) WITH CHECK (true)', t);
        EXECUTE format('CREATE POLICY operations_all ON %I TO binline_portal '
                       'USING (is_operations()) WITH CHECK (is_operations())', t);
    END LOOP;
END $$;
-- What never left is none of a supplier's business, unless it has asked for it itself.
DROP POLICY supplier_own ON orders;
CREATE POLICY supplier_own ON orders FOR SELECT TO binline_portal
    USING (supplier_id = asking_supplier() AND (sent_at IS NOT NULL OR drafted_by <> 'binline'));
-- Both sides see every line and act of their order, and each may add its own.
CREATE POLICY supplier_own ON order_lines FOR SELECT TO binline_portal
    USING (EXISTS (SELECT FROM orders o WHERE o.order_id = order_lines.order_id AND o.supplier_id = asking_supplier()));
CREATE POLICY supplier_answers ON order_lines FOR UPDATE TO binline_portal
    USING (EXISTS (SELECT FROM orders o WHERE o.order_id = order_lines.order_id AND o.supplier_id = asking_supplier()));
CREATE POLICY supplier_makes ON order_lines FOR INSERT TO binline_portal
    WITH CHECK (EXISTS (SELECT FROM orders o WHERE o.order_id = order_lines.order_id AND o.supplier_id = asking_supplier())
                AND bin_id IN (SELECT b.bin_id FROM bins b WHERE b.supplier_id = asking_supplier()));
CREATE POLICY supplier_own ON order_acts TO binline_portal
    USING (EXISTS (SELECT FROM orders o WHERE o.order_id = order_acts.order_id AND o.supplier_id = asking_supplier()));
CREATE POLICY supplier_own ON order_receipts FOR SELECT TO binline_portal
    USING (EXISTS (SELECT FROM orders o WHERE o.order_id = order_receipts.order_id AND o.supplier_id = asking_supplier()));
-- A supplier orders for itself into its own bins, as far as it was agreed on (`core.modes.may_create`).
CREATE POLICY supplier_makes ON orders FOR INSERT TO binline_portal WITH CHECK (supplier_id = asking_supplier());

ALTER TABLE breaches FORCE ROW LEVEL SECURITY;
ALTER TABLE orders FORCE ROW LEVEL SECURITY;
ALTER TABLE bins FORCE ROW LEVEL SECURITY;

GRANT SELECT, INSERT, UPDATE ON bin_watches, order_lines, order_acts TO binline_jobs;
GRANT SELECT, INSERT ON order_receipts, shadow_orders TO binline_jobs;
REVOKE UPDATE ON orders FROM binline_portal;
GRANT INSERT, UPDATE (state, agreement_version, approved_at, approved_by, sent_at, answered_at, answered_by, shipped_at,
                      leaves_at, ended_at, ended_by, ended_because) ON orders TO binline_portal;
GRANT SELECT, INSERT, UPDATE (quantity, promised_at, shipped) ON order_lines TO binline_portal;
GRANT SELECT, INSERT, UPDATE (state, answered_at, answered_by) ON order_acts TO binline_portal;
GRANT SELECT ON order_receipts, shadow_orders TO binline_portal;
GRANT INSERT ON notices TO binline_portal;   -- operations alone: no policy lets a supplier
