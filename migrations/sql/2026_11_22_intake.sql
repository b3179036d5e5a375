-- Usage in other currencies or priced by our own rate card, fixes of refused rows, what sources say a day comes to.

-- Owners of users: usage of a user without team is its owner's, before the user's home team is asked.
ALTER TABLE ownerships DROP CONSTRAINT ownerships_kind_check;
ALTER TABLE ownerships ADD CONSTRAINT ownerships_kind_check CHECK (kind IN ('agent', 'account', 'tag', 'user'));

-- The team of usage, everywhere: the record's own → owner of the account → of the tag → of the agent → of the user
-- → the user's home.
CREATE OR REPLACE VIEW attributed_cells WITH (security_invoker = true) AS
SELECT
    c.cell_id, c.batch_id, c.source_id, c.usage_date, c.charge_date,
    coalesce(c.team_id, by_account.team_id, by_tag.team_id, by_agent.team_id, by_user.team_id, home.team_id) AS team_id,
    c.user_id, c.agent_id, c.account_id, c.owner_tag, c.resource_type, c.sku, c.unit,
    c.quantity, c.cost, c.residual, c.record_count
FROM usage_cells c
LEFT JOIN ownerships by_account ON by_account.kind = 'account' AND by_account.key = c.account_id
    AND by_account.valid_from <= c.charge_date AND c.charge_date < by_account.valid_to
LEFT JOIN ownerships by_tag ON by_tag.kind = 'tag' AND by_tag.key = c.owner_tag
    AND by_tag.valid_from <= c.charge_date AND c.charge_date < by_tag.valid_to
LEFT JOIN ownerships by_agent ON by_agent.kind = 'agent' AND by_agent.key = c.agent_id
    AND by_agent.valid_from <= c.charge_date AND c.charge_date < by_agent.valid_to
LEFT JOIN ownerships by_user ON by_user.kind = 'user' AND by_user.key = c.user_id
    AND by_user.valid_from <= c.charge_date AND c.charge_date < by_user.valid_to
LEFT JOIN memberships home ON home.is_home AND home.user_id = c.user_id
    AND home.valid_from <= c.charge_date AND c.charge_date < home.valid_to;

-- What becomes of usage that has tokens and costs nothing; NULL: nobody decided yet, it is booked and told of.
ALTER TABLE usage_sources ADD COLUMN zero_cost text CHECK (zero_cost IN ('accept', 'reprice', 'quarantine'));

-- What the source itself said, where the ledger books another amount: in another currency, or priced by our rates.
ALTER TABLE usage_records
    ADD COLUMN original_cost raw_amount,
    ADD COLUMN original_currency text CHECK (original_currency ~ '^[A-Z]{3}$'),
    ADD COLUMN exchange_rate raw_amount CHECK (exchange_rate > 0),
    ADD COLUMN repriced raw_amount,
    ADD CONSTRAINT original_makes_cost CHECK (
        num_nonnulls(original_cost, exchange_rate, repriced) IN (0, 3)
        AND (original_cost IS NOT NULL OR original_currency IS NULL)
        AND (original_cost IS NULL OR cost + residual = original_cost * exchange_rate + repriced));

CREATE INDEX foreign_usage ON usage_records (usage_date) WHERE original_currency IS NOT NULL;

