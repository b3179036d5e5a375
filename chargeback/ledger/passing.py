"""Later stages: which allocations a rule passes on, and the pools that take them.

A rule of stage 2 or more takes, of each day, what the stages before it gave to its team, with or without a
user, and nobody was billed for. What is passed on is no longer borne by that team: `pool_allocations` says so.
Works on `frozen`, which `classification` fills, and leaves `new_pools`, as `pools` does for cells.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import cast

from sqlalchemy import Connection, text

from chargeback import rules
from chargeback.ledger.pools import drop_claims, make_pools, take_back
from chargeback.ledger.rulebook import KeptRule
from chargeback.ledger.sharing import Receivers
from chargeback.ledger.staging import stage as stage_rows

_STAGE_RULES = "usage_date date, rank integer, rule_key bigint, rule_type text, team_id text, resource_types text[]"

# What may be passed on: of living pools of earlier stages, on no document beyond draft, in no frozen pool.
# Of what corrects a billed pool, the original share of the same payer: which frozen pool passed it on, or billed.
_GIVEN = text("""
    CREATE TEMPORARY TABLE given ON COMMIT DROP AS
    WITH ids AS (
        SELECT allocation_id FROM allocations WHERE team_id = ANY (:teams) AND usage_date = ANY (:days)
        UNION
        SELECT a.allocation_id FROM cost_pools p JOIN allocations a USING (pool_id)
        WHERE p.usage_date = ANY (:days) AND p.kind = 'reversal' AND a.team_id IS NOT NULL)
    SELECT a.allocation_id, a.usage_date, a.team_id, a.cost, a.quantity, p.source_id, p.resource_type, p.unit,
        p.kind, coalesce(p.of_pool_id, 0) AS of_pool_id, coalesce(p.reallocation_id, 0) AS reallocation_id,
        t.pool_id AS held_pool_id, o.pool_id AS original_in, o.rule_key AS original_by, o.stage AS original_stage,
        coalesce(o.is_billed, false) AS is_original_billed
    FROM ids JOIN allocations a USING (allocation_id) JOIN cost_pools p USING (pool_id)
    JOIN allocation_rules earlier ON earlier.rule_key = p.rule_key
    LEFT JOIN pool_allocations t ON t.allocation_id = a.allocation_id
    LEFT JOIN cost_pools held ON held.pool_id = t.pool_id
    LEFT JOIN allocation_rules taker ON taker.rule_key = held.rule_key
    LEFT JOIN LATERAL (
        SELECT f.pool_id, x.rule_key, r.stage, b.is_written_off OR EXISTS (
            SELECT FROM line_allocations c JOIN invoice_lines l USING (line_id) JOIN invoices i USING (invoice_id)
            WHERE c.allocation_id = b.allocation_id AND c.released_by_line_id IS NULL AND i.status <> 'draft'
        ) AS is_billed
        FROM allocations b LEFT JOIN pool_allocations k ON k.allocation_id = b.allocation_id
        LEFT JOIN frozen f ON f.pool_id = k.pool_id LEFT JOIN cost_pools x ON x.pool_id = f.pool_id
        LEFT JOIN allocation_rules r ON r.rule_key = x.rule_key
        WHERE p.kind <> 'usage' AND b.pool_id = p.of_pool_id AND b.team_id IS NOT DISTINCT FROM a.team_id
          AND b.user_id IS NOT DISTINCT FROM a.user_id) o ON true
    WHERE p.retired_at IS NULL AND earlier.stage < :stage AND coalesce(taker.stage, :stage) >= :stage
      AND NOT EXISTS (SELECT FROM frozen f WHERE f.pool_id = t.pool_id)
      AND NOT EXISTS (
        SELECT FROM line_allocations c JOIN invoice_lines l USING (line_id) JOIN invoices i USING (invoice_id)
        WHERE c.allocation_id = a.allocation_id AND c.released_by_line_id IS NULL AND i.status <> 'draft')
