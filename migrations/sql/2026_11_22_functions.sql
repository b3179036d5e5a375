-- What Postgres itself decides: public ids, partitions, attribution, the audit chain, and what may not change.
-- Refusals carry SQLSTATE CB409; the message is the sentence a person reads.

-- A public id is the first half of the SHA-256 of the length-prefixed parts of a natural key.
-- Its twin is chargeback/identity.py; a test holds the two together.
CREATE FUNCTION public_id(VARIADIC parts text[]) RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT encode(substr(sha256(convert_to(
        string_agg(coalesce(octet_length(part)::text || ':' || part, '-:'), '' ORDER BY n), 'UTF8'
    )), 1, 16), 'hex')::uuid
    FROM unnest(parts) WITH ORDINALITY AS p (part, n)
$$;

-- Makes the partition of usage_records that holds a month (UTC). Commit before loading into it:
-- CREATE TABLE … PARTITION OF would lock out other loads, LIKE and ATTACH do not.
CREATE FUNCTION ensure_partition(month date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    first_day date := date_trunc('month', month)::date;
    partition_name text := 'usage_records_' || to_char(month, 'YYYY_MM');
BEGIN
    IF to_regclass(partition_name) IS NOT NULL THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('ensure_partition', 0));
    -- Asked of the table: to_regclass would answer from the cache what was true before the wait.
    IF EXISTS (SELECT FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname = partition_name) THEN
        RETURN;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE usage_records INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', partition_name);
    EXECUTE format(
        'ALTER TABLE usage_records ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
        partition_name,
        to_char(first_day, 'YYYY-MM-DD') || ' 00:00:00+00',
        to_char(first_day + interval '1 month', 'YYYY-MM-DD') || ' 00:00:00+00');
    -- A table's row triggers are its partitions' too, its statement triggers are not.
    EXECUTE format('CREATE TRIGGER no_truncate BEFORE TRUNCATE ON %I
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', partition_name);
END $$;

-- The team of usage, everywhere: the record's own → owner of the account → of the tag → of the agent → the user's home.
CREATE VIEW attributed_cells WITH (security_invoker = true) AS
SELECT
    c.cell_id, c.batch_id, c.source_id, c.usage_date, c.charge_date,
    coalesce(c.team_id, by_account.team_id, by_tag.team_id, by_agent.team_id, home.team_id) AS team_id,
    c.user_id, c.agent_id, c.account_id, c.owner_tag, c.resource_type, c.sku, c.unit,
    c.quantity, c.cost, c.residual, c.record_count
FROM usage_cells c
LEFT JOIN ownerships by_account ON by_account.kind = 'account' AND by_account.key = c.account_id
    AND by_account.valid_from <= c.charge_date AND c.charge_date < by_account.valid_to
LEFT JOIN ownerships by_tag ON by_tag.kind = 'tag' AND by_tag.key = c.owner_tag
    AND by_tag.valid_from <= c.charge_date AND c.charge_date < by_tag.valid_to
LEFT JOIN ownerships by_agent ON by_agent.kind = 'agent' AND by_agent.key = c.agent_id
    AND by_agent.valid_from <= c.charge_date AND c.charge_date < by_agent.valid_to
LEFT JOIN memberships home ON home.is_home AND home.user_id = c.user_id
    AND home.valid_from <= c.charge_date AND c.charge_date < home.valid_to;

-- Usage as a team's viewer sees it: what pools booked to the team named by app.team.
CREATE VIEW viewer_usage WITH (security_barrier = true) AS
SELECT p.team_id, p.user_id, c.usage_date, c.agent_id, c.account_id, c.resource_type, c.sku, c.unit,
       c.quantity, c.cost, c.record_count
FROM pool_cells p JOIN usage_cells c USING (cell_id)
WHERE p.team_id = current_setting('app.team', true);

-- What a team's viewer sees that the team bears; what was billed, cancelled and replaced counts no more.
CREATE VIEW viewer_allocations WITH (security_barrier = true) AS
SELECT a.allocation_id, a.usage_date, a.team_id, a.user_id, r.rule_id, r.version AS rule_version,
       p.resource_type, p.unit, a.cost, a.quantity
FROM allocations a JOIN cost_pools p USING (pool_id) JOIN allocation_rules r USING (rule_key)
WHERE a.team_id = current_setting('app.team', true) AND p.retired_at IS NULL;

-- The hash of a document as issued: everything that is printed or posted, nothing that may still move.
CREATE FUNCTION invoice_content_hash(bigint) RETURNS bytea
LANGUAGE sql STABLE AS $$
    SELECT sha256(convert_to(jsonb_build_array(
        i.public_id, i.kind, i.number, i.scope, i.team_id, i.user_id, i.period_start, i.period_end, i.currency,
        i.exact_total, i.subtotal, i.rounding_difference, i.tax_rate, i.tax, i.total,
        i.net_days, i.issue_date, i.due_date, i.bill_to, i.held_elsewhere,
        (SELECT c.number FROM invoices c WHERE c.invoice_id = i.credits_invoice_id),
        (SELECT jsonb_agg(jsonb_build_array(l.position, l.kind, l.late_month, l.resource_type, l.unit,
                l.description, l.quantity, l.exact_amount, l.amount) ORDER BY l.position)
         FROM invoice_lines l WHERE l.invoice_id = i.invoice_id)
    )::text, 'UTF8'))
    FROM invoices i WHERE i.invoice_id = $1
$$;

-- Audit ----------------------------------------------------------------------------------------------

CREATE FUNCTION audit_hash(entry audit_log) RETURNS bytea
LANGUAGE sql IMMUTABLE AS $$
    SELECT sha256(entry.prev_hash || convert_to(jsonb_build_array(
        entry.seq, to_char(entry.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), entry.actor, entry.action,
        entry.subject_kind, entry.subject_id, entry.before, entry.after, entry.reason, entry.run_id
    )::text, 'UTF8'))
$$;

-- Appends entries, in their order, to the one chain. The head row is the chain's lock: take it last.
CREATE FUNCTION audit_append(entries jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    head audit_head;
    entry audit_log;
    item jsonb;
BEGIN
    SELECT * INTO head FROM audit_head FOR UPDATE;
    FOR item IN SELECT value FROM jsonb_array_elements(entries) WITH ORDINALITY ORDER BY ordinality LOOP
        entry := jsonb_populate_record(NULL::audit_log, item);
        entry.seq := head.seq + 1;
        entry.at := clock_timestamp();
        entry.before := nullif(entry.before, 'null'::jsonb);
        entry.after := nullif(entry.after, 'null'::jsonb);
        entry.prev_hash := head.hash;
        entry.hash := audit_hash(entry);
        INSERT INTO audit_log SELECT (entry).*;
        head.seq := entry.seq;
        head.hash := entry.hash;
    END LOOP;
    UPDATE audit_head SET seq = head.seq, hash = head.hash;
END $$;

-- What may not change --------------------------------------------------------------------------------

CREATE FUNCTION refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'CB409', MESSAGE = format(
        '%s of %s is refused: its rows are facts and are never edited or deleted; book a correction instead',
        TG_OP, TG_TABLE_NAME);
END $$;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['ledger_settings', 'usage_records', 'usage_cells', 'usage_manifests',
                                'allocation_rules', 'audit_log'] LOOP
        EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON %I
            FOR EACH ROW EXECUTE FUNCTION refuse_change()', name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['ledger_settings', 'usage_records', 'usage_cells', 'usage_manifests',
                                'usage_batches', 'usage_quarantine', 'allocation_rules', 'audit_log', 'audit_head',
                                'invoices', 'invoice_lines', 'line_allocations', 'documents'] LOOP
        EXECUTE format('CREATE TRIGGER no_truncate BEFORE TRUNCATE ON %I
            FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', name);
    END LOOP;
END $$;

CREATE FUNCTION guard_source_role() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.role <> OLD.role AND EXISTS (SELECT FROM usage_batches WHERE source_id = OLD.source_id) THEN
        RAISE EXCEPTION USING ERRCODE = 'CB409', MESSAGE = format(
            'source %s keeps its role %s because usage was loaded from it; add a second source instead',
            OLD.name, OLD.role);
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_source_role BEFORE UPDATE OF role ON usage_sources
    FOR EACH ROW EXECUTE FUNCTION guard_source_role();

-- The transition table of chargeback/invoice_status.py, and what each status lets change.
CREATE FUNCTION guard_invoice() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    moves CONSTANT jsonb := '{
        "draft": ["pending", "sent", "cancelled"],
        "pending": ["draft", "sent", "cancelled"],
        "sent": ["paid", "overdue", "cancelled"],
        "overdue": ["paid", "cancelled"],
        "paid": [], "cancelled": []}';
    free text[];
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION USING ERRCODE = 'CB409', MESSAGE = format(
            'document %s is never deleted; cancel it instead', OLD.number);
    END IF;
    IF TG_OP = 'INSERT' THEN
        IF NEW.status <> (CASE NEW.kind WHEN 'invoice' THEN 'draft' ELSE 'paid' END) THEN
            RAISE EXCEPTION USING ERRCODE = 'CB409', MESSAGE = format(
                'document %s cannot begin as %s; invoices begin as draft, credit notes as paid',
                NEW.number, NEW.status);
        END IF;
        RETURN NEW;
    END IF;
    IF NEW.status <> OLD.status AND NOT moves -> OLD.status ? NEW.status THEN
        RAISE EXCEPTION USING ERRCODE = 'CB409', MESSAGE = format(
            'document %s cannot move from %s to %s', OLD.number, OLD.status, NEW.status);
    END IF;
    free := CASE OLD.status
        WHEN 'draft' THEN NULL
        WHEN 'pending' THEN ARRAY['status', 'issue_date', 'due_date', 'content_hash']
        WHEN 'sent' THEN ARRAY['status', 'paid_date']
        WHEN 'overdue' THEN ARRAY['status', 'paid_date']
        ELSE ARRAY[]::text[] END;
    IF OLD.kind = 'credit_note' AND OLD.content_hash = '' THEN
        free := ARRAY['content_hash'];  -- it is being written: the hash covers its lines, which come after it
    END IF;
    IF free IS NOT NULL AND to_jsonb(NEW) - free <> to_jsonb(OLD) - free THEN
        RAISE EXCEPTION USING ERRCODE = 'CB409', MESSAGE = format(
            'document %s is %s, so what it says cannot change; cancel it and bill again', OLD.number, OLD.status);
    END IF;
    IF (NEW.public_id, NEW.kind, NEW.number, NEW.series, NEW.ordinal)
       IS DISTINCT FROM (OLD.public_id, OLD.kind, OLD.number, OLD.series, OLD.ordinal) THEN
        RAISE EXCEPTION USING ERRCODE = 'CB409', MESSAGE = format(
            'document %s keeps its id, kind and number for good', OLD.number);
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_invoice BEFORE INSERT OR UPDATE OR DELETE ON invoices
    FOR EACH ROW EXECUTE FUNCTION guard_invoice();

-- Lines and claims change only while their document is a draft. A credit note begins as paid and takes its lines
-- until it has the hash of what it says. (xmin would not do: any update renews it, and a savepoint has its own.)
CREATE FUNCTION guard_lines() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    held text;
BEGIN
    SELECT i.number INTO held
    FROM (SELECT DISTINCT invoice_id FROM changed) c JOIN invoices i USING (invoice_id)
    WHERE i.status <> 'draft' AND NOT (i.kind = 'credit_note' AND i.content_hash = '') LIMIT 1;
    IF held IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'CB409', MESSAGE = format(
            'the lines of document %s cannot change because it has left draft; cancel it and bill again', held);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER guard_lines_in AFTER INSERT ON invoice_lines REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION guard_lines();
CREATE TRIGGER guard_lines_from AFTER UPDATE ON invoice_lines REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION guard_lines();
CREATE TRIGGER guard_lines_to AFTER UPDATE ON invoice_lines REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION guard_lines();
CREATE TRIGGER guard_lines_out AFTER DELETE ON invoice_lines REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION guard_lines();

CREATE FUNCTION guard_claims() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    held text;
BEGIN
    SELECT i.number INTO held
    FROM (SELECT DISTINCT line_id FROM changed) c
    JOIN invoice_lines l USING (line_id) JOIN invoices i USING (invoice_id)
    WHERE CASE TG_OP
        WHEN 'INSERT' THEN i.status <> 'draft'
        WHEN 'DELETE' THEN i.status NOT IN ('draft', 'pending')
        ELSE i.status <> 'cancelled' END
    LIMIT 1;
    IF held IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'CB409', MESSAGE = format(
            'what document %s claims cannot change in its status; cancel it and bill again', held);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER guard_claims_in AFTER INSERT ON line_allocations REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION guard_claims();
CREATE TRIGGER guard_claims_released AFTER UPDATE ON line_allocations REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION guard_claims();
-- A claim is released once, and nothing else about it ever changes.
CREATE TRIGGER released_once BEFORE UPDATE ON line_allocations
    FOR EACH ROW WHEN (OLD.released_by_line_id IS NOT NULL OR NEW.released_by_line_id IS NULL
        OR NEW.line_id <> OLD.line_id OR NEW.allocation_id <> OLD.allocation_id)
    EXECUTE FUNCTION refuse_change();
CREATE TRIGGER guard_claims_out AFTER DELETE ON line_allocations REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION guard_claims();

-- The rows every ledger begins with.
INSERT INTO audit_head (seq, hash) VALUES (0, decode(repeat('00', 32), 'hex'));
INSERT INTO number_counters (series, last_ordinal) VALUES ('INV', 0), ('CN', 0);
INSERT INTO allocation_rules (rule_id, version, name, description, rule_type, created_by) VALUES
    ('by_usage', 1, 'By usage', 'Built in: what no rule takes goes to the one who used it.', 'by_usage', 'chargeback'),
    ('unattributed', 1, 'Unattributed', 'Built in: what has no owner and no rule.', 'unattributed', 'chargeback');
