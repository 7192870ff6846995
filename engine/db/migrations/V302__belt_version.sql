-- Every definition that a belt has had, for the list of versions and the way back.
CREATE TABLE granary.belt_version (
    belt       bigint NOT NULL REFERENCES granary.belt (id) ON DELETE CASCADE,
    version    bigint NOT NULL,
    definition jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by jsonb NOT NULL,
    PRIMARY KEY (belt, version)
);

INSERT INTO granary.belt_version (belt, version, definition, created_at, created_by)
SELECT id, (definition ->> 'version')::bigint, definition, modified_at, modified_by FROM granary.belt;
