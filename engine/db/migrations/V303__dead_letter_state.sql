-- What became of each dead letter, and everything that happened to it.
ALTER TABLE granary.dead_letter
    ADD COLUMN state text NOT NULL DEFAULT 'dead'
        CHECK (state IN ('dead', 'retrying', 'retried', 'discarded')),
    -- How often its stage has processed it. Only the stage's worker raises it, with every outcome, so that it can tell
    -- after a lost answer whether its commit went through.
    ADD COLUMN attempts integer NOT NULL DEFAULT 1,
    -- Append time of the record, in milliseconds since the Unix epoch; unknown for letters from before.
    ADD COLUMN source_time_ms bigint;

-- What a worker looks for; nearly always empty.
CREATE INDEX dead_letter_retrying ON granary.dead_letter (stage, source_topic, source_partition, source_offset, id)
    WHERE state = 'retrying';

CREATE TABLE granary.dead_letter_event (
    id                 bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    letter             bigint NOT NULL REFERENCES granary.dead_letter (id) ON DELETE CASCADE,
    at                 timestamptz NOT NULL DEFAULT now(),
    kind               text NOT NULL
        CHECK (kind IN ('written', 'retry_asked', 'failed_again', 'went_through', 'discarded')),
    -- Who asked; NULL where the stage did it by itself.
    by                 text,
    -- The definition that ran, and how it failed.
    definition_version bigint,
    code               text,
    message            text
);

CREATE INDEX dead_letter_event_letter ON granary.dead_letter_event (letter, id);

INSERT INTO granary.dead_letter_event (letter, at, kind, definition_version, code, message)
SELECT id, created_at, 'written', definition_version, code, message FROM granary.dead_letter ORDER BY id;
