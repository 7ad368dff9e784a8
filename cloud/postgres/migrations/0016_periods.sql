-- Weeks and months of each bin, added up of its days: what a quarter of ten thousand bins is made of.
--
-- A row is a day that lasted longer: the same columns, so that days and periods are put together in one sum. It is
-- written in the transaction that writes its days (`postgres.bin_days`), and split like them where a bin changed hands
-- or what it held.

SET LOCAL search_path = binline;

CREATE TABLE bin_periods (
    bin_id        int NOT NULL REFERENCES bins ON DELETE CASCADE,
    period        text NOT NULL CHECK (period IN ('week', 'month')),
    first         date NOT NULL CHECK (first = date_trunc(period, first)),
    supplier_id   int NOT NULL,
    item_id       int NOT NULL,
    last_day      date NOT NULL,                     -- of which there is a day
    upto_at       timestamptz NOT NULL,
    window_ms     bigint NOT NULL,
    known_ms      bigint NOT NULL,
    empty_ms      bigint NOT NULL,
    piece_hours   double precision NOT NULL,
    stock_outs    int NOT NULL,
    resumed_empty boolean NOT NULL,                  -- begins with the stock-out of a day before
    held          int,                               -- at its end; null: not known
    used          int NOT NULL,
    filled        int NOT NULL,
    counts        int NOT NULL,
    count_hits    int NOT NULL,
    counted       int NOT NULL,
    counted_off   int NOT NULL,
    counted_net   int NOT NULL,
    PRIMARY KEY (bin_id, period, first, supplier_id, item_id)
) WITH (fillfactor = 80);
CREATE INDEX bin_periods_by_first ON bin_periods (period, first);

ALTER TABLE bin_periods ENABLE ROW LEVEL SECURITY;
CREATE POLICY jobs_all ON bin_periods TO binline_jobs USING (true) WITH CHECK (true);
CREATE POLICY operations_all ON bin_periods TO binline_portal USING ((SELECT is_operations()));
CREATE POLICY supplier_own ON bin_periods FOR SELECT TO binline_portal
    USING (supplier_id = (SELECT asking_supplier())
           AND bin_id NOT IN (SELECT b.bin_id FROM bins b WHERE b.site_id IN (SELECT sites_withheld())));
GRANT SELECT, INSERT, UPDATE, DELETE ON bin_periods TO binline_jobs;
GRANT SELECT ON bin_periods TO binline_portal;

-- Of days that were added up before this was here.
ALTER TABLE bin_days NO FORCE ROW LEVEL SECURITY;
INSERT INTO bin_periods
SELECT d.bin_id, p.period, date_trunc(p.period, d.day)::date, d.supplier_id, d.item_id, max(d.day), max(d.upto_at),
       sum(d.window_ms), sum(d.known_ms), sum(d.empty_ms), sum(d.piece_hours),
       sum(d.stock_outs) - count(*) FILTER (WHERE d.resumed_empty)
           + (min(d.day) FILTER (WHERE d.resumed_empty) IS NOT DISTINCT FROM min(d.day) FILTER (WHERE d.known_ms > 0)
              AND bool_or(d.resumed_empty))::int,
       min(d.day) FILTER (WHERE d.resumed_empty) IS NOT DISTINCT FROM min(d.day) FILTER (WHERE d.known_ms > 0)
           AND bool_or(d.resumed_empty),
       (array_agg(d.held ORDER BY d.day DESC))[1], sum(d.used), sum(d.filled), sum(d.counts), sum(d.count_hits),
       sum(d.counted), sum(d.counted_off), sum(d.counted_net)
  FROM bin_days d, (VALUES ('week'), ('month')) AS p(period)
 GROUP BY 1, 2, 3, 4, 5;
ALTER TABLE bin_days FORCE ROW LEVEL SECURITY;
ALTER TABLE bin_periods FORCE ROW LEVEL SECURITY;

-- Who asks is looked up once, and not for each of a hundred thousand orders: a plan then knows, too, that operations
-- see them all, where it reckoned with one in two hundred.
DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['orders', 'order_lines', 'order_events', 'order_receipts'] LOOP
        EXECUTE format('ALTER POLICY operations_all ON %I USING ((SELECT is_operations()))', t);
    END LOOP;
END $$;
ALTER POLICY supplier_own ON orders
    USING (supplier_id = (SELECT asking_supplier()) AND (sent_at IS NOT NULL OR drafted_by <> 'binline'));
