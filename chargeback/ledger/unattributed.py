"""Cost that nobody owns: how much, what it bears, and which owners would clear most of it.

Owns the figures; naming owners is a payers file's (`payers`). Call it in a `database.snapshot()`.
"""

from sqlalchemy import Connection, text

from chargeback import money
from chargeback.attribution import Unowned, owners_wanted
from chargeback.ledger.invoices import plain
from chargeback.periods import Period
from chargeback.settings import settings
from chargeback.views import UnattributedView

MOST_GROUPS = 50


def unattributed(connection: Connection, period: Period) -> UnattributedView:
    """What of the period's cost has neither team nor user, as it was allocated, or would be now.

    Cost that a rule takes is somebody's, whatever it bears.
    """
    days = {"start": period.start, "end": period.end}
    unowned = [
        Unowned(
            row.name,
            row.account_id,
            row.owner_tag,
            row.agent_id,
            plain(row.cost),
            row.records,
            row.first,
            row.last,
        )
        for row in connection.execute(_UNOWNED, days)
    ]
    teamless, whole = connection.execute(_BESIDE, days).one()
    currency = connection.execute(text("SELECT currency FROM ledger_settings")).scalar()
    return UnattributedView(
        period,
        currency or settings().currency,
        money.exact_sum(one.cost for one in unowned),
        plain(whole),
        sum(one.record_count for one in unowned),
        money.exact_sum(one.cost for one in unowned if not one.keys),
        plain(teamless),
        tuple(unowned[:MOST_GROUPS]),
        tuple(owners_wanted(unowned)),
        settings().unattributed_team,
    )


# What was taken by no rule and has no owner; of cells in no pool yet, what attribution finds nobody for.
_UNOWNED = text("""
    SELECT s.name, c.account_id, c.owner_tag, c.agent_id, sum(c.cost) AS cost,
        CAST(sum(c.record_count) AS bigint) AS records,
        min(c.usage_date) AS first, max(c.usage_date) AS last
    FROM (
        SELECT c.source_id, c.account_id, c.owner_tag, c.agent_id, c.cost, c.record_count, c.usage_date
        FROM usage_cells c JOIN pool_cells h USING (cell_id) JOIN cost_pools p ON p.pool_id = h.pool_id
        JOIN allocation_rules r USING (rule_key)
        WHERE r.rule_type = 'unattributed' AND c.usage_date >= :start AND c.usage_date < :end
        UNION ALL
        SELECT a.source_id, a.account_id, a.owner_tag, a.agent_id, a.cost, a.record_count, a.usage_date
        FROM attributed_cells a
        WHERE a.usage_date >= :start AND a.usage_date < :end AND a.team_id IS NULL AND a.user_id IS NULL
          AND NOT EXISTS (SELECT FROM pool_cells h WHERE h.cell_id = a.cell_id)
    ) c JOIN usage_sources s USING (source_id)
    WHERE s.role = 'allocate'
    GROUP BY s.name, c.account_id, c.owner_tag, c.agent_id
    HAVING sum(c.cost) <> 0 OR sum(c.record_count) <> 0
    ORDER BY abs(sum(c.cost)) DESC, s.name COLLATE "C", c.account_id COLLATE "C", c.owner_tag COLLATE "C",
        c.agent_id COLLATE "C"
""")

# Cost of users in no team, which they bear alone; and all of the period's.
_BESIDE = text("""
    SELECT coalesce(sum(cost) FILTER (WHERE a.team_id IS NULL AND a.user_id IS NOT NULL), 0), coalesce(sum(cost), 0)
    FROM (
        SELECT c.cost, c.source_id, h.team_id, h.user_id FROM usage_cells c JOIN pool_cells h USING (cell_id)
        WHERE c.usage_date >= :start AND c.usage_date < :end
        UNION ALL
        SELECT a.cost, a.source_id, a.team_id, a.user_id FROM attributed_cells a
        WHERE a.usage_date >= :start AND a.usage_date < :end
          AND NOT EXISTS (SELECT FROM pool_cells h WHERE h.cell_id = a.cell_id)
    ) a JOIN usage_sources s USING (source_id) WHERE s.role = 'allocate'
""")
