-- What the API reads and writes beside the books: notes of usage, open batches, and the views its readers share.

-- What a sender said about usage that decides no money.
CREATE TABLE usage_notes (
    usage_id uuid PRIMARY KEY,
    resource_id text CHECK (length(resource_id) BETWEEN 1 AND 255),
    metadata jsonb
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON usage_notes FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON usage_notes FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
GRANT SELECT, INSERT ON usage_notes TO chargeback_app;

-- API posts go to the open batch of the hour, of which there is one.
CREATE UNIQUE INDEX one_open_batch ON usage_batches (source_id, delivery) WHERE sealed_at IS NULL;

-- The records of a batch, of a stretch of time and of a cell, and the cells of a team and of a user.
CREATE INDEX usage_by_batch ON usage_records USING brin (batch_id, usage_at) WITH (autosummarize = on, pages_per_range = 32);
-- By a hash of the names: three of them may be longer than an index entry.
CREATE INDEX usage_of_cell ON usage_records (usage_date, hashtextextended(
    coalesce(agent_id, '') || coalesce(user_id, '') || coalesce(team_id, ''), 0));
CREATE INDEX cells_of_team ON pool_cells (team_id);
CREATE INDEX cells_of_user ON pool_cells (user_id);

-- The views below are read by every role: a viewer finds in them what is its team's, everybody else all there is.
-- Pooled usage keeps the team it was pooled under; usage in no pool, which only dirty days have, is attributed as of now.
CREATE VIEW seen_cells AS
SELECT c.cell_id, h.pool_id, c.batch_id, c.source_id, c.usage_date, c.charge_date, h.team_id, c.team_id AS given_team_id,
       c.user_id, c.agent_id, c.account_id, c.owner_tag, c.resource_type, c.sku, c.unit,
       c.quantity, c.cost, c.record_count, c.reverses_cell_id, c.replaces_cell_id, c.reallocation_id
FROM pool_cells h JOIN usage_cells c USING (cell_id)
WHERE current_user <> 'chargeback_viewer' OR h.team_id = current_setting('app.team', true)
UNION ALL
SELECT a.cell_id, NULL, a.batch_id, a.source_id, a.usage_date, a.charge_date, a.team_id, c.team_id,
       a.user_id, a.agent_id, a.account_id, a.owner_tag, a.resource_type, a.sku, a.unit,
       a.quantity, a.cost, a.record_count, c.reverses_cell_id, c.replaces_cell_id, c.reallocation_id
FROM attributed_cells a JOIN usage_cells c USING (cell_id) JOIN usage_sources s ON s.source_id = a.source_id
-- As an array, it is worked out first: joined, the planner attributes the cells of clean days too.
WHERE a.usage_date = ANY (ARRAY(SELECT usage_date FROM allocation_days WHERE is_dirty)) AND s.role = 'allocate'
  AND NOT EXISTS (SELECT FROM pool_cells h WHERE h.cell_id = a.cell_id)
  AND (current_user <> 'chargeback_viewer' OR a.team_id = current_setting('app.team', true));

-- Records of batches still open, which are in no cell yet, with their team as of now.
CREATE VIEW seen_open_records AS
SELECT r.usage_id, r.revision, r.external_id, r.source_id, r.usage_at, r.usage_date,
       coalesce(r.team_id, by_account.team_id, by_tag.team_id, by_agent.team_id, by_user.team_id, home.team_id) AS team_id,
       r.user_id, r.agent_id, r.account_id, r.resource_type, r.sku, r.unit, r.quantity, r.cost, r.record_count
FROM usage_batches b JOIN usage_records r USING (batch_id)
JOIN usage_sources s ON s.source_id = r.source_id
LEFT JOIN ownerships by_account ON by_account.kind = 'account' AND by_account.key = r.account_id
    AND by_account.valid_from <= r.charge_date AND r.charge_date < by_account.valid_to
LEFT JOIN ownerships by_tag ON by_tag.kind = 'tag' AND by_tag.key = r.owner_tag
    AND by_tag.valid_from <= r.charge_date AND r.charge_date < by_tag.valid_to
LEFT JOIN ownerships by_agent ON by_agent.kind = 'agent' AND by_agent.key = r.agent_id
    AND by_agent.valid_from <= r.charge_date AND r.charge_date < by_agent.valid_to
LEFT JOIN ownerships by_user ON by_user.kind = 'user' AND by_user.key = r.user_id
    AND by_user.valid_from <= r.charge_date AND r.charge_date < by_user.valid_to
LEFT JOIN memberships home ON home.is_home AND home.user_id = r.user_id
    AND home.valid_from <= r.charge_date AND r.charge_date < home.valid_to
WHERE b.sealed_at IS NULL AND s.role = 'allocate'
  AND (current_user <> 'chargeback_viewer' OR current_setting('app.team', true)
       = coalesce(r.team_id, by_account.team_id, by_tag.team_id, by_agent.team_id, by_user.team_id, home.team_id));

-- Every record, through its cell; '' stands for none, because no name is empty. A batch may hold several cells of
-- the same facts: a next revision names its own, and reversals count in the first of those that take back.
CREATE VIEW seen_records AS
SELECT c.cell_id, c.pool_id, r.usage_id, r.revision, r.external_id, r.source_id, r.usage_at, r.usage_date, c.team_id,
       r.user_id, r.agent_id, r.account_id, r.resource_type, r.sku, r.unit, r.quantity, r.cost, r.record_count
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
    AND CASE WHEN c.reverses_cell_id IS NULL
             THEN r.record_count = 1 AND (r.cell_id = c.cell_id OR (r.cell_id IS NULL AND c.replaces_cell_id IS NULL))
             ELSE r.record_count = -1 AND NOT EXISTS (
                SELECT FROM usage_cells x WHERE x.batch_id = c.batch_id AND x.cell_id < c.cell_id
                  AND x.reverses_cell_id IS NOT NULL AND x.reallocation_id IS NULL
                  AND x.usage_date = c.usage_date AND x.charge_date = c.charge_date
                  AND x.resource_type = c.resource_type AND x.unit = c.unit
                  AND (x.team_id, x.user_id, x.agent_id, x.account_id, x.owner_tag, x.sku) IS NOT DISTINCT FROM
                      (c.given_team_id, c.user_id, c.agent_id, c.account_id, c.owner_tag, c.sku)) END
WHERE c.reallocation_id IS NULL
UNION ALL
SELECT NULL, NULL, usage_id, revision, external_id, source_id, usage_at, usage_date, team_id,
       user_id, agent_id, account_id, resource_type, sku, unit, quantity, cost, record_count
FROM seen_open_records;

-- What payers bear; what was billed, cancelled and replaced counts no more, nor what was passed on.
CREATE VIEW seen_allocations AS
SELECT a.allocation_id, a.pool_id, a.usage_date, a.team_id, a.user_id, a.cost, a.quantity, r.rule_id,
       p.resource_type, p.unit, p.split_digest IS NOT NULL AS is_divided
FROM allocations a JOIN cost_pools p USING (pool_id) JOIN allocation_rules r USING (rule_key)
WHERE p.retired_at IS NULL
  AND NOT EXISTS (SELECT FROM pool_allocations t WHERE t.allocation_id = a.allocation_id)
  AND (current_user <> 'chargeback_viewer' OR a.team_id = current_setting('app.team', true));

-- Where a later stage's pool has its cost from: shares of earlier pools.
CREATE VIEW seen_passed_on AS
SELECT t.pool_id, a.pool_id AS from_pool_id, a.user_id,
       r.rule_type NOT IN ('by_usage', 'by_user', 'unattributed') AS is_divided
FROM pool_allocations t JOIN allocations a USING (allocation_id) JOIN cost_pools p ON p.pool_id = a.pool_id
JOIN allocation_rules r USING (rule_key)
WHERE current_user <> 'chargeback_viewer' OR a.team_id = current_setting('app.team', true);

CREATE VIEW seen_notes AS
SELECT n.* FROM usage_notes n
WHERE current_user <> 'chargeback_viewer'
   OR EXISTS (SELECT FROM seen_records r WHERE r.usage_id = n.usage_id);

CREATE VIEW seen_teams AS
SELECT team_id FROM teams
WHERE current_user <> 'chargeback_viewer' OR team_id = current_setting('app.team', true);

-- A viewer's users: its members, and whoever used or bears anything of its team.
CREATE VIEW seen_users AS
SELECT u.user_id FROM users u
WHERE current_user <> 'chargeback_viewer'
   OR EXISTS (SELECT FROM memberships m WHERE m.user_id = u.user_id AND m.team_id = current_setting('app.team', true))
   OR EXISTS (SELECT FROM allocations a WHERE a.user_id = u.user_id AND a.team_id = current_setting('app.team', true))
   OR EXISTS (SELECT FROM pool_cells h WHERE h.user_id = u.user_id AND h.team_id = current_setting('app.team', true))
   OR EXISTS (SELECT FROM seen_open_records r WHERE r.user_id = u.user_id);

CREATE VIEW seen_sources AS SELECT source_id, name FROM usage_sources;

GRANT SELECT ON seen_sources, seen_passed_on, seen_cells, seen_open_records, seen_records, seen_allocations, seen_notes, seen_teams, seen_users
    TO chargeback_app, chargeback_viewer;
