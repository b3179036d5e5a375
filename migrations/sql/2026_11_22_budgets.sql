-- What a team means to spend in a month, and what was told of it.

CREATE TABLE budgets (
    budget_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    team_id text NOT NULL REFERENCES teams,
    amount amount NOT NULL CHECK (amount > 0),
    -- In percent of the amount; {}: those of the settings.
    thresholds integer[] NOT NULL DEFAULT '{}' CHECK (1 <= ALL (thresholds) AND 1000 >= ALL (thresholds)),
    valid_from date NOT NULL DEFAULT '0001-01-01' CHECK (extract(day FROM valid_from) = 1),
    valid_to date NOT NULL DEFAULT '9999-12-31' CHECK (valid_to = '9999-12-31' OR extract(day FROM valid_to) = 1),
    CHECK (valid_from < valid_to),
    CONSTRAINT one_budget EXCLUDE USING gist (team_id WITH =, daterange(valid_from, valid_to) WITH &&)
);

-- A threshold that a team's month passed: once, however often anybody looks. It waits until Prefect heard of it.
CREATE TABLE budget_alerts (
    alert_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    team_id text NOT NULL REFERENCES teams,
    month date NOT NULL CHECK (extract(day FROM month) = 1),
    threshold integer NOT NULL CHECK (threshold BETWEEN 1 AND 1000),
    amount amount NOT NULL CHECK (amount > 0),
    spent amount NOT NULL,
    event_id uuid NOT NULL UNIQUE,
    attempts integer NOT NULL DEFAULT 0,
    noticed_at timestamptz NOT NULL DEFAULT now(),
    told_at timestamptz,
    CONSTRAINT each_threshold_once UNIQUE (team_id, month, threshold)
);
CREATE INDEX alerts_waiting ON budget_alerts (alert_id) WHERE told_at IS NULL;

-- What was noticed stays so; an alert is told once.
CREATE TRIGGER told_once BEFORE UPDATE ON budget_alerts
    FOR EACH ROW WHEN (OLD.told_at IS NOT NULL
        OR to_jsonb(NEW) - '{told_at,attempts}'::text[] <> to_jsonb(OLD) - '{told_at,attempts}'::text[])
    EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_deleted BEFORE DELETE ON budget_alerts FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON budget_alerts FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

GRANT SELECT, INSERT, DELETE ON budgets TO chargeback_app;
GRANT SELECT, INSERT, UPDATE (told_at, attempts) ON budget_alerts TO chargeback_app;
GRANT USAGE ON SEQUENCE budgets_budget_id_seq, budget_alerts_alert_id_seq TO chargeback_app;
GRANT SELECT ON budgets, budget_alerts TO chargeback_viewer;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['budgets', 'budget_alerts'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY owner_sees_all ON %I TO chargeback_owner USING (true)', name);
        EXECUTE format('CREATE POLICY app_sees_all ON %I TO chargeback_app USING (true)', name);
        EXECUTE format('CREATE POLICY viewer_sees_own ON %I FOR SELECT TO chargeback_viewer
            USING (team_id = current_setting(''app.team'', true))', name);
    END LOOP;
END $$;
