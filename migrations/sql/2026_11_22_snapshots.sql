-- Snapshots: what is delivered again whole, and which deliveries wait for a person.

-- A billing period of an account of one source. Without period and account: rows that do not say which.
CREATE TABLE usage_scopes (
    scope_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_id bigint NOT NULL REFERENCES usage_sources,
    period_start date,
    period_end date,
    account text,
    UNIQUE NULLS NOT DISTINCT (source_id, period_start, account),
    CHECK ((period_start IS NULL) = (account IS NULL) AND (period_start IS NULL) = (period_end IS NULL)),
    CHECK (period_start < period_end)
);

-- A delivery of a scope that was refused whole, until somebody decides or a better one comes.
CREATE TABLE usage_snapshots (
    snapshot_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    scope_id bigint NOT NULL REFERENCES usage_scopes,
    delivery text NOT NULL,
    content_hash uuid NOT NULL,
    row_count bigint NOT NULL CHECK (row_count >= 0),
    cost amount NOT NULL,
    held_count bigint NOT NULL CHECK (held_count >= 0),
    held_cost amount NOT NULL,
    refused_count bigint NOT NULL CHECK (refused_count >= 0),
    reasons text[] NOT NULL CHECK (cardinality(reasons) > 0),
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'accepted', 'rejected', 'replaced')),
    arrived_at timestamptz NOT NULL DEFAULT now(),
    decided_at timestamptz,
    decided_by text,
    decision text,
    CHECK ((state = 'waiting') = (decided_at IS NULL)),
    CHECK (state = 'waiting' OR (decided_by IS NOT NULL AND length(trim(decision)) > 0))
);
CREATE UNIQUE INDEX one_waiting ON usage_snapshots (scope_id) WHERE state = 'waiting';
CREATE INDEX ON usage_snapshots (scope_id);

-- The rows of a delivery that waits; gone once it is decided.
CREATE TABLE waiting_usage (
    waiting_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    snapshot_id bigint NOT NULL REFERENCES usage_snapshots,
    position bigint NOT NULL,
    content_hash uuid NOT NULL,
    residual raw_amount NOT NULL,
    usage_date date NOT NULL,
    charge_date date NOT NULL,
    usage_at timestamptz NOT NULL,
    team_id text,
    user_id text,
    agent_id text,
    account_id text,
    owner_tag text,
    resource_type text NOT NULL,
    sku text,
    unit text NOT NULL,
    quantity amount NOT NULL,
    cost amount NOT NULL
);
CREATE INDEX ON waiting_usage (snapshot_id);

-- Which scope a record is held of; usage that comes as events is of none.
-- 64 bits of the row as it was written: the same text need not be read again.
ALTER TABLE usage_records ADD COLUMN scope_id bigint, ADD COLUMN fingerprint bigint;
CREATE INDEX held_of_scope ON usage_records (scope_id) WHERE scope_id IS NOT NULL;

-- A refused row of a snapshot is decided with it.
ALTER TABLE usage_quarantine ADD COLUMN snapshot_id bigint REFERENCES usage_snapshots;
CREATE INDEX ON usage_quarantine (snapshot_id) WHERE snapshot_id IS NOT NULL;

-- What was decided stays so, and what a delivery was never changes.
CREATE FUNCTION guard_snapshot() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.state <> 'waiting'
       OR to_jsonb(NEW) - ARRAY['state', 'decided_at', 'decided_by', 'decision']
          <> to_jsonb(OLD) - ARRAY['state', 'decided_at', 'decided_by', 'decision'] THEN
        RAISE EXCEPTION USING ERRCODE = 'CB409', MESSAGE = format(
            'snapshot %s is %s and cannot change any more; deliver the scope again', OLD.snapshot_id, OLD.state);
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_snapshot BEFORE UPDATE OR DELETE ON usage_snapshots
    FOR EACH ROW EXECUTE FUNCTION guard_snapshot();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON usage_snapshots
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

GRANT SELECT, INSERT, UPDATE ON usage_scopes, usage_snapshots TO chargeback_app;
GRANT SELECT, INSERT, DELETE ON waiting_usage TO chargeback_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO chargeback_app;
REVOKE EXECUTE ON FUNCTION guard_snapshot() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION guard_snapshot() TO chargeback_app;
