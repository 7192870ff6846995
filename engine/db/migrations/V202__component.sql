-- Uploaded WebAssembly components, named by the SHA-256 of their bytes in hex. A project sees only its own.
CREATE TABLE granary.component (
    project    text NOT NULL REFERENCES granary.project (name),
    sha256     text NOT NULL,
    bytes      bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by jsonb NOT NULL,
    PRIMARY KEY (project, sha256)
);

-- Compiled code does not compress well enough to be worth the time.
ALTER TABLE granary.component ALTER COLUMN bytes SET STORAGE EXTERNAL;
