-- What a site and a supplier have agreed on, in versions, and what either side proposes to change.
--
-- The newest version holds. No version, no limit and no proposal is ever changed or deleted: there is no right to,
-- but for the answer to a proposal. What a version says of bins is written into the bins by a trigger, with the
-- owner's rights: a supplier who accepts changes a minimum that way, and in no other.

SET LOCAL search_path = binline;

CREATE TABLE agreements (
    agreement_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    site_id      int NOT NULL REFERENCES sites,
    supplier_id  int NOT NULL REFERENCES suppliers,
    UNIQUE (site_id, supplier_id)
);
CREATE INDEX ON agreements (supplier_id);

---------------------------------------------------------------------- the clauses, of both

CREATE TABLE agreement_proposals (
    agreement_id          int NOT NULL REFERENCES agreements,
    number                int NOT NULL CHECK (number > 0),
    mode                  text NOT NULL CHECK (mode IN ('auto', 'approve', 'notify', 'shadow')),
    value_limit           bigint CHECK (value_limit >= 0),              -- in the smallest coin; null: none
    draft_hours           int NOT NULL CHECK (draft_hours BETWEEN 0 AND 8760),
    escalate_after_hours  int NOT NULL CHECK (escalate_after_hours BETWEEN 0 AND draft_hours),
    ownership             text NOT NULL CHECK (ownership IN ('owned', 'consigned')),
    service               text CHECK (service IN ('cycle', 'fill')),    -- null: no target
    target_per_mille      int CHECK (target_per_mille BETWEEN 1 AND 999),
    answer_hours          int NOT NULL CHECK (answer_hours BETWEEN 0 AND 8760),
    grace_hours           int NOT NULL CHECK (grace_hours BETWEEN 0 AND 8760),
    band_quantity_percent int NOT NULL CHECK (band_quantity_percent BETWEEN 0 AND 100),
    band_postpone_days    int NOT NULL CHECK (band_postpone_days BETWEEN 0 AND 365),
    band_limits_percent   int NOT NULL CHECK (band_limits_percent BETWEEN 0 AND 100),
    shared                text[] NOT NULL CHECK (shared <@ '{levels}'), -- what the supplier is shown
    valid_from            date NOT NULL,
    valid_until           date CHECK (valid_until >= valid_from),       -- the last day; null: for good
    proposed_by           text NOT NULL CHECK (proposed_by IN ('customer', 'supplier')),
    author                text NOT NULL CHECK (author <> ''),
    because               text NOT NULL CHECK (btrim(because) <> ''),
    CHECK ((service IS NULL) = (target_per_mille IS NULL))
);
CREATE TABLE agreement_versions (LIKE agreement_proposals INCLUDING CONSTRAINTS);

ALTER TABLE agreement_versions
    ADD COLUMN proposal    int,                       -- that it came of; null: of none, it is the first
    ADD COLUMN agreed_at   timestamptz NOT NULL,
    ADD COLUMN accepted_by text NOT NULL,             -- empty: within the band, nobody had to
    ADD PRIMARY KEY (agreement_id, number),
    ADD UNIQUE (agreement_id, proposal),
    ADD FOREIGN KEY (agreement_id) REFERENCES agreements,
    ADD CHECK ((number = 1) = (proposal IS NULL));

ALTER TABLE agreement_proposals
    ADD COLUMN base                int NOT NULL,      -- the version it would change
    ADD COLUMN predicted           jsonb,             -- `core.agreements.Prediction`; null: not enough history
    ADD COLUMN proposed_at         timestamptz NOT NULL,
    ADD COLUMN state               text NOT NULL DEFAULT 'open'
        CHECK (state IN ('open', 'accepted', 'declined', 'outdated')),
    ADD COLUMN answered_by         text NOT NULL DEFAULT '',
    ADD COLUMN answered_at         timestamptz,
    ADD PRIMARY KEY (agreement_id, number),
    ADD FOREIGN KEY (agreement_id, base) REFERENCES agreement_versions;
CREATE INDEX agreement_proposals_open ON agreement_proposals (proposed_at) WHERE state = 'open';
ALTER TABLE agreement_versions ADD FOREIGN KEY (agreement_id, proposal) REFERENCES agreement_proposals;