""")

# The first rule of the stage takes it; but what takes billed cost back goes the way that cost went.
_PASSED = text("""
    CREATE TEMPORARY TABLE passed ON COMMIT DROP AS
    SELECT DISTINCT ON (allocation_id) allocation_id, usage_date, source_id, rule_key, rule_type, '' AS pool_team,
        resource_type, unit, kind, of_pool_id, reallocation_id, cost, quantity, 0::bigint AS record_count, held_pool_id
    FROM (
        SELECT g.allocation_id, g.usage_date, g.source_id, r.rule_key, r.rule_type, g.resource_type, g.unit,
            CASE g.kind WHEN 'replacement' THEN g.kind ELSE 'usage' END AS kind,
            CASE g.kind WHEN 'replacement' THEN coalesce(g.original_in, g.of_pool_id) ELSE 0 END AS of_pool_id,
            CASE g.kind WHEN 'replacement' THEN g.reallocation_id ELSE 0 END AS reallocation_id,
            g.cost, g.quantity, g.held_pool_id, r.rank
        FROM given g JOIN stage_rules r ON r.usage_date = g.usage_date AND r.team_id = g.team_id
        WHERE (r.resource_types = '{}' OR g.resource_type = ANY (r.resource_types))
          AND NOT (g.kind = 'reversal' AND (g.original_in IS NOT NULL OR g.is_original_billed))
        UNION ALL
        SELECT g.allocation_id, g.usage_date, g.source_id, r.rule_key, r.rule_type, g.resource_type, g.unit,
            g.kind, g.original_in, g.reallocation_id, g.cost, g.quantity, g.held_pool_id, -1
        FROM given g JOIN allocation_rules r ON r.rule_key = g.original_by
        WHERE g.kind = 'reversal' AND g.original_stage = :stage) taken
    ORDER BY allocation_id, rank
""")

# The same meaning as for cells: an allocation is settled when the pool that holds it is its rule's.
_STALE = text("""
    CREATE TEMPORARY TABLE stale_pools ON COMMIT DROP AS
    WITH unsettled AS (
        SELECT w.* FROM passed w LEFT JOIN cost_pools p ON p.pool_id = w.held_pool_id
        WHERE p.pool_id IS NULL OR (p.rule_key, p.kind, coalesce(p.of_pool_id, 0), coalesce(p.reallocation_id, 0))
            <> (w.rule_key, w.kind, w.of_pool_id, w.reallocation_id)),
    wanted AS (SELECT DISTINCT usage_date, source_id, rule_key, resource_type, unit, kind, of_pool_id, reallocation_id
               FROM unsettled)
    SELECT held_pool_id AS pool_id FROM unsettled WHERE held_pool_id IS NOT NULL
    UNION
    SELECT p.pool_id FROM cost_pools p JOIN wanted w USING (usage_date, source_id, rule_key, resource_type, unit, kind)
    WHERE coalesce(p.of_pool_id, 0) = w.of_pool_id AND coalesce(p.reallocation_id, 0) = w.reallocation_id
      AND p.retired_at IS NULL AND NOT EXISTS (SELECT FROM frozen f WHERE f.pool_id = p.pool_id)
    UNION
    SELECT t.pool_id FROM pool_allocations t JOIN cost_pools p USING (pool_id)
    JOIN allocation_rules r USING (rule_key)
    WHERE p.usage_date = ANY (:days) AND r.stage = :stage
      AND NOT EXISTS (SELECT FROM frozen f WHERE f.pool_id = p.pool_id)
      AND NOT EXISTS (SELECT FROM passed w WHERE w.allocation_id = t.allocation_id)
""")

_FILL = text("""
    INSERT INTO pool_allocations (allocation_id, pool_id) SELECT unnest(taken_ids), pool_id FROM new_pools
