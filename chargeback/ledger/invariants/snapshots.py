"""What of invariants 1, 2 and 14 is about snapshots: records lie in their scope, what waits is kept whole."""

# ruff: noqa: S608 - queries are made of constants only

from chargeback.ledger.invariants.invariant import around_days, in_days, in_days_or_undated, shown

# A scope is compared by what its records say, so a record of another scope would be taken back with it.
OUT_OF_SCOPE = f"""
    SELECT format('usage %s of source %s is held of scope %s, which %s', r.external_id, s.name, r.scope_id,
                  CASE WHEN c.scope_id IS NULL THEN 'does not exist'
                       WHEN c.source_id <> r.source_id THEN 'is of another source'
                       ELSE format('is of %s to %s and not of %s', c.period_start, c.period_end, r.usage_date) END)
        AS sentence
    FROM usage_records r JOIN usage_sources s ON s.source_id = r.source_id
    LEFT JOIN usage_scopes c ON c.scope_id = r.scope_id
    WHERE r.scope_id IS NOT NULL AND {in_days("r.usage_date")} AND {around_days("r.usage_at")}
      AND (c.scope_id IS NULL OR c.source_id <> r.source_id
        OR r.usage_date < c.period_start OR r.usage_date >= c.period_end)
"""

# What waits may still be accepted, so it must be there to the last row; what is decided needs no rows any more.
KEPT_WHOLE = f"""
    SELECT format('snapshot %s of source %s is %s with %s rows for %s, but %s rows for %s are kept of it',
                  n.snapshot_id, s.name, n.state, n.row_count, {shown("n.cost")}, coalesce(w.rows, 0),
                  {shown("w.cost")}) AS sentence
    FROM usage_snapshots n JOIN usage_scopes c USING (scope_id) JOIN usage_sources s USING (source_id)
    LEFT JOIN (SELECT snapshot_id, count(*) AS rows, sum(cost) AS cost FROM waiting_usage
               GROUP BY snapshot_id) w USING (snapshot_id)
    WHERE (c.period_start IS NULL OR (c.period_start < CAST(:end AS date) AND c.period_end > CAST(:start AS date)))
      AND CASE n.state WHEN 'waiting' THEN (coalesce(w.rows, 0), coalesce(w.cost, 0)) <> (n.row_count, n.cost)
                       ELSE w.rows IS NOT NULL END
"""

# A refused row is settled with its snapshot: nothing is counted of one that was replaced, so a later delivery of the
# scope must be there instead. One that was waived by itself may wait with the rest.
SETTLED_TOGETHER = f"""
    SELECT format('refused row %s of snapshot %s of source %s (%s) is %s, but its snapshot is %s', q.position,
                  n.snapshot_id, s.name, {shown("q.raw_cost")}, q.state, n.state) AS sentence
    FROM usage_quarantine q JOIN usage_snapshots n USING (snapshot_id) JOIN usage_sources s USING (source_id)
    WHERE {in_days_or_undated("q.usage_date")}
      AND ((q.state = 'open') <> (n.state = 'waiting') AND NOT (q.state = 'waived' AND n.state = 'waiting')
        OR (q.state = 'replaced') AND n.state <> 'replaced')
"""
