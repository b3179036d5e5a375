"""Invariants 3, 4 and 5: all cost is pooled once and borne exactly; what is passed on is pooled again, once.

Sources that are not allocated (reconcile_only, weights) have no pools. Retired pools hold their cells in
`retired_pool_cells` and `retired_pool_allocations` and are looked at alone: what they held is in living
pools again.
"""

# ruff: noqa: S608 - queries are made of constants only

from chargeback.ledger.invariants.invariant import Invariant, around_days, in_days, shown

_BORNE_EXACTLY = f"""
    SELECT format('pool %s of %s (%s) is %s for %s records: what it took is %s for %s, its allocations %s; '
                  'in quantity %s, %s, %s', pool_id, p.usage_date, p.resource_type, {shown("p.cost")}, p.record_count,
                  {shown("c.cost")}, coalesce(c.record_count, 0), {shown("a.cost")},
                  {shown("p.quantity")}, {shown("c.quantity")}, {shown("a.quantity")}) AS sentence
    FROM cost_pools p
    LEFT JOIN (SELECT h.pool_id, sum(cost) AS cost, sum(quantity) AS quantity, sum(record_count) AS record_count
               FROM (SELECT pool_id, cell_id FROM pool_cells
                     UNION ALL SELECT pool_id, cell_id FROM retired_pool_cells) h
               JOIN usage_cells USING (cell_id) GROUP BY h.pool_id
               UNION ALL
               SELECT t.pool_id, sum(cost), sum(quantity), 0
               FROM (SELECT pool_id, allocation_id FROM pool_allocations
                     UNION ALL SELECT pool_id, allocation_id FROM retired_pool_allocations) t
               JOIN allocations USING (allocation_id) GROUP BY t.pool_id) c USING (pool_id)
    LEFT JOIN (SELECT pool_id, sum(cost) AS cost, sum(quantity) AS quantity
               FROM allocations GROUP BY pool_id) a USING (pool_id)
    WHERE {in_days("p.usage_date")}
      AND (p.cost <> coalesce(c.cost, 0) OR p.cost <> coalesce(a.cost, 0)
        OR p.quantity <> coalesce(c.quantity, 0) OR p.quantity <> coalesce(a.quantity, 0)
        OR p.record_count <> coalesce(c.record_count, 0))
"""

_POOL_OF_ALLOCATION = f"""
    SELECT format('allocation %s of %s (%s) is %s', allocation_id, a.usage_date, {shown("a.cost")},
                  CASE WHEN p.pool_id IS NULL THEN format('of pool %s, which does not exist', a.pool_id)
                       ELSE format('of pool %s, which is of %s', a.pool_id, p.usage_date) END) AS sentence
    FROM allocations a LEFT JOIN cost_pools p USING (pool_id)
    WHERE ({in_days("a.usage_date")} OR {in_days("p.usage_date")})
      AND (p.pool_id IS NULL OR p.usage_date <> a.usage_date)
"""

_CELL_TWICE = f"""
    SELECT format('cell %s (%s) is in %s pools: %s', cell_id, {shown("max(c.cost)")}, count(*),
                  string_agg(h.pool_id::text, ', ' ORDER BY h.pool_id)) AS sentence
    FROM pool_cells h LEFT JOIN usage_cells c USING (cell_id)
    WHERE c.cell_id IS NULL OR {in_days("c.usage_date")}
    GROUP BY cell_id HAVING count(*) > 1
"""

# There are no foreign keys on these two tables; this is what they would say, and more.
_POOL_OF_CELL = f"""
    SELECT format('cell %s (%s) is in pool %s, %s', cell_id, {shown("c.cost")}, h.pool_id,
        CASE WHEN p.pool_id IS NULL THEN 'which does not exist'
             WHEN c.cell_id IS NULL THEN 'but does not exist'
             WHEN s.role IS DISTINCT FROM 'allocate' THEN 'but its source is not allocated'
             WHEN (p.retired_at IS NOT NULL) <> h.is_retired THEN 'and is kept as if that was '
                  || CASE WHEN h.is_retired THEN 'retired' ELSE 'living' END
             ELSE 'which is of another day, source, resource type or unit' END) AS sentence
    FROM (SELECT cell_id, pool_id, false AS is_retired FROM pool_cells
          UNION ALL SELECT cell_id, pool_id, true FROM retired_pool_cells) h
    LEFT JOIN cost_pools p USING (pool_id)
    LEFT JOIN usage_cells c USING (cell_id)
    LEFT JOIN usage_sources s ON s.source_id = c.source_id
    WHERE (p.pool_id IS NULL OR c.cell_id IS NULL OR {in_days("p.usage_date")} OR {in_days("c.usage_date")})
      AND (p.pool_id IS NULL OR c.cell_id IS NULL OR s.role IS DISTINCT FROM 'allocate'
        OR (p.retired_at IS NOT NULL) <> h.is_retired
        OR (p.usage_date, p.source_id, p.resource_type, p.unit)
           <> (c.usage_date, c.source_id, c.resource_type, c.unit))
"""

