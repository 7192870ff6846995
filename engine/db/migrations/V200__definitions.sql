-- What users define. Each table keeps the columns that something looks up by, and the whole definition as jsonb;
-- how a definition reads is the catalog's business. Names are unique without regard to case.

CREATE TABLE granary.project (
    name         text PRIMARY KEY,
    display_name text NOT NULL,
    description  text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    created_by   jsonb NOT NULL,
    modified_at  timestamptz NOT NULL DEFAULT now(),
    modified_by  jsonb NOT NULL
);

CREATE UNIQUE INDEX project_display_name ON granary.project (lower(display_name));

-- The head of an event type: what all versions share, and which version is the newest.
CREATE TABLE granary.event_type (
    name         text PRIMARY KEY,
    project      text NOT NULL REFERENCES granary.project (name),
    display_name text NOT NULL,
    description  text NOT NULL,
    kind         text NOT NULL,
    version      integer NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    created_by   jsonb NOT NULL,
    modified_at  timestamptz NOT NULL DEFAULT now(),
    modified_by  jsonb NOT NULL
);

CREATE UNIQUE INDEX event_type_name ON granary.event_type (lower(name));
CREATE UNIQUE INDEX event_type_display_name ON granary.event_type (project, lower(display_name));

CREATE TABLE granary.event_type_version (
    name       text NOT NULL REFERENCES granary.event_type (name) ON DELETE CASCADE,
    version    integer NOT NULL,
    definition jsonb NOT NULL,
    PRIMARY KEY (name, version)
);

CREATE TABLE granary.persister (
    event_type  text NOT NULL REFERENCES granary.event_type (name) ON DELETE CASCADE,
    kind        text NOT NULL,
    project     text NOT NULL REFERENCES granary.project (name),
    definition  jsonb NOT NULL,
    wanted      text NOT NULL CHECK (wanted IN ('STOPPED', 'RUNNING')),
    created_at  timestamptz NOT NULL DEFAULT now(),
    created_by  jsonb NOT NULL,
    modified_at timestamptz NOT NULL DEFAULT now(),
    modified_by jsonb NOT NULL,
    PRIMARY KEY (event_type, kind)
);

CREATE TABLE granary.harvester (
    name         text PRIMARY KEY,
    project      text NOT NULL REFERENCES granary.project (name),
    display_name text NOT NULL,
    -- No definition can refer to an event type that is gone.
    event_type   text NOT NULL REFERENCES granary.event_type (name),
    definition   jsonb NOT NULL,
    wanted       text NOT NULL CHECK (wanted IN ('STOPPED', 'RUNNING')),
    created_at   timestamptz NOT NULL DEFAULT now(),
    created_by   jsonb NOT NULL,
    modified_at  timestamptz NOT NULL DEFAULT now(),
    modified_by  jsonb NOT NULL
);

CREATE UNIQUE INDEX harvester_name ON granary.harvester (lower(name));
CREATE UNIQUE INDEX harvester_display_name ON granary.harvester (project, lower(display_name));
CREATE INDEX harvester_event_type ON granary.harvester (event_type);

-- Gives ids to belts; ids that were given in a path are skipped.
CREATE SEQUENCE granary.belt_id;

CREATE TABLE granary.belt (
    id          bigint PRIMARY KEY,
    project     text NOT NULL REFERENCES granary.project (name),
    name        text NOT NULL,
    definition  jsonb NOT NULL,
    wanted      text NOT NULL CHECK (wanted IN ('STOPPED', 'RUNNING')),
    created_at  timestamptz NOT NULL DEFAULT now(),
    created_by  jsonb NOT NULL,
    modified_at timestamptz NOT NULL DEFAULT now(),
    modified_by jsonb NOT NULL
);

CREATE UNIQUE INDEX belt_name ON granary.belt (project, lower(name));
CREATE INDEX belt_event_types ON granary.belt USING gin ((definition -> 'eventTypes'));
CREATE INDEX belt_output_types ON granary.belt USING gin ((definition -> 'outputTypes'));

INSERT INTO granary.project (name, display_name, description, created_by, modified_by)
VALUES ('global', 'global', 'The project that is always there.',
        '{"name": "granary", "email": ""}', '{"name": "granary", "email": ""}');