""")


def later_stages(kept: Sequence[KeptRule]) -> list[int]:
    """The stages after the first that any version of a rule has or had, in their order."""
    return sorted({one.rule.stage for one in kept} - {1})


def pass_on(
    connection: Connection, days: Sequence[date], stage: int, kept: Sequence[KeptRule]
) -> tuple[int, int, int]:
    """Pool what the stage's rules pass on of these days: pools replaced, drafts that lost claims, pools made."""
    for table in ("given", "passed", "stale_pools"):
        connection.execute(text(f"DROP TABLE IF EXISTS pg_temp.{table}"))
    stage_rows(connection, "stage_rules", _STAGE_RULES, _rules_of(days, stage, kept))
    teams = sorted({str(one.rule.team_id) for one in kept if one.rule.stage == stage})
    connection.execute(_GIVEN, {"days": list(days), "stage": stage, "teams": teams})
    connection.execute(text("ANALYZE pg_temp.given"))
    connection.execute(_PASSED, {"stage": stage})
    connection.execute(text("ANALYZE pg_temp.passed"))
    connection.execute(_STALE, {"days": list(days), "stage": stage})
    replaced, drafts = take_back(connection)
    pools = make_pools(connection, days, "passed", "allocation_id")
    connection.execute(_FILL)
    drafts += drop_claims(connection, "a.allocation_id IN (SELECT allocation_id FROM passed)")
    return replaced, drafts, pools


_CHAIN_RULES = """usage_date date, stage integer, rank integer, rule_key bigint, rule_type text, team_id text,
    resource_types text[], digest uuid"""

# Of frozen pools: shares that today's rules would pass on and that were billed instead, shares passed on to others
# than today, and so the pools before these.
_PASSED_OTHERWISE = text("""
    CREATE TEMPORARY TABLE passed_otherwise ON COMMIT DROP AS
    WITH RECURSIVE shares AS (
        SELECT a.allocation_id, a.pool_id, a.usage_date, a.team_id, p.resource_type, e.stage
        FROM frozen JOIN cost_pools p USING (pool_id) JOIN allocation_rules e USING (rule_key)
        JOIN allocations a USING (pool_id) WHERE p.kind <> 'reversal'),
    todays AS (
        SELECT DISTINCT ON (s.allocation_id) s.allocation_id, r.digest
        FROM shares s JOIN chain_rules r ON r.usage_date = s.usage_date AND r.team_id = s.team_id
        WHERE r.stage > s.stage AND (r.resource_types = '{}' OR s.resource_type = ANY (r.resource_types))
        ORDER BY s.allocation_id, r.stage, r.rank),
    differing AS (
        SELECT s.pool_id FROM shares s LEFT JOIN todays d USING (allocation_id)
        LEFT JOIN pool_allocations t USING (allocation_id) LEFT JOIN cost_pools x ON x.pool_id = t.pool_id
        WHERE d.digest IS DISTINCT FROM x.split_digest
          AND (x.pool_id IS NULL OR EXISTS (SELECT FROM frozen f WHERE f.pool_id = x.pool_id))),
    behind AS (
        SELECT pool_id FROM differing
        UNION
        SELECT a.pool_id FROM behind b JOIN pool_allocations t ON t.pool_id = b.pool_id
        JOIN allocations a USING (allocation_id))
    SELECT pool_id FROM behind
""")


def find_passed_otherwise(
    connection: Connection, days: Sequence[date], kept: Sequence[KeptRule], receivers: Receivers
) -> None:
    """Fill `passed_otherwise`: the frozen pools whose cost would be passed on otherwise today, stage by stage."""
    rows = [
        (row[0], stage, *row[1:], receivers.of(cast(int, row[2]), cast(date, row[0])).digest)
        for stage in later_stages(kept)
        for row in _rules_of(days, stage, kept)
    ]
    stage_rows(connection, "chain_rules", _CHAIN_RULES, rows)
    connection.execute(text("DROP TABLE IF EXISTS pg_temp.passed_otherwise"))
    connection.execute(_PASSED_OTHERWISE)


def _rules_of(
    days: Sequence[date], stage: int, kept: Sequence[KeptRule]
) -> Iterator[tuple[object, ...]]:
    """The stage's rules in force on each day, in their order. The day of the usage decides, not of the charge."""
    all_rules = [one.rule for one in kept]
    for day in days:
        for rank, rule in enumerate(rules.in_force(all_rules, day)):
            if rule.stage == stage:
                yield day, rank, rule.key, rule.rule_type.value, rule.team_id, rule.resource_types
