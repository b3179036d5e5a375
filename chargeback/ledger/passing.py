"""Later stages: which allocations a rule passes on, and the pools that take them.

A rule of stage 2 or more takes, of each day, what the stages before it gave to its team, with or without a
user, and nobody was billed for. What is passed on is no longer borne by that team: `pool_allocations` says so.
Works on `frozen`, which `classification` fills, and leaves `new_pools`, as `pools` does for cells.
"""

from collections.abc import Iterator, Sequence
from datetime import date

from sqlalchemy import Connection, text

from chargeback import rules
from chargeback.ledger.pools import drop_claims, make_pools, take_back
from chargeback.ledger.rulebook import KeptRule
from chargeback.ledger.staging import stage as stage_rows

_STAGE_RULES = "usage_date date, rank integer, rule_key bigint, rule_type text, team_id text, resource_types text[]"

# What a document beyond draft claims is billed and stays; what a frozen pool took stays there.
_PASSED = text("""
    CREATE TEMPORARY TABLE passed ON COMMIT DROP AS
    SELECT DISTINCT ON (a.allocation_id) a.allocation_id, p.source_id, a.usage_date, p.resource_type, p.unit,
        a.cost, a.quantity, 0::bigint AS record_count, '' AS pool_team, r.rule_key, r.rule_type,
        t.pool_id AS held_pool_id
    FROM stage_rules r
    JOIN allocations a ON a.usage_date = r.usage_date AND a.team_id = r.team_id
    JOIN cost_pools p USING (pool_id) JOIN allocation_rules earlier ON earlier.rule_key = p.rule_key
    LEFT JOIN pool_allocations t ON t.allocation_id = a.allocation_id
    LEFT JOIN cost_pools held ON held.pool_id = t.pool_id
    LEFT JOIN allocation_rules taker ON taker.rule_key = held.rule_key
    WHERE p.retired_at IS NULL AND earlier.stage < :stage AND coalesce(taker.stage, :stage) >= :stage
      AND (r.resource_types = '{}' OR p.resource_type = ANY (r.resource_types))
      AND NOT EXISTS (SELECT FROM frozen f WHERE f.pool_id = t.pool_id)
      AND NOT EXISTS (
        SELECT FROM line_allocations c JOIN invoice_lines l USING (line_id) JOIN invoices i USING (invoice_id)
        WHERE c.allocation_id = a.allocation_id AND c.released_by_line_id IS NULL AND i.status <> 'draft')
    ORDER BY a.allocation_id, r.rank
""")

# The same meaning as for cells: an allocation is settled when the pool that holds it is its rule's.
_STALE = text("""
    CREATE TEMPORARY TABLE stale_pools ON COMMIT DROP AS
    WITH unsettled AS (
        SELECT w.* FROM passed w LEFT JOIN cost_pools p ON p.pool_id = w.held_pool_id
        WHERE p.pool_id IS NULL OR p.rule_key <> w.rule_key),
    wanted AS (SELECT DISTINCT usage_date, source_id, rule_key, resource_type, unit FROM unsettled)
    SELECT held_pool_id AS pool_id FROM unsettled WHERE held_pool_id IS NOT NULL
    UNION
    SELECT p.pool_id FROM cost_pools p JOIN wanted w USING (usage_date, source_id, rule_key, resource_type, unit)
    WHERE p.retired_at IS NULL AND NOT EXISTS (SELECT FROM frozen f WHERE f.pool_id = p.pool_id)
    UNION
    SELECT t.pool_id FROM pool_allocations t JOIN cost_pools p USING (pool_id)
    JOIN allocation_rules r USING (rule_key)
    WHERE p.usage_date = ANY (:days) AND r.stage = :stage
      AND NOT EXISTS (SELECT FROM frozen f WHERE f.pool_id = p.pool_id)
      AND NOT EXISTS (SELECT FROM passed w WHERE w.allocation_id = t.allocation_id)
""")

_FILL = text("""
    INSERT INTO pool_allocations (allocation_id, pool_id)
    SELECT w.allocation_id, n.pool_id
    FROM passed w JOIN new_pools n USING (usage_date, source_id, rule_key, pool_team, resource_type, unit)
    WHERE w.held_pool_id IS NULL OR w.held_pool_id IN (SELECT pool_id FROM stale_pools)
""")


def later_stages(kept: Sequence[KeptRule]) -> list[int]:
    """The stages after the first that any version of a rule has or had, in their order."""
    return sorted({one.rule.stage for one in kept} - {1})


def pass_on(
    connection: Connection, days: Sequence[date], stage: int, kept: Sequence[KeptRule]
) -> tuple[int, int, int]:
    """Pool what the stage's rules pass on of these days: pools replaced, drafts that lost claims, pools made."""
    for table in ("passed", "stale_pools"):
        connection.execute(text(f"DROP TABLE IF EXISTS pg_temp.{table}"))
    stage_rows(connection, "stage_rules", _STAGE_RULES, _rules_of(days, stage, kept))
    connection.execute(_PASSED, {"stage": stage})
    connection.execute(text("ANALYZE pg_temp.passed"))
    connection.execute(_STALE, {"days": list(days), "stage": stage})
    replaced, drafts = take_back(connection)
    pools = make_pools(connection, days, "passed")
    connection.execute(_FILL)
    drafts += drop_claims(connection, "a.allocation_id IN (SELECT allocation_id FROM passed)")
    return replaced, drafts, pools


def _rules_of(
    days: Sequence[date], stage: int, kept: Sequence[KeptRule]
) -> Iterator[tuple[object, ...]]:
    """The stage's rules in force on each day, in their order. The day of the usage decides, not of the charge."""
    all_rules = [one.rule for one in kept]
    for day in days:
        for rank, rule in enumerate(rules.in_force(all_rules, day)):
            if rule.stage == stage:
                yield day, rank, rule.key, rule.rule_type.value, rule.team_id, rule.resource_types
