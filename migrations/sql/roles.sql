-- The three roles, made where they are missing; then the rest of the migration runs as the owner.
-- Roles belong to the whole server, so two ledgers on one server share them.
DO $$
DECLARE
    -- Since Postgres 16 whoever makes a role is a member of it, but may not yet act as it.
    may_act CONSTANT text := CASE WHEN current_setting('server_version_num')::integer < 160000 THEN 'MEMBER' ELSE 'SET' END;
    name text;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'chargeback_owner') THEN
        CREATE ROLE chargeback_owner NOLOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'chargeback_viewer') THEN
        CREATE ROLE chargeback_viewer NOLOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'chargeback_app') THEN
        CREATE ROLE chargeback_app LOGIN;
    END IF;
    IF NOT pg_has_role('chargeback_app', 'chargeback_viewer', 'MEMBER') THEN
        GRANT chargeback_viewer TO chargeback_app;
    END IF;
    FOREACH name IN ARRAY ARRAY['chargeback_owner', 'chargeback_app'] LOOP
        IF NOT pg_has_role(current_user, name, may_act) THEN
            EXECUTE format('GRANT %I TO %I', name, current_user);
        END IF;
    END LOOP;
    IF NOT has_schema_privilege('chargeback_owner', 'public', 'CREATE') THEN
        GRANT CREATE, USAGE ON SCHEMA public TO chargeback_owner;
    END IF;
END $$;
CREATE EXTENSION IF NOT EXISTS btree_gist;
SET LOCAL ROLE chargeback_owner;
