-- Bearer tokens. Only the hash of a secret is kept; a revoked token is gone.
CREATE TABLE granary.token (
    id         text PRIMARY KEY,
    name       text NOT NULL,
    -- SHA-256 of the secret.
    hash       bytea NOT NULL UNIQUE,
    access     jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz
);