# A pool that passes on takes of earlier stages, of its own day, source and kind, what its rule's team was given;
# it takes no cells, and what it took is on no document (6). Nor are there foreign keys here.
_PASSED_ON = f"""
    SELECT format('allocation %s (%s) is passed on by pool %s, %s', allocation_id, {shown("a.cost")}, t.pool_id,
        CASE WHEN p.pool_id IS NULL THEN 'which does not exist'
             WHEN a.allocation_id IS NULL THEN 'but does not exist'
             WHEN (p.retired_at IS NOT NULL) <> t.is_retired THEN 'and is kept as if that was '
                  || CASE WHEN t.is_retired THEN 'retired' ELSE 'living' END
             WHEN e.retired_at IS NOT NULL AND NOT t.is_retired THEN 'but its own pool is retired'
             WHEN taker.stage <= giver.stage THEN 'whose rule is of no later stage'
             WHEN a.team_id IS DISTINCT FROM taker.team_id THEN 'whose rule is another team''s'
             ELSE 'which is of another day, source, resource type or unit' END) AS sentence
    FROM (SELECT allocation_id, pool_id, false AS is_retired FROM pool_allocations
          UNION ALL SELECT allocation_id, pool_id, true FROM retired_pool_allocations) t
    LEFT JOIN allocations a USING (allocation_id)
    LEFT JOIN cost_pools e ON e.pool_id = a.pool_id
    LEFT JOIN allocation_rules giver ON giver.rule_key = e.rule_key
    LEFT JOIN cost_pools p ON p.pool_id = t.pool_id
    LEFT JOIN allocation_rules taker ON taker.rule_key = p.rule_key
    WHERE (p.pool_id IS NULL OR a.allocation_id IS NULL OR {in_days("p.usage_date")} OR {in_days("a.usage_date")})
      AND (p.pool_id IS NULL OR a.allocation_id IS NULL OR (p.retired_at IS NOT NULL) <> t.is_retired
        OR (e.retired_at IS NOT NULL AND NOT t.is_retired)
        OR taker.stage <= giver.stage OR a.team_id IS DISTINCT FROM taker.team_id
        OR (p.usage_date, p.source_id, p.resource_type, p.unit)
           IS DISTINCT FROM (e.usage_date, e.source_id, e.resource_type, e.unit))
"""

_PASSED_TWICE = f"""
    SELECT format('allocation %s (%s) is passed on by %s pools: %s', allocation_id, {shown("max(a.cost)")}, count(*),
                  string_agg(t.pool_id::text, ', ' ORDER BY t.pool_id)) AS sentence
    FROM pool_allocations t LEFT JOIN allocations a USING (allocation_id)
    WHERE a.allocation_id IS NULL OR {in_days("a.usage_date")}
    GROUP BY allocation_id HAVING count(*) > 1
"""

# A rule takes cells in the first stage and allocations in the others.
_TAKES_OTHERS = f"""
    SELECT format('pool %s of %s (%s) is of stage %s and holds %s', pool_id, p.usage_date, {shown("p.cost")}, r.stage,
                  CASE r.stage WHEN 1 THEN 'allocations' ELSE 'cells' END) AS sentence
    FROM cost_pools p JOIN allocation_rules r USING (rule_key)
    WHERE {in_days("p.usage_date")} AND CASE r.stage
        WHEN 1 THEN EXISTS (SELECT FROM pool_allocations t WHERE t.pool_id = p.pool_id)
        ELSE EXISTS (SELECT FROM pool_cells h WHERE h.pool_id = p.pool_id) END
"""

