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

# A pool that a document beyond draft claims is frozen: its cells stay where they are. So is one that was
# written off in part, one that a frozen reversal takes back (else that would take back what nobody bears), and
# one whose cost a frozen pool passed on.
# Usage that moved to these days corrects pools of other days, which are among `:others`.
_FROZEN = text("""
    CREATE TEMPORARY TABLE frozen ON COMMIT DROP AS
    WITH RECURSIVE held AS (
        SELECT p.pool_id
        FROM cost_pools p JOIN allocations a USING (pool_id) JOIN line_allocations c USING (allocation_id)
        JOIN invoice_lines l USING (line_id) JOIN invoices i USING (invoice_id)
        WHERE (p.usage_date = ANY (:days) OR p.pool_id = ANY (:others))
          AND c.released_by_line_id IS NULL AND i.status <> 'draft'
        UNION
        SELECT p.pool_id FROM allocations a JOIN cost_pools p USING (pool_id)
        WHERE a.is_written_off AND p.usage_date = ANY (:days)),
    behind AS (
        SELECT pool_id, of_pool_id AS before FROM cost_pools WHERE kind = 'reversal' AND usage_date = ANY (:days)
        UNION ALL
        SELECT t.pool_id, a.pool_id FROM pool_allocations t JOIN allocations a USING (allocation_id)
        WHERE a.usage_date = ANY (:days)),
    frozen AS (SELECT pool_id FROM held UNION SELECT b.before FROM frozen f JOIN behind b USING (pool_id))
    SELECT pool_id FROM frozen
""")
# What a cell takes back or stands in for, what that stood in for, and so on; of any day, since usage moves.
_ANCESTRY = text("""
    CREATE TEMPORARY TABLE ancestry ON COMMIT DROP AS
    WITH RECURSIVE ancestry AS (
        SELECT cell_id, reallocation_id, coalesce(reverses_cell_id, replaces_cell_id) AS ancestor_id, 0 AS distance,
            reverses_cell_id IS NOT NULL AS is_reversal
        FROM usage_cells
        WHERE usage_date = ANY (:days) AND (reverses_cell_id IS NOT NULL OR replaces_cell_id IS NOT NULL)
        UNION ALL
        SELECT a.cell_id, a.reallocation_id, c.replaces_cell_id, a.distance + 1, false
        FROM ancestry a JOIN usage_cells c ON c.cell_id = a.ancestor_id WHERE c.replaces_cell_id IS NOT NULL)
    SELECT a.*, o.pool_id FROM ancestry a JOIN pool_cells o ON o.cell_id = a.ancestor_id
""")

# What corrects a frozen pool: a reversal keeps its team and its rule, a replacement is known for what it is, and so
# is what corrects a replacement not yet frozen. Where no pool above is frozen, all fall into one pool again, and
# what is taken back vanishes.
_CORRECTED = text("""
    CREATE TEMPORARY TABLE corrected ON COMMIT DROP AS
    SELECT DISTINCT ON (a.cell_id) a.cell_id, CASE WHEN a.is_reversal THEN 'reversal' ELSE 'replacement' END AS kind,
        p.pool_id AS of_pool_id, a.reallocation_id, o.team_id, p.rule_key, p.team_id AS pool_team, r.rule_type
    FROM ancestry a JOIN frozen f USING (pool_id) JOIN pool_cells o ON o.cell_id = a.ancestor_id
    JOIN cost_pools p ON p.pool_id = a.pool_id JOIN allocation_rules r USING (rule_key)
    ORDER BY a.cell_id, a.distance
""")

_ATTRIBUTED = text("""
    CREATE TEMPORARY TABLE attributed ON COMMIT DROP AS
    SELECT cell_id, source_id, usage_date, charge_date,
        CASE WHEN k.kind = 'reversal' THEN k.team_id ELSE c.team_id END AS team_id,
        c.user_id, c.agent_id, c.account_id, c.resource_type, c.unit, c.quantity, c.cost, c.record_count,
        h.pool_id AS held_pool_id,
        h.team_id IS NOT DISTINCT FROM CASE WHEN k.kind = 'reversal' THEN k.team_id ELSE c.team_id END AS is_held_alike,
        coalesce(k.kind, 'usage') AS kind, coalesce(k.of_pool_id, 0) AS of_pool_id,
        coalesce(k.reallocation_id, 0) AS reallocation_id,
        k.rule_key AS of_rule_key, k.pool_team AS of_pool_team, k.rule_type AS of_rule_type
    FROM attributed_cells c
    JOIN usage_sources s USING (source_id)
    LEFT JOIN pool_cells h USING (cell_id)
    LEFT JOIN corrected k USING (cell_id)
    WHERE c.usage_date = ANY (:days) AND s.role = 'allocate'
      AND NOT EXISTS (SELECT FROM frozen f WHERE f.pool_id = h.pool_id)
""")

