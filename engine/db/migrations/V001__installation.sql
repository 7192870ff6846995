-- Which log this database belongs to. One row: offsets mean nothing without the log that gave them, so a database
-- is bound to the first log that uses it.
CREATE TABLE granary.installation (
    only_row   boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    -- Distinguishes the roles of this database from those of others in the same cluster, where roles are shared.
    tag        text NOT NULL,
    log_id     uuid,
    claimed_at timestamptz
);

INSERT INTO granary.installation (tag) VALUES (substr(md5(gen_random_uuid()::text), 1, 8));