-- Of another currency (NULL: the ledger's) at its rate, and how much of the cost our own prices say.
ALTER TABLE usage_cells
    ADD COLUMN currency text,
    ADD COLUMN exchange_rate raw_amount NOT NULL DEFAULT 1,
    ADD COLUMN repriced raw_amount NOT NULL DEFAULT 0;

-- A manifest's line is of one day, currency and rate, and its raw sums are in that currency.
ALTER TABLE usage_manifests
    ADD COLUMN currency text CHECK (currency ~ '^[A-Z]{3}$'),
    ADD COLUMN exchange_rate raw_amount NOT NULL DEFAULT 1 CHECK (exchange_rate > 0),
    ADD COLUMN repriced raw_amount NOT NULL DEFAULT 0,
    ADD CONSTRAINT own_currency_as_it_is CHECK (currency IS NOT NULL OR exchange_rate = 1),
    DROP CONSTRAINT usage_manifests_batch_id_usage_date_key,
    ADD UNIQUE NULLS NOT DISTINCT (batch_id, usage_date, currency, exchange_rate),
    DROP CONSTRAINT raw_is_ledger_and_residual,
    ADD CONSTRAINT raw_is_ledger_and_residual
        CHECK ((new_raw + changed_raw - reversed_raw) * exchange_rate + repriced = cost + residual);

-- `is_read`: the row is usage that could be read, as its fields; else it is as its source has it.
ALTER TABLE usage_quarantine
    ADD COLUMN currency text CHECK (currency ~ '^[A-Z]{3}$'),
    ADD COLUMN is_read boolean NOT NULL DEFAULT false,
    ADD COLUMN booked_as text,
    ADD CONSTRAINT booked_when_replaced CHECK (booked_as IS NULL OR state = 'replaced');
UPDATE usage_quarantine SET is_read = true WHERE code IN ('changed', 'repeated', 'out_of_range', 'not_a_number');

-- What a model's tokens of one kind cost, in the ledger's currency.
CREATE TABLE rates (
    rate_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model text NOT NULL CHECK (length(model) BETWEEN 1 AND 255),
    token_kind text NOT NULL CHECK (length(token_kind) BETWEEN 1 AND 64),
    price raw_amount NOT NULL CHECK (price >= 0),
    per_tokens bigint NOT NULL CHECK (per_tokens IN (1, 1000, 1000000)),
    valid_from date NOT NULL DEFAULT '0001-01-01',
    valid_to date NOT NULL DEFAULT '9999-12-31',
    CHECK (valid_from < valid_to),
    CONSTRAINT one_rate EXCLUDE USING gist
        (model WITH =, token_kind WITH =, daterange(valid_from, valid_to) WITH &&)
);

-- What one unit of another currency is in the ledger's, for a calendar month.
CREATE TABLE exchange_rates (
    period_month date NOT NULL CHECK (extract(day FROM period_month) = 1),
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    rate raw_amount NOT NULL CHECK (rate > 0),
    imported_at timestamptz NOT NULL DEFAULT now(),
    imported_by text NOT NULL,
    PRIMARY KEY (period_month, currency)
);

-- A month's rate is frozen once an invoice that bills any of its days was issued; one that was missing may still come.
CREATE FUNCTION guard_exchange_rate() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    issued text;
BEGIN
    SELECT number INTO issued FROM invoices
    WHERE kind = 'invoice' AND content_hash IS NOT NULL AND status NOT IN ('draft', 'pending')
      AND period_start < OLD.period_month + interval '1 month' AND period_end > OLD.period_month
    ORDER BY invoice_id LIMIT 1;
    IF issued IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'CB409', MESSAGE = format(
            'the rate of %s for %s is frozen because invoice %s is issued; leave it as it is (%s)',
            OLD.currency, to_char(OLD.period_month, 'YYYY-MM'), issued, trim_scale(OLD.rate::numeric));
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER guard_exchange_rate BEFORE UPDATE OR DELETE ON exchange_rates
    FOR EACH ROW EXECUTE FUNCTION guard_exchange_rate();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON exchange_rates FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- How refused rows of one source and code are mended, when they are replayed and when they come again.
CREATE TABLE intake_fixes (
    fix_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_id bigint NOT NULL REFERENCES usage_sources,
    code text NOT NULL,
    field text NOT NULL CHECK (length(field) BETWEEN 1 AND 255),
    operation text NOT NULL CHECK (operation IN ('set', 'replace')),
    old_text text,
    new_text text NOT NULL,
    where_field text,
    where_value text,
    reason text NOT NULL CHECK (reason <> ''),
    made_by text NOT NULL,
    made_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    ended_by text,
    CHECK ((operation = 'replace') = (old_text IS NOT NULL)),
    CHECK ((where_field IS NULL) = (where_value IS NULL)),
    CHECK ((ended_at IS NULL) = (ended_by IS NULL))
);
CREATE INDEX ON intake_fixes (source_id) WHERE ended_at IS NULL;

-- What a source said last that one of its days comes to, in its own currency (NULL: the ledger's).
CREATE TABLE source_totals (
    total_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_id bigint NOT NULL REFERENCES usage_sources,
    usage_date date NOT NULL,
    currency text,
    row_count bigint NOT NULL,
    raw_cost raw_amount NOT NULL,
    told_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE NULLS NOT DISTINCT (source_id, usage_date, currency)
);

GRANT SELECT ON rates, exchange_rates, intake_fixes, source_totals TO chargeback_app;
GRANT INSERT, UPDATE ON exchange_rates, intake_fixes TO chargeback_app;
GRANT INSERT, UPDATE, DELETE ON rates, source_totals TO chargeback_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO chargeback_app;
REVOKE EXECUTE ON FUNCTION guard_exchange_rate() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION guard_exchange_rate() TO chargeback_app;
