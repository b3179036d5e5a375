-- The ledger's tables. Constraints guard the books: what they refuse cannot be booked, whatever the code does.
-- Amounts are NUMERIC(38,18) in the ledger's currency, raw sums and residuals NUMERIC without scale; NaN and
-- infinities are refused. Dates of validity are half-open, always given: 0001-01-01 and 9999-12-31 mean "always".

CREATE DOMAIN amount AS numeric(38, 18)
    CHECK (VALUE <> 'NaN'::numeric);  -- a scale keeps infinities out by itself
CREATE DOMAIN raw_amount AS numeric
    CHECK (VALUE NOT IN ('NaN'::numeric, 'Infinity'::numeric, '-Infinity'::numeric));

CREATE TABLE ledger_settings (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    billing_zone text NOT NULL,
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Payers ---------------------------------------------------------------------------------------------

CREATE TABLE teams (
    team_id text PRIMARY KEY CHECK (length(team_id) BETWEEN 1 AND 255),
    name text NOT NULL,
    cost_center text,
    contact text,
    net_days integer CHECK (net_days BETWEEN 0 AND 3650),
    tax_rate amount NOT NULL DEFAULT 0 CHECK (tax_rate BETWEEN 0 AND 1),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE users (
    user_id text PRIMARY KEY CHECK (length(user_id) BETWEEN 1 AND 255),
    name text NOT NULL,
    cost_center text,
    contact text,
    net_days integer CHECK (net_days BETWEEN 0 AND 3650),
    tax_rate amount NOT NULL DEFAULT 0 CHECK (tax_rate BETWEEN 0 AND 1),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE memberships (
    membership_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    team_id text NOT NULL REFERENCES teams,
    user_id text NOT NULL REFERENCES users,
    is_home boolean NOT NULL DEFAULT false,
    valid_from date NOT NULL DEFAULT '0001-01-01',
    valid_to date NOT NULL DEFAULT '9999-12-31',
    CHECK (valid_from < valid_to),
    CONSTRAINT member_once EXCLUDE USING gist
        (team_id WITH =, user_id WITH =, daterange(valid_from, valid_to) WITH &&),
    CONSTRAINT one_home EXCLUDE USING gist
        (user_id WITH =, daterange(valid_from, valid_to) WITH &&) WHERE (is_home)
);

CREATE TABLE ownerships (
    ownership_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('agent', 'account', 'tag')),
    key text NOT NULL CHECK (length(key) BETWEEN 1 AND 511),
    team_id text NOT NULL REFERENCES teams,
    valid_from date NOT NULL DEFAULT '0001-01-01',
    valid_to date NOT NULL DEFAULT '9999-12-31',
    CHECK (valid_from < valid_to),
    CONSTRAINT one_owner EXCLUDE USING gist
        (kind WITH =, key WITH =, daterange(valid_from, valid_to) WITH &&)
);

-- Usage ----------------------------------------------------------------------------------------------

CREATE TABLE usage_sources (
    source_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
    kind text NOT NULL,
    role text NOT NULL DEFAULT 'allocate' CHECK (role IN ('allocate', 'reconcile_only', 'weights')),
    config jsonb NOT NULL DEFAULT '{}',
    cursor_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE usage_batches (
    batch_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_id bigint NOT NULL REFERENCES usage_sources,
    delivery text NOT NULL,
    opened_at timestamptz NOT NULL DEFAULT now(),
    sealed_at timestamptz
);
CREATE INDEX ON usage_batches (source_id);

-- What a batch received, per day of the usage (NULL: rows whose day cannot be read).
CREATE TABLE usage_manifests (
    manifest_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    batch_id bigint NOT NULL REFERENCES usage_batches,
    usage_date date,
    received_count bigint NOT NULL,
    received_raw raw_amount NOT NULL,
    new_count bigint NOT NULL,
    new_raw raw_amount NOT NULL,
    unchanged_count bigint NOT NULL,
    unchanged_raw raw_amount NOT NULL,
    changed_count bigint NOT NULL DEFAULT 0,
    changed_raw raw_amount NOT NULL DEFAULT 0,
    quarantined_count bigint NOT NULL,
    quarantined_raw raw_amount NOT NULL,
    cost amount NOT NULL,
    residual raw_amount NOT NULL,
    UNIQUE NULLS NOT DISTINCT (batch_id, usage_date),
    CONSTRAINT received_is_accounted_for CHECK (
        received_count = new_count + unchanged_count + changed_count + quarantined_count
        AND received_raw = new_raw + unchanged_raw + changed_raw + quarantined_raw),
    CONSTRAINT raw_is_ledger_and_residual CHECK (new_raw + changed_raw = cost + residual)
);

CREATE TABLE usage_records (
    usage_id uuid NOT NULL,
    revision integer NOT NULL DEFAULT 1,
    usage_at timestamptz NOT NULL,
    source_id bigint NOT NULL,
    batch_id bigint NOT NULL,
    usage_date date NOT NULL,
    charge_date date NOT NULL,
    external_id text NOT NULL,
    team_id text,
    user_id text,
    agent_id text,
    account_id text,
    owner_tag text,
    resource_type text NOT NULL,
    sku text,
    unit text NOT NULL,
    quantity amount NOT NULL,
    cost amount NOT NULL,
    residual raw_amount NOT NULL DEFAULT 0,
    record_count smallint NOT NULL DEFAULT 1 CHECK (record_count IN (1, -1)),
    content_hash uuid NOT NULL,
    PRIMARY KEY (usage_id, revision, usage_at)
) PARTITION BY RANGE (usage_at);

CREATE TABLE usage_quarantine (
    quarantine_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    batch_id bigint NOT NULL REFERENCES usage_batches,
    source_id bigint NOT NULL REFERENCES usage_sources,
    position bigint NOT NULL,
    external_id text,
    usage_date date,
    code text NOT NULL,
    reason text NOT NULL,
    row jsonb NOT NULL,
    row_hash uuid NOT NULL,
    raw_cost raw_amount,
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'waived', 'replaced')),
    decided_at timestamptz,
    decided_by text,
    decision text,
    UNIQUE (source_id, row_hash),
    CHECK ((state = 'open') = (decided_at IS NULL))
);
CREATE INDEX ON usage_quarantine (source_id, external_id) WHERE state = 'open';

CREATE TABLE usage_cells (
    cell_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    batch_id bigint NOT NULL,
    source_id bigint NOT NULL,
    usage_date date NOT NULL,
    charge_date date NOT NULL,
    team_id text,
    user_id text,
    agent_id text,
    account_id text,
    owner_tag text,
    resource_type text NOT NULL,
    sku text,
    unit text NOT NULL,
    quantity amount NOT NULL,
    cost amount NOT NULL,
    residual raw_amount NOT NULL,
    record_count bigint NOT NULL
);
CREATE INDEX ON usage_cells (usage_date);
CREATE INDEX ON usage_cells (batch_id);

-- Allocation -----------------------------------------------------------------------------------------

CREATE TABLE allocation_rules (
    rule_key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    rule_id text NOT NULL CHECK (length(rule_id) BETWEEN 1 AND 255),
    version integer NOT NULL CHECK (version >= 1),
    name text NOT NULL,
    description text NOT NULL DEFAULT '',
    rule_type text NOT NULL CHECK (rule_type IN
        ('by_usage', 'by_team', 'by_user', 'fixed_split', 'equal_split', 'unattributed')),
    enabled boolean NOT NULL DEFAULT true,
    is_closing boolean NOT NULL DEFAULT false,
    priority integer NOT NULL DEFAULT 100,
    team_id text,
    user_ids text[] NOT NULL DEFAULT '{}',
    match_user_ids text[] NOT NULL DEFAULT '{}',
    agent_ids text[] NOT NULL DEFAULT '{}',
    account_ids text[] NOT NULL DEFAULT '{}',
    resource_types text[] NOT NULL DEFAULT '{}',
    entity_ids text[] NOT NULL DEFAULT '{}',
    entity_type text CHECK (entity_type IN ('team', 'user')),
    split_percentages jsonb NOT NULL DEFAULT '{}',
    -- Who a split charges, resolved when the rule was made: [[team or null, user or null, weight], …].
    receivers jsonb NOT NULL DEFAULT '[]',
    valid_from date NOT NULL DEFAULT '0001-01-01',
    valid_to date NOT NULL DEFAULT '9999-12-31',
    metadata jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text NOT NULL,
    UNIQUE (rule_id, version),
    CHECK (valid_from < valid_to)
);

-- A day is dirty when something that decides its money changed since it was last allocated.
CREATE TABLE allocation_days (
    usage_date date PRIMARY KEY,
    is_dirty boolean NOT NULL,
    inputs_digest bytea
);
CREATE INDEX ON allocation_days (usage_date) WHERE is_dirty;

-- The cells of one day and source that one rule version takes. A retired pool was billed, cancelled and
-- replaced: it stays so that the cancelled invoice can be explained, and counts nowhere else.
CREATE TABLE cost_pools (
    pool_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    usage_date date NOT NULL,
    source_id bigint NOT NULL,
    rule_key bigint NOT NULL REFERENCES allocation_rules,
    team_id text,
    resource_type text NOT NULL,
    unit text NOT NULL,
    generation integer NOT NULL,
    cost amount NOT NULL,
    quantity amount NOT NULL,
    record_count bigint NOT NULL,
    split_digest uuid,
    retired_at timestamptz,
    UNIQUE NULLS NOT DISTINCT (usage_date, source_id, rule_key, team_id, resource_type, unit, generation)
);

CREATE TABLE pool_cells (
    cell_id bigint PRIMARY KEY,
    pool_id bigint NOT NULL,
    team_id text,
    user_id text
);
CREATE INDEX ON pool_cells (pool_id);

CREATE TABLE retired_pool_cells (
    pool_id bigint NOT NULL,
    cell_id bigint NOT NULL,
    team_id text,
    user_id text,
    PRIMARY KEY (pool_id, cell_id)
);

CREATE TABLE allocations (
    allocation_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pool_id bigint NOT NULL,
    usage_date date NOT NULL,
    team_id text,
    user_id text,
    cost amount NOT NULL,
    quantity amount NOT NULL,
    weight amount,
    UNIQUE NULLS NOT DISTINCT (pool_id, team_id, user_id)
);
CREATE INDEX ON allocations (team_id, usage_date);
CREATE INDEX ON allocations (user_id, usage_date);

-- Documents ------------------------------------------------------------------------------------------

CREATE TABLE number_counters (
    series text PRIMARY KEY,
    last_ordinal bigint NOT NULL CHECK (last_ordinal >= 0)
);

CREATE TABLE invoices (
    invoice_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id uuid NOT NULL UNIQUE,
    kind text NOT NULL CHECK (kind IN ('invoice', 'credit_note')),
    number text NOT NULL UNIQUE,
    series text REFERENCES number_counters,
    ordinal bigint,
    revision integer NOT NULL DEFAULT 1,
    status text NOT NULL CHECK (status IN ('draft', 'pending', 'sent', 'paid', 'overdue', 'cancelled')),
    is_stale boolean NOT NULL DEFAULT false,
    scope text NOT NULL CHECK (scope IN ('team', 'user', 'team_user', 'all')),
    team_id text,
    user_id text,
    period_start date NOT NULL,
    period_end date NOT NULL,
    occurrence integer NOT NULL,
    is_from_run boolean NOT NULL,
    currency text NOT NULL,
    exact_total amount NOT NULL DEFAULT 0,
    subtotal amount NOT NULL DEFAULT 0,
    rounding_difference amount NOT NULL DEFAULT 0,
    tax_rate amount NOT NULL DEFAULT 0,
    tax amount NOT NULL DEFAULT 0,
    total amount NOT NULL DEFAULT 0,
    net_days integer NOT NULL,
    issue_date date NOT NULL,
    due_date date NOT NULL,
    paid_date date,
    bill_to jsonb NOT NULL,
    held_elsewhere jsonb NOT NULL DEFAULT '[]',
    credits_invoice_id bigint UNIQUE REFERENCES invoices,
    content_hash bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (series, ordinal),
    UNIQUE NULLS NOT DISTINCT (kind, scope, team_id, user_id, period_start, period_end, occurrence),
    CHECK (period_start < period_end),
    CHECK ((series IS NULL) = (ordinal IS NULL)),
    CHECK ((kind = 'credit_note') = (credits_invoice_id IS NOT NULL)),
    CHECK (scope IN ('team', 'team_user') = (team_id IS NOT NULL)),
    CHECK (scope IN ('user', 'team_user') = (user_id IS NOT NULL)),
    CHECK (status IN ('draft', 'pending') OR content_hash IS NOT NULL OR status = 'cancelled'),
    CONSTRAINT subtotal_is_exact_and_rounding CHECK (subtotal = exact_total + rounding_difference),
    CONSTRAINT total_is_subtotal_and_tax CHECK (total = subtotal + tax)
);
CREATE UNIQUE INDEX one_open_draft ON invoices (scope, team_id, user_id, period_start, period_end)
    NULLS NOT DISTINCT WHERE kind = 'invoice' AND status IN ('draft', 'pending');
CREATE INDEX ON invoices (team_id);
CREATE INDEX ON invoices (user_id);
CREATE INDEX ON invoices (status, due_date);

CREATE TABLE invoice_lines (
    line_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    invoice_id bigint NOT NULL REFERENCES invoices,
    position integer NOT NULL CHECK (position >= 1),
    kind text NOT NULL CHECK (kind IN ('usage', 'late')),
    late_month date,
    resource_type text NOT NULL,
    unit text NOT NULL,
    description text NOT NULL,
    team_id text,
    quantity amount NOT NULL,
    exact_amount amount NOT NULL,
    amount amount NOT NULL,
    UNIQUE (invoice_id, position),
    CHECK ((kind = 'late') = (late_month IS NOT NULL))
);

CREATE TABLE line_allocations (
    line_id bigint NOT NULL REFERENCES invoice_lines,
    allocation_id bigint NOT NULL,
    released_by_line_id bigint REFERENCES invoice_lines,
    PRIMARY KEY (line_id, allocation_id)
);
CREATE UNIQUE INDEX claimed_once ON line_allocations (allocation_id) WHERE released_by_line_id IS NULL;
CREATE INDEX claims_released ON line_allocations (allocation_id) WHERE released_by_line_id IS NOT NULL;
CREATE INDEX ON line_allocations (released_by_line_id) WHERE released_by_line_id IS NOT NULL;

CREATE TABLE documents (
    document_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL,
    subject text NOT NULL,
    uri text NOT NULL UNIQUE,
    bytes bigint NOT NULL CHECK (bytes >= 0),
    sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON documents (kind, subject);

-- Journals -------------------------------------------------------------------------------------------

CREATE TABLE billing_runs (
    run_id uuid PRIMARY KEY,
    parent_run_id uuid,
    flow text NOT NULL,
    parameters jsonb NOT NULL DEFAULT '{}',
    attempt integer NOT NULL DEFAULT 1,
    state text NOT NULL CHECK (state IN ('running', 'completed', 'failed', 'needs_a_person')),
    counts jsonb NOT NULL DEFAULT '{}',
    error text,
    started_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz
);
CREATE INDEX ON billing_runs (started_at);

CREATE TABLE billing_steps (
    step_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id uuid NOT NULL REFERENCES billing_runs,
    task text NOT NULL,
    task_run_id uuid,
    attempt integer NOT NULL DEFAULT 1,
    state text NOT NULL CHECK (state IN ('running', 'completed', 'failed')),
    counts jsonb NOT NULL DEFAULT '{}',
    error text,
    started_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz
);
CREATE INDEX ON billing_steps (run_id);

CREATE TABLE audit_log (
    seq bigint PRIMARY KEY,
    at timestamptz NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    subject_kind text NOT NULL,
    subject_id text NOT NULL,
    before jsonb,
    after jsonb,
    reason text,
    run_id text,
    prev_hash bytea NOT NULL,
    hash bytea NOT NULL
);
CREATE INDEX ON audit_log (subject_kind, subject_id);

CREATE TABLE audit_head (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    seq bigint NOT NULL,
    hash bytea NOT NULL
);