_DAY = f"""
    SELECT format('%s has usage of %s, but allocations of %s, %s in no pool and %s in open batches',
                  usage_date, {shown("sum(used)")}, {shown("sum(borne)")}, {shown("sum(loose)")},
                  {shown("sum(open)")}) AS sentence
    FROM (SELECT r.usage_date, sum(r.cost) AS used, 0 AS borne, 0 AS loose,
              sum(r.cost) FILTER (WHERE r.batch_id IN
                  (SELECT batch_id FROM usage_batches WHERE sealed_at IS NULL)) AS open
          FROM usage_records r JOIN usage_sources s USING (source_id)
          WHERE s.role = 'allocate' AND {in_days("r.usage_date")} AND {around_days("r.usage_at")} GROUP BY r.usage_date
          UNION ALL
          SELECT g.usage_date, g.cost, 0, 0, 0 FROM archived_usage g JOIN usage_sources s USING (source_id)
          WHERE s.role = 'allocate' AND {in_days("g.usage_date")}
          UNION ALL
          SELECT a.usage_date, 0, a.cost, 0, 0 FROM allocations a LEFT JOIN cost_pools p USING (pool_id)
          WHERE p.retired_at IS NULL AND {in_days("a.usage_date")}
            AND NOT EXISTS (SELECT FROM pool_allocations t WHERE t.allocation_id = a.allocation_id)
          UNION ALL
          SELECT c.usage_date, 0, 0, c.cost, 0 FROM usage_cells c JOIN usage_sources s USING (source_id)
          WHERE s.role = 'allocate' AND {in_days("c.usage_date")}
            AND NOT EXISTS (SELECT FROM pool_cells h WHERE h.cell_id = c.cell_id)) counted
    GROUP BY usage_date
    HAVING coalesce(sum(used), 0) <> sum(borne) + sum(loose) + coalesce(sum(open), 0)
"""

_LEFT_OUT = f"""
    SELECT format('%s cells of %s (%s) are in no pool, and the day is %s', count(*), c.usage_date,
                  {shown("sum(c.cost)")}, CASE WHEN d.usage_date IS NULL THEN 'not known to allocation'
                                               ELSE 'counted as allocated' END) AS sentence
    FROM usage_cells c JOIN usage_sources s USING (source_id)
    LEFT JOIN allocation_days d ON d.usage_date = c.usage_date
    WHERE s.role = 'allocate' AND {in_days("c.usage_date")} AND d.is_dirty IS NOT TRUE
      AND NOT EXISTS (SELECT FROM pool_cells h WHERE h.cell_id = c.cell_id)
    GROUP BY c.usage_date, d.usage_date
"""

# What takes a cell back is of the same facts and never more than the cell; a reallocation changes nobody's usage.
_FACTS = "source_id usage_date charge_date team_id user_id agent_id account_id owner_tag resource_type sku unit"


def _facts_of(cell: str) -> str:
    return ", ".join(f"{cell}.{fact}" for fact in _FACTS.split())


_TAKEN_BACK = f"""
    SELECT format('cell %s of %s (%s) is taken back by %s in %s cells: %s', o.cell_id, o.usage_date, {shown("o.cost")},
                  {shown("t.cost")}, t.cells, CASE WHEN NOT t.is_alike THEN 'of other facts'
                      ELSE format('%s records for %s are left', o.record_count + t.records,
                                  {shown("o.cost + t.cost")}) END) AS sentence
    FROM (SELECT c.reverses_cell_id, count(*) AS cells, sum(c.cost) AS cost, sum(c.quantity) AS quantity,
              sum(c.record_count) AS records,
              bool_and(ROW({_facts_of("c")}) IS NOT DISTINCT FROM ROW({_facts_of("o")})
                  AND c.cell_id > o.cell_id AND o.reverses_cell_id IS NULL) AS is_alike
          FROM usage_cells c JOIN usage_cells o ON o.cell_id = c.reverses_cell_id
          WHERE {in_days("c.usage_date")} GROUP BY c.reverses_cell_id) t
    JOIN usage_cells o ON o.cell_id = t.reverses_cell_id
    WHERE NOT t.is_alike OR o.record_count + t.records < 0
       OR (o.record_count + t.records = 0 AND (o.cost + t.cost, o.quantity + t.quantity) <> (0, 0))
"""

