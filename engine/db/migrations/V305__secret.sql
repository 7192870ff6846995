-- Texts that belts need and nobody is shown again. The values are sealed by the engine with a key that it keeps outside
-- of the database: whoever reads this table, or a dump of it, learns names, keys and lengths.
CREATE TABLE granary.secret (
    project     text NOT NULL REFERENCES granary.project (name),
    name        text NOT NULL,
    version     bigint NOT NULL,
    -- In alphabetical order, each with its value at the same place of the other list.
    keys        text[] NOT NULL,
    sealed      bytea[] NOT NULL,
    -- Tells which key the values were sealed with, without telling the key.
    sealed_with text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    created_by  jsonb NOT NULL,
    modified_at timestamptz NOT NULL DEFAULT now(),
    modified_by jsonb NOT NULL,
    PRIMARY KEY (project, name),
    CHECK (cardinality(keys) = cardinality(sealed))
);
