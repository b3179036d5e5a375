-- What explains a line: the way from a claim to usage records and back. Like the other views seen_*, these are read
-- by every role: a viewer finds in them what is its team's, everybody else all there is.

-- A batch may hold several cells of the same facts: of other currencies or rates, of next revisions, of reversals.
-- With these two a record lies in exactly one of them, so that a share of it is told of the pool that took it.
CREATE OR REPLACE VIEW seen_cells AS
SELECT c.cell_id, h.pool_id, c.batch_id, c.source_id, c.usage_date, c.charge_date, h.team_id, c.team_id AS given_team_id,
       c.user_id, c.agent_id, c.account_id, c.owner_tag, c.resource_type, c.sku, c.unit,
       c.quantity, c.cost, c.record_count, c.reverses_cell_id, c.replaces_cell_id, c.reallocation_id,
       c.currency, c.exchange_rate
FROM pool_cells h JOIN usage_cells c USING (cell_id)
WHERE current_user <> 'chargeback_viewer' OR h.team_id = current_setting('app.team', true)
UNION ALL
SELECT a.cell_id, NULL, a.batch_id, a.source_id, a.usage_date, a.charge_date, a.team_id, c.team_id,
       a.user_id, a.agent_id, a.account_id, a.owner_tag, a.resource_type, a.sku, a.unit,
       a.quantity, a.cost, a.record_count, c.reverses_cell_id, c.replaces_cell_id, c.reallocation_id,
       c.currency, c.exchange_rate
FROM attributed_cells a JOIN usage_cells c USING (cell_id) JOIN usage_sources s ON s.source_id = a.source_id
-- As an array, it is worked out first: joined, the planner attributes the cells of clean days too.
WHERE a.usage_date = ANY (ARRAY(SELECT usage_date FROM allocation_days WHERE is_dirty)) AND s.role = 'allocate'
  AND NOT EXISTS (SELECT FROM pool_cells h WHERE h.cell_id = a.cell_id)
  AND (current_user <> 'chargeback_viewer' OR a.team_id = current_setting('app.team', true));

-- '' stands for none, because no name is empty.
CREATE OR REPLACE VIEW seen_records AS
SELECT c.cell_id, c.pool_id, r.usage_id, r.revision, r.external_id, r.source_id, r.usage_at, r.usage_date, c.team_id,
       r.user_id, r.agent_id, r.account_id, r.resource_type, r.sku, r.unit, r.quantity, r.cost, r.record_count, r.batch_id
FROM seen_cells c JOIN usage_records r ON r.batch_id = c.batch_id
    AND r.usage_date = c.usage_date AND r.charge_date = c.charge_date
    AND hashtextextended(
        coalesce(r.agent_id, '') || coalesce(r.user_id, '') || coalesce(r.team_id, ''), 0)
      = hashtextextended(
        coalesce(c.agent_id, '') || coalesce(c.user_id, '') || coalesce(c.given_team_id, ''), 0)
    AND coalesce(r.agent_id, '') = coalesce(c.agent_id, '') AND coalesce(r.user_id, '') = coalesce(c.user_id, '')
    AND coalesce(r.team_id, '') = coalesce(c.given_team_id, '') AND coalesce(r.account_id, '') = coalesce(c.account_id, '')
    AND coalesce(r.owner_tag, '') = coalesce(c.owner_tag, '') AND coalesce(r.sku, '') = coalesce(c.sku, '')
    AND r.resource_type = c.resource_type AND r.unit = c.unit
    AND coalesce(r.original_currency, '') = coalesce(c.currency, '') AND coalesce(r.exchange_rate, 1) = c.exchange_rate
    AND CASE WHEN c.reverses_cell_id IS NULL
             THEN r.record_count = 1 AND (r.cell_id = c.cell_id OR (r.cell_id IS NULL AND c.replaces_cell_id IS NULL))
             ELSE r.record_count = -1 AND EXISTS (  -- It takes back what lies in the cell that its own takes back.
                WITH RECURSIVE origin AS (
                    SELECT o.cell_id, o.batch_id, o.replaces_cell_id, o.reallocation_id
                    FROM usage_cells o WHERE o.cell_id = c.reverses_cell_id
                    UNION ALL
                    SELECT o.cell_id, o.batch_id, o.replaces_cell_id, o.reallocation_id
                    FROM origin n JOIN usage_cells o ON o.cell_id = n.replaces_cell_id
                    WHERE n.reallocation_id IS NOT NULL)
                SELECT FROM origin o JOIN usage_records p
                  ON p.usage_id = r.usage_id AND p.revision = r.revision - 1 AND p.usage_at = r.usage_at
                WHERE o.reallocation_id IS NULL
                  AND (p.cell_id = o.cell_id
                    OR (p.cell_id IS NULL AND o.replaces_cell_id IS NULL AND p.batch_id = o.batch_id))) END
