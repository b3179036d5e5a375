-- The three roles, made where they are missing; then the rest of the migration runs as the owner.
-- Roles belong to the whole server, so two ledgers on one server share them.
DO $$
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
    IF NOT pg_has_role(current_user, 'chargeback_owner', 'MEMBER') THEN
        EXECUTE format('GRANT chargeback_owner TO %I', current_user);
    END IF;
    IF NOT has_schema_privilege('chargeback_owner', 'public', 'CREATE') THEN
        GRANT CREATE, USAGE ON SCHEMA public TO chargeback_owner;
    END IF;
END $$;
CREATE EXTENSION IF NOT EXISTS btree_gist;
SET LOCAL ROLE chargeback_owner;