_REALLOCATED = f"""
    SELECT format('reallocation %s moves cell %s in %s cells: what it takes back and what stands in for it differ '
                  'by %s', reallocation_id, moved, count(*), {shown("sum(cost)")}) AS sentence
    FROM (SELECT *, coalesce(reverses_cell_id, replaces_cell_id) AS moved FROM usage_cells
          WHERE reallocation_id IS NOT NULL AND {in_days("usage_date")}) c
    GROUP BY reallocation_id, moved
    HAVING count(*) <> 2 OR sum(cost) <> 0 OR sum(quantity) <> 0 OR sum(record_count) <> 0
"""

_LOST_ORIGINAL = f"""
    SELECT format('cell %s of %s (%s) corrects cell %s, which does not exist', c.cell_id, c.usage_date,
                  {shown("c.cost")}, coalesce(c.reverses_cell_id, c.replaces_cell_id)) AS sentence
    FROM usage_cells c LEFT JOIN usage_cells o ON o.cell_id = coalesce(c.reverses_cell_id, c.replaces_cell_id)
    WHERE (c.reverses_cell_id IS NOT NULL OR c.replaces_cell_id IS NOT NULL) AND o.cell_id IS NULL
      AND {in_days("c.usage_date")}
"""

_OF_ANOTHER_POOL = f"""
    SELECT format('cell %s (%s) is in pool %s, which takes back pool %s, but what it takes back is in %s', c.cell_id,
                  {shown("c.cost")}, p.pool_id, p.of_pool_id, coalesce('pool ' || o.pool_id, 'no pool')) AS sentence
    FROM cost_pools p JOIN pool_cells h USING (pool_id) JOIN usage_cells c ON c.cell_id = h.cell_id
    LEFT JOIN pool_cells o ON o.cell_id = c.reverses_cell_id
    WHERE p.kind = 'reversal' AND {in_days("p.usage_date")} AND o.pool_id IS DISTINCT FROM p.of_pool_id
"""

# Whatever a pool was divided by: when nothing is left of it, nobody bears anything of it.
_FIRST = "CASE p.kind WHEN 'reversal' THEN p.of_pool_id ELSE p.pool_id END"
_LEFT_OVER = f"""
    SELECT format('pool %s of %s is taken back whole, but team %s, user %s still bears %s', pool_id, usage_date,
                  coalesce(team_id, 'none'), coalesce(user_id, 'none'), {shown("cost")}) AS sentence
    FROM (SELECT {_FIRST} AS pool_id, a.usage_date, a.team_id, a.user_id, sum(a.cost) AS cost,
              sum(sum(a.cost)) OVER whole AS left_cost, sum(sum(a.quantity)) OVER whole AS left_quantity
          FROM cost_pools p JOIN allocations a USING (pool_id)
          WHERE p.retired_at IS NULL AND p.split_digest IS NOT NULL AND {in_days("p.usage_date")}
            AND (p.kind = 'reversal'
              OR p.pool_id IN (SELECT of_pool_id FROM cost_pools WHERE kind = 'reversal' AND retired_at IS NULL))
          GROUP BY 1, a.usage_date, a.team_id, a.user_id
          WINDOW whole AS (PARTITION BY {_FIRST})) borne
    WHERE left_cost = 0 AND left_quantity = 0 AND cost <> 0
"""

POOLS_BORNE = Invariant(
    3,
    "each pool's allocations, and what it took, add up to it in cost and quantity",
    (_BORNE_EXACTLY, _POOL_OF_ALLOCATION, _PASSED_ON, _TAKES_OTHERS, _LEFT_OVER),
)
CELLS_POOLED_ONCE = Invariant(
    4,
    "each cell, and each allocation passed on, is in at most one pool, and taken back at most whole",
    (
        _CELL_TWICE,
        _POOL_OF_CELL,
        _PASSED_TWICE,
        _TAKEN_BACK,
        _REALLOCATED,
        _LOST_ORIGINAL,
        _OF_ANOTHER_POOL,
    ),
)
DAYS_BORNE = Invariant(
    5, "each day's usage is allocated, or still waiting to be", (_DAY, _LEFT_OUT)
)
