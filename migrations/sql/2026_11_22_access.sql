-- Who may do what. The app role writes the ledger and owns nothing; a viewer reads its own team's rows only,
-- the team being the setting app.team of its transaction.

GRANT USAGE ON SCHEMA public TO chargeback_app, chargeback_viewer;

GRANT SELECT ON ALL TABLES IN SCHEMA public TO chargeback_app;
GRANT INSERT ON ledger_settings, usage_manifests, usage_records, usage_cells, allocation_rules TO chargeback_app;
GRANT INSERT, UPDATE ON teams, users, usage_sources, usage_batches, usage_quarantine, allocation_days,
    number_counters, invoices, documents, billing_runs, billing_steps TO chargeback_app;
GRANT INSERT, UPDATE, DELETE ON memberships, ownerships, cost_pools, pool_cells, retired_pool_cells, allocations,
    invoice_lines, line_allocations TO chargeback_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO chargeback_app;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public_id(text[]), ensure_partition(date), invoice_content_hash(bigint),
    audit_append(jsonb), audit_hash(audit_log), refuse_change(), guard_source_role(), guard_invoice(), guard_lines(),
    guard_claims() TO chargeback_app;

GRANT SELECT ON viewer_usage, viewer_allocations, pool_cells, invoices, invoice_lines TO chargeback_viewer;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['usage_records', 'usage_cells', 'pool_cells', 'allocations', 'invoices', 'invoice_lines'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY owner_sees_all ON %I TO chargeback_owner USING (true)', name);
        EXECUTE format('CREATE POLICY app_sees_all ON %I TO chargeback_app USING (true)', name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['pool_cells', 'invoices', 'invoice_lines'] LOOP
        EXECUTE format('CREATE POLICY viewer_sees_own ON %I FOR SELECT TO chargeback_viewer
            USING (team_id = current_setting(''app.team'', true))', name);
    END LOOP;
END $$;
