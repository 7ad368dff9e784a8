-- What waits for a decision of operations is told to each of their users by mail, once.
--
-- A notice has one addressee: a channel of a supplier's, or a user. That it is owed is written by triggers, at the end
-- of the transaction that causes it: a supplier who proposes something sees no user, and a draft that is approved in
-- the same transaction waits for nobody. `about` names what is decided, and not the paper: a draft that expired and
-- came back is the same need.

SET LOCAL search_path = binline;

ALTER TABLE users ADD COLUMN mails_decisions boolean NOT NULL DEFAULT true;   -- of operations: what waits for them

ALTER TABLE notices
    ALTER COLUMN channel_id DROP NOT NULL,
    ADD COLUMN user_id      int REFERENCES users,
    ADD COLUMN agreement_id int REFERENCES agreements,
    DROP CONSTRAINT notices_check,
    ADD CONSTRAINT notices_about_one CHECK (num_nonnulls(order_id, breach_id, agreement_id) = 1),
    ADD CONSTRAINT notices_to_one CHECK (num_nonnulls(channel_id, user_id) = 1),
    DROP CONSTRAINT notices_once,
    ADD CONSTRAINT notices_once UNIQUE NULLS NOT DISTINCT (order_id, breach_id, channel_id, user_id, kind, about);
CREATE UNIQUE INDEX notices_user_once ON notices (user_id, kind, about) WHERE user_id IS NOT NULL;

CREATE FUNCTION ask_operations() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = binline, pg_temp AS $$
DECLARE
    what text;
    which text;
    of_order uuid;
    of_agreement int;
    whose int;
    since timestamptz;
BEGIN
    CASE TG_TABLE_NAME
    WHEN 'order_lines' THEN
        what := 'draft_waits';
        which := NEW.bin_id || ':' || NEW.cycle;
        of_order := NEW.order_id;
        SELECT supplier_id, drafted_at INTO whose, since FROM orders
         WHERE order_id = NEW.order_id AND state = 'draft' AND expires_at IS NOT NULL;
    WHEN 'order_acts' THEN
        what := 'change_waits';
        which := NEW.order_id || ':' || NEW.act_id;
        of_order := NEW.order_id;
        SELECT o.supplier_id, NEW.at INTO whose, since FROM orders o JOIN order_acts a USING (order_id)
         WHERE o.order_id = NEW.order_id AND o.state = 'changed' AND a.kind = 'change' AND a.act_id = NEW.act_id
           AND a.state = 'open';
    ELSE
        what := 'proposal_waits';
        which := NEW.agreement_id || ':' || NEW.number;
        of_agreement := NEW.agreement_id;
        SELECT a.supplier_id, p.proposed_at INTO whose, since
          FROM agreements a JOIN agreement_proposals p USING (agreement_id)
         WHERE p.agreement_id = NEW.agreement_id AND p.number = NEW.number AND p.state = 'open';
    END CASE;
    IF whose IS NULL THEN
        RETURN NULL;   -- decided before it was said
    END IF;
    INSERT INTO notices (order_id, agreement_id, supplier_id, user_id, kind, about, created_at, next_try_at, facts)
    SELECT of_order, of_agreement, whose, user_id, what, which, since, since, jsonb_build_object('address', email)
      FROM users WHERE role = 'operations' AND active AND mails_decisions
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION ask_operations FROM PUBLIC;
CREATE CONSTRAINT TRIGGER ask_operations AFTER INSERT ON order_lines DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.number = 1) EXECUTE FUNCTION ask_operations();
CREATE CONSTRAINT TRIGGER ask_operations AFTER INSERT ON order_acts DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.kind = 'change') EXECUTE FUNCTION ask_operations();
CREATE CONSTRAINT TRIGGER ask_operations AFTER INSERT ON agreement_proposals DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.proposed_by = 'supplier') EXECUTE FUNCTION ask_operations();

-- What the trigger reads and writes, and nobody else.
CREATE POLICY triggers_read ON users FOR SELECT TO binline_owner USING (true);
CREATE POLICY triggers_read ON orders FOR SELECT TO binline_owner USING (true);
CREATE POLICY triggers_read ON order_acts FOR SELECT TO binline_owner USING (true);
CREATE POLICY triggers_read ON agreement_proposals FOR SELECT TO binline_owner USING (true);
CREATE POLICY triggers_all ON notices TO binline_owner USING (true) WITH CHECK (true);

-- Who of the customer's is told is not the supplier's business.
ALTER POLICY supplier_own ON notices USING (supplier_id = asking_supplier() AND user_id IS NULL);

-- Which bins can have a case is asked all the time (see cloud/postgres/cases.py).
CREATE INDEX decisions_asking ON decisions (bin_id) WHERE ask IS NOT NULL;
