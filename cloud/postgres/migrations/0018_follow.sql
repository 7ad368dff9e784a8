-- What waits to be followed is put down and struck off with every reading: that its bin is there was asked each time,
-- and the bin's row locked and written for it. Only bins are put down; of one that is gone nothing waits.

SET LOCAL search_path = binline;

ALTER TABLE bin_follow DROP CONSTRAINT bin_follow_bin_id_fkey;

CREATE FUNCTION bins_follow_no_longer() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = binline, pg_temp AS $$
BEGIN
    DELETE FROM bin_follow WHERE bin_id = OLD.bin_id;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION bins_follow_no_longer FROM PUBLIC;
CREATE TRIGGER bins_follow_no_longer AFTER DELETE ON bins FOR EACH ROW EXECUTE FUNCTION bins_follow_no_longer();