CREATE TABLE agreement_proposal_limits (
    agreement_id int NOT NULL,
    number       int NOT NULL,
    bin_id       int NOT NULL REFERENCES bins,
    minimum      int NOT NULL CHECK (minimum >= 0),
    order_up_to  int NOT NULL CHECK (order_up_to > minimum),
    PRIMARY KEY (agreement_id, number, bin_id),
    FOREIGN KEY (agreement_id, number) REFERENCES agreement_proposals
);
CREATE TABLE agreement_limits (
    agreement_id int NOT NULL,
    number       int NOT NULL,
    bin_id       int NOT NULL REFERENCES bins,
    minimum      int NOT NULL CHECK (minimum >= 0),
    order_up_to  int NOT NULL CHECK (order_up_to > minimum),
    PRIMARY KEY (agreement_id, number, bin_id),
    FOREIGN KEY (agreement_id, number) REFERENCES agreement_versions
);
CREATE INDEX ON agreement_limits (bin_id);

---------------------------------------------------------------------- what holds of it, in the bins

-- Whoever writes holds the present of these bins already, as everybody who changes one does.
CREATE FUNCTION agreement_holds() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = binline, pg_temp AS $$
DECLARE agreed agreements;
BEGIN
    SELECT * INTO agreed FROM agreements WHERE agreement_id = NEW.agreement_id;
    IF TG_TABLE_NAME = 'agreement_versions' THEN
        UPDATE bins SET ownership = CASE NEW.ownership WHEN 'consigned' THEN 'consignment' ELSE 'owned' END
         WHERE site_id = agreed.site_id AND supplier_id = agreed.supplier_id
           AND (ownership = 'owned') <> (NEW.ownership = 'owned');
        RETURN NULL;
    END IF;
    UPDATE bins SET minimum = NEW.minimum, order_up_to = NEW.order_up_to
     WHERE bin_id = NEW.bin_id AND site_id = agreed.site_id AND supplier_id = agreed.supplier_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'not a bin of this agreement' USING ERRCODE = 'check_violation',
            CONSTRAINT = 'agreement_limits_of_its_bins';
    END IF;
    INSERT INTO bin_due VALUES (NEW.bin_id) ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION agreement_holds FROM PUBLIC;
CREATE TRIGGER agreement_holds AFTER INSERT ON agreement_versions FOR EACH ROW EXECUTE FUNCTION agreement_holds();
CREATE TRIGGER agreement_holds AFTER INSERT ON agreement_limits FOR EACH ROW EXECUTE FUNCTION agreement_holds();

---------------------------------------------------------------------- what a supplier is shown

-- The sites of whose bins the asking supplier is not shown what they hold. Nothing agreed: it is shown.
CREATE FUNCTION sites_withheld() RETURNS SETOF int LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT a.site_id FROM agreements a JOIN agreement_versions v USING (agreement_id)
     WHERE a.supplier_id = asking_supplier() AND NOT 'levels' = ANY (v.shared)
       AND v.number = (SELECT max(n.number) FROM agreement_versions n WHERE n.agreement_id = a.agreement_id);
END;

ALTER POLICY supplier_own ON bin_levels
    USING (bin_id IN (SELECT b.bin_id FROM bins b WHERE b.supplier_id = asking_supplier()
                         AND b.site_id NOT IN (SELECT sites_withheld())));
ALTER POLICY supplier_own ON breaches
    USING (bin_id IN (SELECT b.bin_id FROM bins b WHERE b.supplier_id = asking_supplier()
                         AND b.site_id NOT IN (SELECT sites_withheld())));
ALTER POLICY supplier_own ON movements
    USING (EXISTS (SELECT FROM bin_items o WHERE o.bin_id = movements.bin_id AND o.supplier_id = asking_supplier()
                      AND event_at >= o.from_at AND (o.to_at IS NULL OR event_at < o.to_at))
           AND bin_id NOT IN (SELECT b.bin_id FROM bins b WHERE b.site_id IN (SELECT sites_withheld())));

