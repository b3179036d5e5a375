-- What runs say, who approved what, and what was archived.

-- A run that waits for a person is neither running nor over; what it told people is kept beside its counts.
ALTER TABLE billing_runs DROP CONSTRAINT billing_runs_state_check;
ALTER TABLE billing_runs ADD CONSTRAINT billing_runs_state_check
    CHECK (state IN ('running', 'waiting', 'completed', 'failed', 'needs_a_person'));
ALTER TABLE billing_runs ADD COLUMN said jsonb NOT NULL DEFAULT '[]';
ALTER TABLE billing_runs ADD COLUMN for_a_person jsonb NOT NULL DEFAULT '[]';

-- Who decided about the drafts of a period, and what those drafts said: the hash is of their numbers and contents.
CREATE TABLE approvals (
    approval_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    period_start date NOT NULL,
    period_end date NOT NULL,
    drafts_hash bytea NOT NULL,
    numbers text[] NOT NULL,
    total amount NOT NULL,
    decision text NOT NULL CHECK (decision IN ('approved', 'rejected')),
    decided_by text NOT NULL CHECK (length(decided_by) BETWEEN 1 AND 255),
    note text,
    run_id uuid,
    decided_at timestamptz NOT NULL DEFAULT now(),
    CHECK (period_start < period_end)
);
CREATE INDEX ON approvals (period_start, period_end);

-- A month (UTC) of usage records whose partition was written to files and dropped; `digest` is what `digest`
-- says of those records, so that a ledger says the same before and after.
CREATE TABLE usage_archives (
    month date PRIMARY KEY CHECK (extract(day FROM month) = 1),
    state text NOT NULL CHECK (state IN ('archived', 'restored')),
    form text NOT NULL CHECK (form IN ('csv', 'parquet')),
    files jsonb NOT NULL,
    record_count bigint NOT NULL CHECK (record_count >= 0),
    digest text NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$'),
    archived_at timestamptz NOT NULL DEFAULT now(),
    archived_by text NOT NULL,
    restored_at timestamptz,
    restored_by text
);

-- What the dropped records of an archived month came to, per batch and day: their part in the invariants.
CREATE TABLE archived_usage (
    month date NOT NULL REFERENCES usage_archives,
    batch_id bigint NOT NULL REFERENCES usage_batches,
    usage_date date NOT NULL,
    source_id bigint NOT NULL REFERENCES usage_sources,
    record_count bigint NOT NULL,
    quantity amount NOT NULL,
    cost amount NOT NULL,
    residual raw_amount NOT NULL,
    PRIMARY KEY (month, batch_id, usage_date)
);
CREATE INDEX ON archived_usage (usage_date);

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON approvals
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON approvals
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON usage_archives
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON archived_usage
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Drops the partition of an archived month. It looks for itself whether the archive holds all that is there:
-- records are only ever added, so the same number of them, with the same cost and quantity per batch and day, are the
-- same records.
CREATE FUNCTION drop_archived_partition(archived_month date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    partition_name text := 'usage_records_' || to_char(archived_month, 'YYYY_MM');
    differences bigint;
    held bigint;
BEGIN
    IF NOT EXISTS (SELECT FROM usage_archives WHERE month = archived_month AND state = 'archived') THEN
        RAISE EXCEPTION USING ERRCODE = 'CB409', MESSAGE = format(
            'the usage of %s is in no archive, so it stays', to_char(archived_month, 'YYYY-MM'));
    END IF;
    IF to_regclass(partition_name) IS NULL THEN
        RETURN;
    END IF;
    EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', partition_name);
    EXECUTE format('
        SELECT count(*) FROM (
            SELECT batch_id, usage_date, sum(n) AS n, sum(cost) AS cost, sum(quantity) AS quantity FROM (
                SELECT batch_id, usage_date, record_count AS n, cost, quantity FROM %I
                UNION ALL
                SELECT batch_id, usage_date, -record_count, -cost, -quantity FROM archived_usage WHERE month = $1) held
            GROUP BY batch_id, usage_date) compared
        WHERE n <> 0 OR cost <> 0 OR quantity <> 0', partition_name) INTO differences USING archived_month;
    EXECUTE format('SELECT count(*) FROM %I', partition_name) INTO held;
    IF differences > 0 OR held <> (SELECT record_count FROM usage_archives WHERE month = archived_month) THEN
        RAISE EXCEPTION USING ERRCODE = 'CB409', MESSAGE = format(
            'usage of %s came in while it was being archived, so it stays; archive it again',
            to_char(archived_month, 'YYYY-MM'));
    END IF;
    EXECUTE format('ALTER TABLE usage_records DETACH PARTITION %I', partition_name);
    EXECUTE format('DROP TABLE %I', partition_name);
END $$;

GRANT SELECT ON approvals, usage_archives, archived_usage TO chargeback_app;
GRANT INSERT ON approvals TO chargeback_app;
GRANT INSERT, UPDATE ON usage_archives TO chargeback_app;
GRANT INSERT, DELETE ON archived_usage TO chargeback_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO chargeback_app;
REVOKE EXECUTE ON FUNCTION drop_archived_partition(date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION drop_archived_partition(date) TO chargeback_app;
