-- The packages of Python belts (requirementsPy) as they were when a version was made: archives named by the SHA-256 of
-- their bytes in hex. A project sees only its own. Archives are not compressed, so the storage may do it.
CREATE TABLE granary.package_archive (
    project    text NOT NULL REFERENCES granary.project (name),
    sha256     text NOT NULL,
    bytes      bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by jsonb NOT NULL,
    PRIMARY KEY (project, sha256)
);
