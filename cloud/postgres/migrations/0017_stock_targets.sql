-- What stock was agreed on, beside the service: at most so many days of supply, and at most so much worth.

SET LOCAL search_path = binline;

ALTER TABLE agreement_proposals
    ADD COLUMN supply_days int CHECK (supply_days BETWEEN 1 AND 3650), -- at most, the median of the bins; null: any
    ADD COLUMN stock_value bigint CHECK (stock_value >= 0);            -- at most, in the smallest coin; null: any
ALTER TABLE agreement_versions
    ADD COLUMN supply_days int CHECK (supply_days BETWEEN 1 AND 3650),
    ADD COLUMN stock_value bigint CHECK (stock_value >= 0);
