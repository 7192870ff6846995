-- Records that a stage could not process, as they were, with the reason.
CREATE TABLE granary.dead_letter (
    id                 bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    created_at         timestamptz NOT NULL DEFAULT now(),
    project            text NOT NULL,
    stream             text NOT NULL,
    stage              text NOT NULL,
    definition_version bigint NOT NULL,
    code               text NOT NULL,
    exception_type     text NOT NULL,
    message            text NOT NULL,
    stacktrace         text NOT NULL,
    source_topic       text NOT NULL,
    source_partition   integer NOT NULL,
    source_offset      bigint NOT NULL,
    key                bytea,
    payload            bytea NOT NULL,
    -- Whether the payload is text that Postgres can hold: UTF-8 without NUL.
    payload_is_text    boolean NOT NULL,
    -- [[name, value], ...] in order. Not jsonb: that can not hold NUL and would reorder.
    headers            json NOT NULL,
    trace_id           uuid
);

CREATE INDEX dead_letter_stream ON granary.dead_letter (project, stream, id);