# The same of what lies in frozen pools and was not taken back since, to see where it would go today.
_ATTRIBUTED_FROZEN = text("""
    CREATE TEMPORARY TABLE attributed ON COMMIT DROP AS
    SELECT cell_id, c.source_id, c.usage_date, charge_date, c.team_id, c.user_id, c.agent_id, c.account_id,
        c.resource_type, c.unit, c.quantity + coalesce(t.quantity, 0) AS quantity, c.cost + coalesce(t.cost, 0) AS cost,
        c.record_count + coalesce(t.record_count, 0) AS record_count,
        h.pool_id AS held_pool_id, h.team_id IS NOT DISTINCT FROM c.team_id AS is_held_alike,
        'usage' AS kind, 0 AS of_pool_id, 0 AS reallocation_id,
        NULL::bigint AS of_rule_key, NULL AS of_pool_team, NULL AS of_rule_type
    FROM attributed_cells c JOIN pool_cells h USING (cell_id) JOIN frozen USING (pool_id)
    LEFT JOIN (SELECT reverses_cell_id AS cell_id, sum(quantity) AS quantity, sum(cost) AS cost,
                   sum(record_count) AS record_count
               FROM usage_cells WHERE usage_date = ANY (:days) AND reverses_cell_id IS NOT NULL GROUP BY 1) t
        USING (cell_id)
    WHERE c.usage_date = ANY (:days)
      AND NOT EXISTS (SELECT FROM usage_cells u WHERE u.cell_id = c.cell_id AND u.reverses_cell_id IS NOT NULL
                      AND u.usage_date = ANY (:days))
      AND (t.cell_id IS NULL
        OR (c.cost + t.cost, c.quantity + t.quantity, c.record_count + t.record_count) <> (0, 0, 0))
""")

# Each rule is found by one of its criteria (`key`), then all of them are looked at; the smallest rank wins.
_CLASSIFY = """
    CREATE TEMPORARY TABLE classified ON COMMIT DROP AS
    WITH winner AS (SELECT cell_id, min(rank) AS rank FROM ({found}) found GROUP BY cell_id),
    ranked AS (SELECT DISTINCT charge_date, rank, rule_key, rule_type FROM rule_days)
    SELECT a.cell_id, a.source_id, a.usage_date, a.team_id, a.user_id, a.resource_type, a.unit,
        a.quantity, a.cost, a.record_count, a.held_pool_id, a.is_held_alike, a.kind, a.of_pool_id, a.reallocation_id,
        CASE WHEN a.kind = 'reversal' THEN a.of_rule_key WHEN r.rule_key IS NOT NULL THEN r.rule_key
             WHEN a.team_id IS NULL AND a.user_id IS NULL THEN :unattributed ELSE :by_usage END AS rule_key,
        CASE WHEN a.kind = 'reversal' THEN coalesce(a.of_pool_team, '')
             WHEN r.rule_type IS NULL OR r.rule_type IN ('by_usage', 'by_user')
             THEN coalesce(a.team_id, '') ELSE '' END AS pool_team,
        CASE WHEN a.kind = 'reversal' THEN a.of_rule_type WHEN r.rule_type IS NOT NULL THEN r.rule_type
             WHEN a.team_id IS NULL AND a.user_id IS NULL THEN 'unattributed' ELSE 'by_usage' END AS rule_type
    FROM attributed a
    LEFT JOIN winner w USING (cell_id)
    LEFT JOIN ranked r ON r.charge_date = a.charge_date AND r.rank = w.rank
"""

_FOUND = """
    SELECT a.cell_id, r.rank
    FROM attributed a JOIN rule_days r ON r.charge_date = a.charge_date AND r.key = {key}
    WHERE r.key_kind = '{kind}' AND a.kind <> 'reversal' AND (r.team_id IS NULL OR r.team_id = a.team_id)
      AND (r.user_ids = '{{}}' OR a.user_id = ANY (r.user_ids))
      AND (r.agent_ids = '{{}}' OR a.agent_id = ANY (r.agent_ids))
      AND (r.account_ids = '{{}}' OR a.account_id = ANY (r.account_ids))
      AND (r.resource_types = '{{}}' OR a.resource_type = ANY (r.resource_types))"""
_KEYS = {
    "team": "a.team_id",
    "user": "a.user_id",
    "agent": "a.agent_id",
    "account": "a.account_id",
    "type": "a.resource_type",
    "any": "''",
}


def classify(
    connection: Connection,
    days: Sequence[date],
    kept: Sequence[KeptRule],
    is_of_frozen: bool = False,
    is_frozen_too: bool = False,
) -> None:
    """Fill `frozen` and `classified` for the days: each cell outside frozen pools, its team and its rule.

    With `is_of_frozen` the cells inside them instead, less what was taken back, as if they were free today; with
    `is_frozen_too` all cells, as today's rules and owners say.
    """
    kept = [one for one in kept if one.rule.stage == 1]
    for table in ("ancestry", "frozen", "corrected", "attributed", "classified"):
        connection.execute(text(f"DROP TABLE IF EXISTS pg_temp.{table}"))
    asked = {"days": list(days)}
    connection.execute(_ANCESTRY, asked)
    others = list(connection.execute(text("SELECT DISTINCT pool_id FROM ancestry")).scalars())
    connection.execute(
        _FROZEN, {"days": [], "others": []} if is_frozen_too else asked | {"others": others}
    )
    connection.execute(_CORRECTED, asked)
    connection.execute(text("ANALYZE pg_temp.corrected"))
    connection.execute(_ATTRIBUTED_FROZEN if is_of_frozen else _ATTRIBUTED, asked)
    connection.execute(
        text("ANALYZE pg_temp.attributed (cell_id, charge_date, team_id, user_id, agent_id)")
    )
    charge_days = connection.execute(text("SELECT DISTINCT charge_date FROM attributed")).scalars()
    rows = list(_rule_days(charge_days, kept))
    stage(connection, "rule_days", _RULE_DAYS, rows)
    used = {row[2] for row in rows} or {"any"}
    found = " UNION ALL ".join(_FOUND.format(kind=k, key=_KEYS[k]) for k in _KEYS if k in used)
    by_usage, unattributed = built_in_keys(connection)
    connection.execute(
        text(_CLASSIFY.format(found=found)), {"by_usage": by_usage, "unattributed": unattributed}
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
