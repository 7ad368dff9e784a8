-- A tag that came or went, a code that was scanned: a fourth outcome of a reading, beside weight, total
-- and condition.

SET LOCAL search_path = binline;

ALTER TABLE readings
    ADD COLUMN code   text,
    ADD COLUMN change text,
    DROP CONSTRAINT readings_check,
    ADD CONSTRAINT readings_one_outcome CHECK (num_nonnulls(weight_mg, total, condition, code) = 1),
    ADD CONSTRAINT readings_code_changes CHECK ((code IS NULL) = (change IS NULL));

CREATE OR REPLACE VIEW portal_readings WITH (security_barrier = true) AS
    SELECT s.bin_id, r.sensor_id, r.measured_at, r.received_at, st.stream, r.seq, r.weight_mg, r.total,
           r.condition, r.because, r.stability, r.quality, r.clock_trusted, r.code, r.change
      FROM readings r
      JOIN sensors s USING (sensor_id)
      JOIN streams st USING (stream_no)
      JOIN bins b ON b.bin_id = s.bin_id
     WHERE is_operations() OR b.supplier_id = asking_supplier();
