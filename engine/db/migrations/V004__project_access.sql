-- The database side of a project: its schema, the role that owns it, the role that may read it, and the login with
-- which the engine reads on behalf of users.
CREATE TABLE granary.project_access (
    project      text PRIMARY KEY,
    owner_role   text NOT NULL UNIQUE,
    reader_role  text NOT NULL UNIQUE,
    reader_login text NOT NULL UNIQUE,
    -- In the clear: whoever can read this table can read the data as well.
    reader_password text NOT NULL
);

-- Logins handed out for an hour.
CREATE TABLE granary.temporary_login (
    login      text PRIMARY KEY,
    project    text NOT NULL,
    expires_at timestamptz NOT NULL
);