WHERE c.reallocation_id IS NULL
UNION ALL
SELECT NULL, NULL, usage_id, revision, external_id, source_id, usage_at, usage_date, team_id,
       user_id, agent_id, account_id, resource_type, sku, unit, quantity, cost, record_count, NULL
FROM seen_open_records;

-- Every share that ever was booked, retired ones too, with the pool and the rule version that made it. What a
-- divided pool costs whole, and why it was not divided as its rule says, is not a viewer's to know.
CREATE VIEW seen_shares AS
SELECT a.allocation_id, a.pool_id, a.usage_date, a.team_id, a.user_id, a.cost, a.quantity, a.weight, a.is_written_off,
       p.kind, p.of_pool_id, p.reallocation_id, p.resource_type, p.unit, p.retired_at IS NOT NULL AS is_retired,
       p.split_digest IS NOT NULL AS is_divided, s.name AS source,
       r.rule_id, r.version AS rule_version, r.name AS rule_name, r.rule_type, r.stage,
       CASE WHEN current_user <> 'chargeback_viewer' THEN p.cost END AS pool_cost,
       CASE WHEN current_user <> 'chargeback_viewer' THEN p.remark END AS remark
FROM allocations a JOIN cost_pools p USING (pool_id) JOIN allocation_rules r USING (rule_key)
JOIN usage_sources s ON s.source_id = p.source_id
WHERE current_user <> 'chargeback_viewer' OR a.team_id = current_setting('app.team', true);

-- By what pools were divided: weights in the order in which odd units are given, and what all of them come to.
-- A viewer finds its own team's; the others are to it what is left of the whole.
CREATE VIEW seen_weights AS
SELECT pool_id, allocation_id, team_id, weight, whole, place
FROM (SELECT a.pool_id, a.allocation_id, a.team_id, coalesce(a.weight, 1) AS weight,
             sum(coalesce(a.weight, 1)) OVER (PARTITION BY a.pool_id) AS whole,
             row_number() OVER (PARTITION BY a.pool_id
                 ORDER BY a.team_id COLLATE "C" NULLS FIRST, a.user_id COLLATE "C" NULLS FIRST) AS place
      FROM allocations a) weighed
WHERE current_user <> 'chargeback_viewer' OR team_id = current_setting('app.team', true);

-- Which share a later stage's pool took, now or while it was billed.
CREATE VIEW seen_taken AS
SELECT t.pool_id, t.allocation_id, a.pool_id AS from_pool_id, t.is_now
FROM (SELECT pool_id, allocation_id, true AS is_now FROM pool_allocations
      UNION ALL SELECT pool_id, allocation_id, false FROM retired_pool_allocations) t JOIN allocations a USING (allocation_id)
WHERE current_user <> 'chargeback_viewer' OR a.team_id = current_setting('app.team', true);

GRANT SELECT ON seen_shares, seen_weights, seen_taken TO chargeback_app, chargeback_viewer;

-- The cells that may hold a record, whoever asks: whether they may see it is said by the views.
CREATE FUNCTION cells_of_usage(uuid[]) RETURNS SETOF bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT c.cell_id FROM usage_records r JOIN usage_cells c ON c.batch_id = r.batch_id
        AND c.usage_date = r.usage_date AND c.resource_type = r.resource_type AND c.unit = r.unit
        AND coalesce(c.agent_id, '') = coalesce(r.agent_id, '') AND coalesce(c.user_id, '') = coalesce(r.user_id, '')
        AND coalesce(c.team_id, '') = coalesce(r.team_id, '')
    WHERE r.usage_id = ANY ($1)
$$;
REVOKE EXECUTE ON FUNCTION cells_of_usage(uuid[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION cells_of_usage(uuid[]) TO chargeback_app, chargeback_viewer;