CREATE OR REPLACE VIEW portal_readings WITH (security_barrier = true) AS
    SELECT s.bin_id, r.sensor_id, r.measured_at, r.received_at, st.stream, r.seq, r.weight_mg, r.total,
           r.condition, r.because, r.stability, r.quality, r.clock_trusted, r.code, r.change, r.corrected_at,
           coalesce(r.corrected_at, r.measured_at) AS at
      FROM readings r
      JOIN sensors s USING (sensor_id)
      JOIN streams st USING (stream_no)
      JOIN bins b ON b.bin_id = s.bin_id
     WHERE is_operations()
        OR (b.supplier_id = asking_supplier() AND b.site_id NOT IN (SELECT sites_withheld()));
CREATE OR REPLACE VIEW portal_rollups WITH (security_barrier = true) AS
    SELECT s.bin_id, r.*
      FROM rollups r
      JOIN sensors s USING (sensor_id)
      JOIN bins b ON b.bin_id = s.bin_id
     WHERE is_operations()
        OR (b.supplier_id = asking_supplier() AND b.site_id NOT IN (SELECT sites_withheld()));

---------------------------------------------------------------------- who sees what

DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['agreements', 'agreement_versions', 'agreement_limits', 'agreement_proposals',
                             'agreement_proposal_limits'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY jobs_all ON %I TO binline_jobs USING (true) WITH CHECK (true)', t);
        EXECUTE format('CREATE POLICY operations_all ON %I TO binline_portal '
                       'USING (is_operations()) WITH CHECK (is_operations())', t);
        EXECUTE format('CREATE POLICY supplier_own ON %I FOR SELECT TO binline_portal USING (agreement_id IN '
                       '(SELECT a.agreement_id FROM agreements a WHERE a.supplier_id = asking_supplier()))', t);
    END LOOP;
    -- A supplier proposes and answers; it makes a version of nothing but a proposal.
    FOREACH t IN ARRAY ARRAY['agreement_limits', 'agreement_proposal_limits'] LOOP
        EXECUTE format('CREATE POLICY supplier_writes ON %I FOR INSERT TO binline_portal WITH CHECK (bin_id IN '
                       '(SELECT b.bin_id FROM bins b JOIN agreements a USING (site_id, supplier_id) '
                       'WHERE a.agreement_id = %I.agreement_id AND a.supplier_id = asking_supplier()))', t, t);
    END LOOP;
END $$;
ALTER POLICY supplier_own ON agreements USING (supplier_id = asking_supplier());
CREATE POLICY supplier_writes ON agreement_proposals FOR INSERT TO binline_portal
    WITH CHECK (proposed_by = 'supplier' AND agreement_id IN
                (SELECT a.agreement_id FROM agreements a WHERE a.supplier_id = asking_supplier()));
CREATE POLICY supplier_answers ON agreement_proposals FOR UPDATE TO binline_portal
    USING (agreement_id IN (SELECT a.agreement_id FROM agreements a WHERE a.supplier_id = asking_supplier()))
    WITH CHECK (agreement_id IN (SELECT a.agreement_id FROM agreements a WHERE a.supplier_id = asking_supplier()));
CREATE POLICY supplier_writes ON agreement_versions FOR INSERT TO binline_portal
    WITH CHECK (proposal IS NOT NULL AND agreement_id IN
                (SELECT a.agreement_id FROM agreements a WHERE a.supplier_id = asking_supplier()));

-- What the trigger reads and writes, and nobody else.
CREATE POLICY triggers_read ON agreements FOR SELECT TO binline_owner USING (true);
CREATE POLICY triggers_write ON bins FOR UPDATE TO binline_owner USING (true) WITH CHECK (true);
CREATE POLICY triggers_all ON bin_due TO binline_owner USING (true) WITH CHECK (true);

GRANT SELECT ON agreements, agreement_versions, agreement_limits, agreement_proposals, agreement_proposal_limits
    TO binline_jobs;
GRANT SELECT, INSERT ON agreements, agreement_versions, agreement_limits, agreement_proposals,
    agreement_proposal_limits TO binline_portal;
GRANT UPDATE (state, answered_by, answered_at) ON agreement_proposals TO binline_portal;
