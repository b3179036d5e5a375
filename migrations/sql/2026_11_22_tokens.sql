-- Who may call the API: tokens, the answers kept for idempotency keys, and the rows a team's viewer may read.

CREATE TABLE api_tokens (
    token_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 63),
    -- The part of the token that names it; the other part is the secret, of which only the hash is kept.
    handle text NOT NULL UNIQUE CHECK (handle ~ '^[0-9a-f]{12}$'),
    secret_hash bytea NOT NULL CHECK (length(secret_hash) = 32),
    role text NOT NULL CHECK (role IN ('admin', 'operator', 'viewer')),
    team_id text REFERENCES teams,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text NOT NULL,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    CHECK ((role = 'viewer') = (team_id IS NOT NULL)),
    CHECK (expires_at > created_at)
);
CREATE UNIQUE INDEX one_live_name ON api_tokens (name) WHERE revoked_at IS NULL;

-- What a POST with an Idempotency-Key was answered, kept in the transaction of its effect.
CREATE TABLE idempotency_keys (
    caller text NOT NULL,
    key text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    request_hash bytea NOT NULL CHECK (length(request_hash) = 32),
    status integer,
    content text,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (caller, key)
);
CREATE INDEX ON idempotency_keys (created_at);

-- A token is never edited or deleted; it is revoked, once.
CREATE TRIGGER revoked_once BEFORE UPDATE ON api_tokens
    FOR EACH ROW WHEN (OLD.revoked_at IS NOT NULL OR NEW.revoked_at IS NULL
        OR to_jsonb(NEW) - 'revoked_at' <> to_jsonb(OLD) - 'revoked_at')
    EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_deleted BEFORE DELETE ON api_tokens FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON api_tokens FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

GRANT SELECT, INSERT, UPDATE (revoked_at) ON api_tokens TO chargeback_app;
GRANT SELECT, INSERT, UPDATE (status, content), DELETE ON idempotency_keys TO chargeback_app;
GRANT USAGE ON SEQUENCE api_tokens_token_id_seq TO chargeback_app;

-- A team's viewer -------------------------------------------------------------------------------------
-- A viewer's requests run the same queries as everybody's, as the role chargeback_viewer and with the team in
-- app.team. Usage and what payers bear it reads through the views seen_* only. Of the tables it reads documents and
-- what they claim; where a table has the team the policy is that the row is the team's, elsewhere that the row
-- belongs to one it sees (a policy's subquery is itself bound by the policies of what it reads).
-- Within a view of another kind, a security invoker view still asks for the reader's own rights: seen_cells needs this
-- one to look at all cells before it says whose they are. Viewers may not read it themselves.
ALTER VIEW attributed_cells SET (security_invoker = false);
GRANT SELECT ON ledger_settings, allocations, retired_pool_cells, line_allocations, usage_cells, documents
    TO chargeback_viewer;
-- Not what a shared pool holds of others.
GRANT SELECT (pool_id, usage_date, source_id, team_id, resource_type, unit, generation, split_digest, retired_at)
    ON cost_pools TO chargeback_viewer;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['retired_pool_cells', 'cost_pools', 'line_allocations', 'documents'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY owner_sees_all ON %I TO chargeback_owner USING (true)', name);
        EXECUTE format('CREATE POLICY app_sees_all ON %I TO chargeback_app USING (true)', name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['allocations', 'retired_pool_cells'] LOOP
        EXECUTE format('CREATE POLICY viewer_sees_own ON %I FOR SELECT TO chargeback_viewer
            USING (team_id = current_setting(''app.team'', true))', name);
    END LOOP;
END $$;

CREATE INDEX ON retired_pool_cells (cell_id);
CREATE POLICY viewer_sees_own ON usage_cells FOR SELECT TO chargeback_viewer USING (
    EXISTS (SELECT FROM pool_cells p WHERE p.cell_id = usage_cells.cell_id)
    OR EXISTS (SELECT FROM retired_pool_cells p WHERE p.cell_id = usage_cells.cell_id));
CREATE POLICY viewer_sees_own ON cost_pools FOR SELECT TO chargeback_viewer USING (
    EXISTS (SELECT FROM allocations a WHERE a.pool_id = cost_pools.pool_id));
CREATE POLICY viewer_sees_own ON line_allocations FOR SELECT TO chargeback_viewer USING (
    EXISTS (SELECT FROM invoice_lines l WHERE l.line_id = line_allocations.line_id));
CREATE POLICY viewer_sees_own ON documents FOR SELECT TO chargeback_viewer USING (
    kind = 'invoice' AND EXISTS (SELECT FROM invoices i WHERE i.number = documents.subject));
