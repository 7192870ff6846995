-- Nobody but the platform reaches anything that was not granted by name. Where the engine's own role may not revoke
-- something (a server that others administer), that revoke is left out with a warning; what a project's reader can
-- see is decided by grants and does not depend on it.
DO $$
DECLARE
    statement text;
    routine   regprocedure;
BEGIN
    FOREACH statement IN ARRAY ARRAY[
        format('REVOKE CONNECT, TEMPORARY ON DATABASE %I FROM PUBLIC', current_database()),
        format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO CURRENT_USER', current_database()),
        'REVOKE ALL ON SCHEMA public FROM PUBLIC',
        'GRANT ALL ON SCHEMA public TO CURRENT_USER',
        'REVOKE ALL ON SCHEMA granary FROM PUBLIC',
        'REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA public, granary FROM PUBLIC',
        'ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON ROUTINES FROM PUBLIC',
        -- DO blocks would be a way to run several statements.
        'REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC',
        'GRANT USAGE ON LANGUAGE plpgsql TO CURRENT_USER'
    ] LOOP
        BEGIN
            EXECUTE statement;
        EXCEPTION WHEN insufficient_privilege THEN
            RAISE WARNING 'not permitted: %', statement;
        END;
    END LOOP;

    -- Functions of the server that write or block in spite of a read-only transaction: large objects, and the
    -- advisory locks that the engine itself relies on.
    FOR routine IN
        SELECT p.oid::regprocedure FROM pg_proc p
        WHERE p.pronamespace = 'pg_catalog'::regnamespace
          AND (p.proname LIKE 'lo\_%' OR p.proname IN ('loread', 'lowrite')
               OR p.proname LIKE 'pg\_advisory\_%' OR p.proname LIKE 'pg\_try\_advisory\_%'
               OR p.proname IN ('pg_notify', 'pg_cancel_backend', 'pg_terminate_backend'))
    LOOP
        BEGIN
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO CURRENT_USER', routine);
            EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', routine);
        EXCEPTION WHEN insufficient_privilege THEN
            RAISE WARNING 'not permitted: revoke of %', routine;
        END;
    END LOOP;
END
$$;
