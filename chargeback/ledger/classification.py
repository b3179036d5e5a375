"""Which cells the days to allocate have, whose they are and which rule takes each.

Owns the SQL that attributes and classifies. Its meaning is `chargeback.rules.takes`, tested against it.
What pools and allocations come of it is `allocation`'s.
"""

from collections.abc import Iterable, Sequence
from datetime import date

from sqlalchemy import Connection, text

from chargeback import rules
from chargeback.ledger.rulebook import KeptRule, built_in_keys
from chargeback.ledger.staging import stage
from models.enums import RuleType

_RULE_DAYS = """charge_date date, rank integer, key_kind text, key text, rule_key bigint, rule_type text,
    team_id text, user_ids text[], agent_ids text[], account_ids text[], resource_types text[]"""

# A pool that a document beyond draft claims is frozen: its cells stay where they are. So is one whose cost a
# frozen pool passed on.
_FROZEN = text("""
    CREATE TEMPORARY TABLE frozen ON COMMIT DROP AS
    WITH RECURSIVE frozen AS (
        SELECT p.pool_id
        FROM cost_pools p JOIN allocations a USING (pool_id) JOIN line_allocations c USING (allocation_id)
        JOIN invoice_lines l USING (line_id) JOIN invoices i USING (invoice_id)
        WHERE p.usage_date = ANY (:days) AND c.released_by_line_id IS NULL AND i.status <> 'draft'
        UNION
        SELECT a.pool_id FROM frozen f JOIN pool_allocations t ON t.pool_id = f.pool_id
        JOIN allocations a USING (allocation_id))
    SELECT pool_id FROM frozen
""")

_ATTRIBUTED = text("""
    CREATE TEMPORARY TABLE attributed ON COMMIT DROP AS
    SELECT c.cell_id, c.source_id, c.usage_date, c.charge_date, c.team_id, c.user_id, c.agent_id, c.account_id,
        c.resource_type, c.unit, c.quantity, c.cost, c.record_count, h.pool_id AS held_pool_id,
        h.team_id IS NOT DISTINCT FROM c.team_id AS is_held_alike
    FROM attributed_cells c
    JOIN usage_sources s USING (source_id)
    LEFT JOIN pool_cells h USING (cell_id)
    WHERE c.usage_date = ANY (:days) AND s.role = 'allocate'
      AND NOT EXISTS (SELECT FROM frozen f WHERE f.pool_id = h.pool_id)
""")

# Each rule is found by one of its criteria (`key`), then all of them are looked at; the smallest rank wins.
_CLASSIFY = """
    CREATE TEMPORARY TABLE classified ON COMMIT DROP AS
    WITH winner AS (
        SELECT a.cell_id, min(r.rank) AS rank
        FROM attributed a
        CROSS JOIN LATERAL (VALUES {keys}) k (kind, key)
        JOIN rule_days r ON r.charge_date = a.charge_date AND r.key_kind = k.kind AND r.key = k.key
        WHERE (r.team_id IS NULL OR r.team_id = a.team_id)
          AND (r.user_ids = '{{}}' OR a.user_id = ANY (r.user_ids))
          AND (r.agent_ids = '{{}}' OR a.agent_id = ANY (r.agent_ids))
          AND (r.account_ids = '{{}}' OR a.account_id = ANY (r.account_ids))
          AND (r.resource_types = '{{}}' OR a.resource_type = ANY (r.resource_types))
        GROUP BY a.cell_id),
    ranked AS (SELECT DISTINCT charge_date, rank, rule_key, rule_type FROM rule_days)
    SELECT a.cell_id, a.source_id, a.usage_date, a.team_id, a.user_id, a.resource_type, a.unit,
        a.quantity, a.cost, a.record_count, a.held_pool_id, a.is_held_alike,
        coalesce(r.rule_key, CASE WHEN a.team_id IS NULL AND a.user_id IS NULL
                                  THEN :unattributed ELSE :by_usage END) AS rule_key,
        CASE WHEN r.rule_type IS NULL OR r.rule_type IN ('by_usage', 'by_user')
             THEN coalesce(a.team_id, '') ELSE '' END AS pool_team,
        CASE WHEN r.rule_type IS NOT NULL THEN r.rule_type
             WHEN a.team_id IS NULL AND a.user_id IS NULL THEN 'unattributed' ELSE 'by_usage' END AS rule_type
    FROM attributed a
    LEFT JOIN winner w USING (cell_id)
    LEFT JOIN ranked r ON r.charge_date = a.charge_date AND r.rank = w.rank
"""

_KEYS = {
    "team": "('team', a.team_id)",
    "user": "('user', a.user_id)",
    "agent": "('agent', a.agent_id)",
    "account": "('account', a.account_id)",
    "type": "('type', a.resource_type)",
    "any": "('any', '')",
}


def classify(
    connection: Connection,
    days: Sequence[date],
    kept: Sequence[KeptRule],
    is_frozen_too: bool = False,
) -> None:
    """Fill `frozen` and `classified` for the days: each cell outside frozen pools, its team and its rule.

    With `is_frozen_too` what is frozen is classified like the rest, as today's rules and owners say.
    """
    kept = [one for one in kept if one.rule.stage == 1]
    for table in ("frozen", "attributed", "classified"):
        connection.execute(text(f"DROP TABLE IF EXISTS pg_temp.{table}"))
    connection.execute(_FROZEN, {"days": [] if is_frozen_too else list(days)})
    connection.execute(_ATTRIBUTED, {"days": list(days)})
    connection.execute(
        text("ANALYZE pg_temp.attributed (cell_id, charge_date, team_id, user_id, agent_id)")
    )
    charge_days = connection.execute(text("SELECT DISTINCT charge_date FROM attributed")).scalars()
    rows = list(_rule_days(charge_days, kept))
    stage(connection, "rule_days", _RULE_DAYS, rows)
    used = {row[2] for row in rows} or {"any"}
    keys = ", ".join(sql for kind, sql in _KEYS.items() if kind in used)
    by_usage, unattributed = built_in_keys(connection)
    connection.execute(
        text(_CLASSIFY.format(keys=keys)), {"by_usage": by_usage, "unattributed": unattributed}
    )
    connection.execute(
        text("ANALYZE pg_temp.classified (cell_id, usage_date, rule_key, pool_team, held_pool_id)")
    )


def _rule_days(
    charge_days: Iterable[date], kept: Sequence[KeptRule]
) -> Iterable[tuple[object, ...]]:
    """The rules in force on each charge day, in their order, under each key they are found by."""
    all_rules = [k.rule for k in kept]
    for day in charge_days:
        for rank, rule in enumerate(rules.in_force(all_rules, day)):
            asked = rule.criteria
            kind, keys = _found_by(asked)
            for key in keys:
                yield (day, rank, kind, key, rule.key, RuleType(rule.rule_type).value, asked.team_id,
                       asked.user_ids, asked.agent_ids, asked.account_ids, asked.resource_types)  # fmt: skip


def _found_by(asked: rules.Criteria) -> tuple[str, tuple[str, ...]]:
    """The most selective kind of criteria a rule has, and its values."""
    if asked.team_id is not None:
        return "team", (asked.team_id,)
    if asked.user_ids:
        return "user", asked.user_ids
    if asked.agent_ids:
        return "agent", asked.agent_ids
    if asked.account_ids:
        return "account", asked.account_ids
    if asked.resource_types:
        return "type", asked.resource_types
    return "any", ("",)
