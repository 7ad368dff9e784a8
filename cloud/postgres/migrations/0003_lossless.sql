-- The lossless path: order by sequence, times corrected after the fact, readings set aside by their
-- time, two machines with one name, dead letters that a person settles.
--
-- No portal role has any right on the tables that are new here, so they are without row level
-- security like `readings` itself, into which set-aside readings go by COPY once they are corrected.

SET LOCAL search_path = binline;

---------------------------------------------------------------------- streams and their order

ALTER TABLE streams
    ADD COLUMN life     bigint NOT NULL DEFAULT 0,       -- orders the streams of a gateway; 0: not said
    ADD COLUMN refused  boolean NOT NULL DEFAULT false,  -- a person said: this machine uses a name that is another's
    -- What its presence said: enough to tell that two machines use one name. Null: never present.
    ADD COLUMN present_first_said timestamptz,           -- by the gateway's clock
    ADD COLUMN present_said       timestamptz,           -- by the gateway's clock, the latest
    ADD COLUMN present_heard      timestamptz,           -- by ours
    ADD COLUMN returns            smallint NOT NULL DEFAULT 0,   -- how often it came back after another had spoken
    ADD COLUMN returned_at        timestamptz;

-- Of a range, how many readings never came; `gap_because` says why. A thinned range holds some.
ALTER TABLE ledger ADD COLUMN given_up bigint NOT NULL DEFAULT 0;
UPDATE ledger SET given_up = last_seq - first_seq + 1 WHERE gap_because IS NOT NULL;
ALTER TABLE ledger
    ADD CONSTRAINT ledger_given_up_has_reason CHECK (
        given_up BETWEEN 0 AND last_seq - first_seq + 1 AND (given_up = 0 OR gap_because IS NOT NULL));

---------------------------------------------------------------------- times

-- When the gateway's clock was set after the reading: `measured_at` plus all later steps of its stream.
-- Null: nothing to correct. Readers order and show by coalesce(corrected_at, measured_at).
ALTER TABLE readings ADD COLUMN corrected_at timestamptz;
CREATE INDEX readings_unsure ON readings (stream_no, seq) WHERE NOT clock_trusted;

CREATE TABLE clock_steps (
    stream_no   int NOT NULL REFERENCES streams,
    seq         bigint NOT NULL,
    step_ms     bigint NOT NULL,      -- added to readings before `seq` whose clock was not trusted
    because     text NOT NULL,
    received_at timestamptz NOT NULL,
    -- Readings that were here before the step are corrected piece by piece: from which `seq` on is to be done.
    -- Null: all done.
    todo_from   bigint DEFAULT 0,
    PRIMARY KEY (stream_no, seq)
);
CREATE INDEX clock_steps_todo ON clock_steps (stream_no, seq) WHERE todo_from IS NOT NULL;

-- Readings whose time cannot be: of the future, or of long ago. Acknowledged, counted, shown to a person, and
-- moved to `readings` when a step of the clock corrects them.
CREATE TABLE readings_aside (
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
    code          text,
    change        text,
    corrected_at  timestamptz,
    aside_because text NOT NULL,
    PRIMARY KEY (stream_no, seq),
    CONSTRAINT readings_aside_one_outcome CHECK (num_nonnulls(weight_mg, total, condition, code) = 1),
    CONSTRAINT readings_aside_code_changes CHECK ((code IS NULL) = (change IS NULL))
);

---------------------------------------------------------------------- the present, ordered by sequence

-- Which reading the last sign of life was, as `stream_no`, `seq` name the last number's. A stream's
-- life is in `streams`.
ALTER TABLE bin_state
    ADD COLUMN heard_stream_no int,
    ADD COLUMN heard_seq       bigint;
GRANT DELETE ON bin_state TO binline_jobs;   -- what a machine said that a person then refused

---------------------------------------------------------------------- gateways: clones and floods

ALTER TABLE gateways
    ADD COLUMN twin_since    timestamptz,     -- two machines use this name since; null: one
    ADD COLUMN twin_kept     uuid,            -- the stream that goes on
    ADD COLUMN twin_held     uuid,            -- the newcomer, not acknowledged until a person settles it
    ADD COLUMN twin_settled  text NOT NULL DEFAULT '',   -- who settled it last, and when
    ADD COLUMN shed_messages bigint NOT NULL DEFAULT 0,  -- over its quota: left on the gateway, to come again
    ADD COLUMN shed_at       timestamptz;

---------------------------------------------------------------------- dead letters

ALTER TABLE dead_letters
    ADD COLUMN gateway    text NOT NULL DEFAULT '',      -- '': none that we know
    ADD COLUMN settled    text CHECK (settled IN ('replayed', 'discarded')),
    ADD COLUMN settled_at timestamptz,
    ADD COLUMN settled_by text NOT NULL DEFAULT '';

-- So that a flood of garbage cannot fill the disk: beyond a limit letters are counted, no longer kept.
CREATE TABLE dead_letter_counts (
    gateway      text PRIMARY KEY,
    kept         bigint NOT NULL DEFAULT 0,    -- rows in dead_letters that nobody has settled
    kept_bytes   bigint NOT NULL DEFAULT 0,
    beyond       bigint NOT NULL DEFAULT 0,    -- not kept
    last_at      timestamptz,
    last_because text NOT NULL DEFAULT ''
);
INSERT INTO dead_letter_counts (gateway, kept, kept_bytes)
SELECT '', count(*), coalesce(sum(length(payload)), 0) FROM dead_letters HAVING count(*) > 0;

---------------------------------------------------------------------- rights

GRANT SELECT, INSERT, UPDATE (todo_from) ON clock_steps TO binline_ingest;
GRANT SELECT, INSERT, DELETE ON readings_aside TO binline_ingest;
GRANT UPDATE (corrected_at) ON readings TO binline_ingest;
GRANT UPDATE (gap_because, given_up) ON ledger TO binline_ingest;   -- a replayed letter fills what was given up
GRANT SELECT, INSERT, UPDATE ON dead_letter_counts TO binline_ingest;
GRANT UPDATE (twin_since, twin_kept, twin_held, shed_messages, shed_at) ON gateways TO binline_ingest;

GRANT SELECT ON clock_steps, readings_aside TO binline_jobs;
GRANT SELECT, UPDATE (settled, settled_at, settled_by) ON dead_letters TO binline_jobs;
GRANT SELECT, UPDATE ON dead_letter_counts TO binline_jobs;
GRANT UPDATE (twin_since, twin_kept, twin_held, twin_settled) ON gateways TO binline_jobs;
GRANT UPDATE (refused, returns, returned_at) ON streams TO binline_jobs;
