-- Exactly once: who owns a stage, how far it has read, and which of the appended records count.

-- Epochs come from one sequence, so that a stage that is removed and made again never gets an old one back.
CREATE SEQUENCE granary.epoch;

CREATE TABLE granary.stage (
    stage       text PRIMARY KEY,
    epoch       bigint NOT NULL,
    acquired_at timestamptz NOT NULL DEFAULT now()
);

-- The epoch stands in each cursor row too: the update that moves a cursor waits for the row's lock and then looks
-- at the epoch again, so a commit and a take-over of the same stage can not pass each other.
-- The free space keeps updates within their page; no index holds a column that changes.
CREATE TABLE granary.cursor (
    stage       text NOT NULL REFERENCES granary.stage ON DELETE CASCADE,
    log_id      uuid NOT NULL,
    topic       text NOT NULL,
    partition   integer NOT NULL CHECK (partition >= 0),
    epoch       bigint NOT NULL,
    next_offset bigint NOT NULL CHECK (next_offset >= 0),
    PRIMARY KEY (stage, log_id, topic, partition)
) WITH (fillfactor = 50);

-- Offsets of stage-written topics that count. Postgres merges touching ranges, so a row stays small.
CREATE TABLE granary.committed_range (
    log_id    uuid NOT NULL,
    topic     text NOT NULL,
    partition integer NOT NULL CHECK (partition >= 0),
    ranges    int8multirange NOT NULL,
    PRIMARY KEY (log_id, topic, partition)
) WITH (fillfactor = 50);
