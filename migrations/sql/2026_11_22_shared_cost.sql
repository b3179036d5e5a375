-- Shared cost: rules that divide by a driver, and rules of later stages that pass on what earlier ones gave a team.

ALTER TABLE allocation_rules
    DROP CONSTRAINT allocation_rules_rule_type_check,
    ADD CONSTRAINT allocation_rules_rule_type_check CHECK (rule_type IN
        ('by_usage', 'by_team', 'by_user', 'fixed_split', 'equal_split', 'proportional', 'unattributed')),
    -- A rule of stage 1 takes cells, one of a later stage takes what the stages before it gave to its team.
    ADD COLUMN stage integer NOT NULL DEFAULT 1 CHECK (stage BETWEEN 1 AND 9),
    -- What a proportional rule divides by: {} for direct cost, else source, resource_type and unit of a quantity.
    ADD COLUMN driver jsonb,
    ADD CONSTRAINT proportional_has_a_driver CHECK ((rule_type = 'proportional') = (driver IS NOT NULL)),
    ADD CONSTRAINT only_splits_pass_on CHECK (stage = 1
        OR (team_id IS NOT NULL AND rule_type IN ('fixed_split', 'equal_split', 'proportional')));

-- Why a pool was not divided as its rule says; NULL where it was.
ALTER TABLE cost_pools ADD COLUMN remark text;

-- An allocation that a later stage's pool took: its payer does not bear it, so it is on no document.
CREATE TABLE pool_allocations (
    allocation_id bigint PRIMARY KEY,
    pool_id bigint NOT NULL
);
CREATE INDEX ON pool_allocations (pool_id);

CREATE TABLE retired_pool_allocations (
    pool_id bigint NOT NULL,
    allocation_id bigint NOT NULL,
    PRIMARY KEY (pool_id, allocation_id)
);
CREATE INDEX ON retired_pool_allocations (allocation_id);

-- What a team's viewer sees that the team bears: not what was retired, nor what was passed on.
CREATE OR REPLACE VIEW viewer_allocations WITH (security_barrier = true) AS
SELECT a.allocation_id, a.usage_date, a.team_id, a.user_id, r.rule_id, r.version AS rule_version,
       p.resource_type, p.unit, a.cost, a.quantity
FROM allocations a JOIN cost_pools p USING (pool_id) JOIN allocation_rules r USING (rule_key)
WHERE a.team_id = current_setting('app.team', true) AND p.retired_at IS NULL
  AND NOT EXISTS (SELECT FROM pool_allocations t WHERE t.allocation_id = a.allocation_id);

GRANT SELECT, INSERT, DELETE ON pool_allocations, retired_pool_allocations TO chargeback_app;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['pool_allocations', 'retired_pool_allocations'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY owner_sees_all ON %I TO chargeback_owner USING (true)', name);
        EXECUTE format('CREATE POLICY app_sees_all ON %I TO chargeback_app USING (true)', name);
    END LOOP;
END $$;
