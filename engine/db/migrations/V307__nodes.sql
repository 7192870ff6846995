-- Several engine processes on one database: who is there, and who works on which partition of which stage.

-- A process renews `seen_at` every second; one that was not seen for as long as a lease lasts is dead, by this clock.
CREATE TABLE granary.node (
    id         uuid PRIMARY KEY,
    name       text NOT NULL,
    address    text NOT NULL,
    roles      text[] NOT NULL,
    log_id     uuid NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    seen_at    timestamptz NOT NULL DEFAULT now()
);

-- Who works on the partition; NULL where nobody does, and where one process does everything.
ALTER TABLE granary.cursor ADD COLUMN node uuid;

-- The turn (below) that has put the cursor where a start position said; each partition is put there once.
ALTER TABLE granary.cursor ADD COLUMN turn bigint NOT NULL DEFAULT 0;

-- What was asked for last of an object: `turn` grows with every start, so that all processes start it again.
CREATE TABLE granary.run (
    object        text PRIMARY KEY,
    turn          bigint NOT NULL,
    from_position text
);

-- How each object is doing on each process.
CREATE TABLE granary.node_report (
    node   uuid NOT NULL REFERENCES granary.node ON DELETE CASCADE,
    object text NOT NULL,
    status text NOT NULL,
    reason text,
    PRIMARY KEY (node, object)
);
