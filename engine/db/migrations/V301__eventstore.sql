-- The event store: every event of every data_in event type, one partition per event type. Projects see theirs through
-- the views in their own schemas; nobody but the engine reads or writes here.

CREATE TABLE public.eventstore (
    correlation_id     varchar NOT NULL,
    event_id           text    NOT NULL,
    created            bigint  NOT NULL, -- milliseconds since the epoch
    message            jsonb,
    event_type         varchar NOT NULL DEFAULT 'na',
    event_type_version bigint  NOT NULL DEFAULT 1,
    event_harvester    varchar NOT NULL DEFAULT 'na',
    partition_id       bigint  NOT NULL,
    partition_offset   bigint  NOT NULL,
    ttl                varchar,          -- ISO 8601 duration after created; set by deletion notices
    PRIMARY KEY (correlation_id, event_id, event_type)
) PARTITION BY LIST (event_type);

REVOKE ALL ON public.eventstore FROM PUBLIC;

-- Second of the epoch at which a row with that ttl expires; null where it has none. The text of a duration reads the
-- same under every IntervalStyle, which is what makes the function immutable.
CREATE FUNCTION public.event_time_to_act(created bigint, ttl varchar) RETURNS bigint
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    SET intervalstyle = 'iso_8601'
    RETURN created / 1000 + extract(epoch FROM ttl::interval)::bigint;

REVOKE ALL ON FUNCTION public.event_time_to_act(bigint, varchar) FROM PUBLIC;

CREATE INDEX eventstore_created ON public.eventstore (created);
CREATE INDEX eventstore_event_type ON public.eventstore USING brin (event_type);

-- Only rows that were marked are ever looked for, and an insert is spared the function.
CREATE INDEX eventstore_time_to_act ON public.eventstore (public.event_time_to_act(created, ttl)) WHERE ttl IS NOT NULL;
