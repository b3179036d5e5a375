
-- The report site: whose a published file is, and how shared cost was split, for whoever may read it.

-- The team whose viewers may read the file; NULL: it is nobody's alone. Style and scripts of pages are everybody's.
ALTER TABLE documents ADD COLUMN team_id text;
DROP POLICY viewer_sees_own ON documents;
CREATE POLICY viewer_sees_own ON documents FOR SELECT TO chargeback_viewer USING (
    kind = 'asset' OR team_id = current_setting('app.team', true)
    OR (kind = 'invoice' AND EXISTS (SELECT FROM invoices i WHERE i.number = documents.subject)));

-- Per line and rule version that divided cost: what was divided, this line's part of it, and by what weights.
-- A payer may know the whole of what it bears a part of, and nothing else of what others bear.
CREATE VIEW seen_splits AS
SELECT l.invoice_id, l.position, r.rule_id, r.version, r.name, r.rule_type, p.kind, p.pool_id, p.cost AS shared,
       a.cost, a.weight, w.weights, w.payers
FROM invoice_lines l JOIN line_allocations k USING (line_id) JOIN allocations a USING (allocation_id)
JOIN cost_pools p USING (pool_id) JOIN allocation_rules r USING (rule_key)
CROSS JOIN LATERAL (SELECT sum(o.weight) AS weights, count(*) FILTER (WHERE o.weight <> 0 OR o.weight IS NULL) AS payers
                    FROM allocations o WHERE o.pool_id = a.pool_id) w
WHERE p.split_digest IS NOT NULL
  AND (current_user <> 'chargeback_viewer' OR l.team_id = current_setting('app.team', true));
GRANT SELECT ON seen_splits TO chargeback_app, chargeback_viewer;
