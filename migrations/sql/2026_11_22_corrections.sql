-- What corrects: reversals, what stands in for them, reallocations. Nothing booked before changes its meaning.

-- Shares of frozen cost that were booked anew under the rules and owners of their moment.
CREATE TABLE reallocations (
    reallocation_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    period_start date NOT NULL,
    period_end date NOT NULL,
    reason text NOT NULL CHECK (length(trim(reason)) > 0),
    booked_by text NOT NULL,
    booked_at timestamptz NOT NULL DEFAULT now(),
    CHECK (period_start < period_end)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON reallocations
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON reallocations
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
GRANT SELECT, INSERT ON reallocations TO chargeback_app;

-- What a batch took back of a day is no row it received: it is told beside the rows.
ALTER TABLE usage_manifests
    ADD COLUMN reversed_count bigint NOT NULL DEFAULT 0,
    ADD COLUMN reversed_raw raw_amount NOT NULL DEFAULT 0,
    DROP CONSTRAINT raw_is_ledger_and_residual,
    ADD CONSTRAINT raw_is_ledger_and_residual CHECK (new_raw + changed_raw - reversed_raw = cost + residual);

-- A first revision lies in its batch's cell of the same facts; a later one says which cell it lies in.
ALTER TABLE usage_records ADD COLUMN cell_id bigint;

-- A cell takes back (of) an earlier one, or stands in for it; a reallocation's cells come in such pairs.
ALTER TABLE usage_cells
    ADD COLUMN reverses_cell_id bigint,
    ADD COLUMN replaces_cell_id bigint,
    ADD COLUMN reallocation_id bigint,
    ADD CONSTRAINT takes_back_or_stands_in CHECK (reverses_cell_id IS NULL OR replaces_cell_id IS NULL);
CREATE INDEX ON usage_cells (reverses_cell_id) WHERE reverses_cell_id IS NOT NULL;
CREATE INDEX ON usage_cells (replaces_cell_id) WHERE replaces_cell_id IS NOT NULL;
CREATE UNIQUE INDEX reallocated_once ON usage_cells (replaces_cell_id) WHERE reallocation_id IS NOT NULL;
CREATE INDEX corrected_days ON usage_cells (usage_date)
    WHERE reverses_cell_id IS NOT NULL OR replaces_cell_id IS NOT NULL;

-- A reversal is shared as the frozen pool it takes back, `of_pool_id`; a replacement under the rules of its day.
ALTER TABLE cost_pools
    ADD COLUMN kind text NOT NULL DEFAULT 'usage' CHECK (kind IN ('usage', 'reversal', 'replacement')),
    ADD COLUMN of_pool_id bigint,
    ADD COLUMN reallocation_id bigint REFERENCES reallocations,
    ADD CONSTRAINT usage_is_of_no_pool CHECK ((kind = 'usage') = (of_pool_id IS NULL)),
    ADD CONSTRAINT usage_is_not_reallocated CHECK (kind <> 'usage' OR reallocation_id IS NULL),
    DROP CONSTRAINT cost_pools_usage_date_source_id_rule_key_team_id_resource_t_key,
    ADD CONSTRAINT cost_pools_usage_date_source_id_rule_key_team_id_resource_t_key
        UNIQUE NULLS NOT DISTINCT (usage_date, source_id, rule_key, team_id, resource_type, unit,
            kind, of_pool_id, reallocation_id, generation);
CREATE INDEX ON cost_pools (of_pool_id) WHERE of_pool_id IS NOT NULL;

-- Of a share that was written off, what takes it back or stands in for it is written off with it.
ALTER TABLE allocations ADD COLUMN is_written_off boolean NOT NULL DEFAULT false;
CREATE INDEX written_off ON allocations (pool_id) WHERE is_written_off;

ALTER TABLE invoice_lines
    ADD COLUMN cause text NOT NULL DEFAULT 'usage' CHECK (cause IN ('usage', 'correction', 'reallocation'));
