"""What the report site says of a period beside its reports: what charges are made of, day by day, month by month.

Set-based: a statement per kind of figure, however many payers. Call it in a `database.snapshot()` after allocating,
so that every page is of the same moment.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, text

from chargeback import money
from chargeback.ledger.budgets import standings
from chargeback.ledger.invoices import plain
from chargeback.ledger.reconcile import reconciled_sources
from chargeback.ledger.reports import Subject, reports
from chargeback.ledger.unattributed import unattributed
from chargeback.periods import Period
from chargeback.settings import settings
from chargeback.site_views import (
    BudgetFigures,
    DayCost,
    MadeOf,
    MonthCost,
    MonthFigures,
    PayerFigures,
    SourceCheck,
    SourceCost,
)
from chargeback.views import ReportView
from models.enums import SourceRole

TREND_MONTHS = 12
NOBODY, ALONE = "without owner", "users charged alone"

# What payers bear: not what was replaced, nor what a later stage took.
_COUNTS = """p.retired_at IS NULL AND p.usage_date >= :since AND p.usage_date < :end
    AND NOT EXISTS (SELECT FROM pool_allocations t WHERE t.allocation_id = a.allocation_id) AND {whose}"""
_TEAMLESS = "a.team_id IS NULL"
# Direct cost goes by the agent whose cells it is, divided cost by the rule that divided it. A pool's cells are of its
# day, which is said again for the planner: it reads the period's cells once, and not one by one.
_PARTS = f"""
    SELECT a.team_id, a.user_id, c.agent_id, NULL AS rule_id, NULL AS rule_name, p.resource_type, p.usage_date, c.cost
    FROM cost_pools p JOIN allocations a USING (pool_id)
    JOIN pool_cells h ON h.pool_id = p.pool_id AND h.user_id IS NOT DISTINCT FROM a.user_id
    JOIN usage_cells c USING (cell_id)
    WHERE p.split_digest IS NULL AND c.usage_date >= :since AND c.usage_date < :end AND {_COUNTS}
    UNION ALL
    SELECT a.team_id, a.user_id, NULL, r.rule_id, r.name, p.resource_type, p.usage_date, a.cost
    FROM cost_pools p JOIN allocations a USING (pool_id) JOIN allocation_rules r USING (rule_key)
    WHERE p.split_digest IS NOT NULL AND {_COUNTS}
"""  # noqa: S608 - made of constants only
_MADE_OF = """
    SELECT {subject} AS subject, agent_id, rule_id, max(rule_name) AS rule_name, resource_type,
        coalesce(sum(cost) FILTER (WHERE usage_date >= :start), 0) AS cost,
        coalesce(sum(cost) FILTER (WHERE usage_date < :start), 0) AS previous_cost
    FROM ({parts}) parts
    GROUP BY 1, agent_id, rule_id, resource_type
    ORDER BY subject, agent_id COLLATE "C" NULLS LAST, rule_id COLLATE "C" NULLS LAST, resource_type COLLATE "C"
"""
# A row per payer: a month of days as rows of their own takes most of the time that reading takes.
_DAYS = f"""
    SELECT subject, array_agg(usage_date ORDER BY usage_date, resource_type COLLATE "C") AS days,
        array_agg(resource_type ORDER BY usage_date, resource_type COLLATE "C") AS resource_types,
        array_agg(cost ORDER BY usage_date, resource_type COLLATE "C") AS costs
    FROM (
        SELECT a.{{column}} AS subject, a.usage_date, p.resource_type, trim_scale(sum(a.cost)) AS cost
        FROM cost_pools p JOIN allocations a USING (pool_id)
        WHERE {_COUNTS}
        GROUP BY a.{{column}}, a.usage_date, p.resource_type) daily
    GROUP BY subject
"""  # noqa: S608 - made of constants only
_MONTHS = f"""
    SELECT {{subject}} AS subject, CAST(date_trunc('month', p.usage_date) AS date) AS month, sum(a.cost) AS cost
    FROM cost_pools p JOIN allocations a USING (pool_id)
    WHERE {_COUNTS}
    GROUP BY 1, 2 ORDER BY 1, 2
"""  # noqa: S608 - made of constants only
_BEARER = f"CASE WHEN a.user_id IS NULL THEN '{NOBODY}' ELSE '{ALONE}' END"
_SOURCES = f"""
    SELECT s.name, coalesce(sum(a.cost) FILTER (WHERE p.usage_date >= :start), 0) AS cost,
        coalesce(sum(a.cost) FILTER (WHERE p.usage_date < :start), 0) AS previous_cost
    FROM cost_pools p JOIN allocations a USING (pool_id) JOIN usage_sources s USING (source_id)
    WHERE {_COUNTS} GROUP BY s.name ORDER BY s.name COLLATE "C"
""".format(whose="true")  # noqa: S608 - made of constants only
_PAYERS = text("""
    SELECT team_id, user_id FROM allocations WHERE usage_date >= :start AND usage_date < :end
    UNION SELECT h.team_id, h.user_id FROM usage_cells c JOIN pool_cells h USING (cell_id)
    WHERE c.usage_date >= :start AND c.usage_date < :end
    UNION SELECT team_id, user_id FROM invoices WHERE period_start < :end AND period_end > :start
      AND (status <> 'cancelled' OR content_hash IS NOT NULL)
""")
_LAST_DAY = text("SELECT max(usage_date) FROM cost_pools WHERE retired_at IS NULL AND usage_date < :end")  # fmt: skip
_TEAMS_OF_USERS = """
    SELECT user_id, CASE WHEN min(coalesce(team_id, '')) = max(coalesce(team_id, '')) THEN min(team_id) END AS team_id
    FROM (SELECT user_id, team_id FROM allocations
          WHERE usage_date >= :since AND usage_date < :end AND user_id = ANY (:ids)
          UNION ALL
          SELECT h.user_id, h.team_id FROM usage_cells c JOIN pool_cells h USING (cell_id)
          WHERE c.usage_date >= :since AND c.usage_date < :end AND h.user_id = ANY (:ids)
          UNION ALL
          SELECT user_id, team_id FROM invoices
          WHERE period_start < :end AND period_end > :since AND user_id = ANY (:ids)) borne
    GROUP BY user_id
"""


def payer_ids(connection: Connection, period: Period) -> tuple[list[str], list[str]]:
    """The teams and the users that used, bear or were billed anything of the period, by id."""
    found = connection.execute(_PAYERS, {"start": period.start, "end": period.end}).all()
    teams = {team_id for team_id, _ in found if team_id is not None}
    users = {user_id for _, user_id in found if user_id is not None}
    return sorted(teams), sorted(users)


def payers(
    connection: Connection, subject: Subject, period: Period, ids: Sequence[str]
) -> list[PayerFigures]:
    """The pages' figures of these teams or users, in the order of their ids."""
    found = reports(connection, subject, period, ids)
    column = {"team": "team_id", "user": "user_id"}[subject]
    whose = f"a.{column} = ANY (:ids)"
    made_of = _made_of(connection, column, whose, period, ids)
    days = _days(connection, column, whose, period, ids)
    months = _months(connection, f"a.{column}", whose, period, ids)
    budgets = _budgets(connection, period, ids) if subject == "team" else {}
    names = dict(connection.execute(text("SELECT user_id, name FROM users")).tuples().all())
    teams = (
        _teams(connection, period, ids) if subject == "user" else dict(zip(ids, ids, strict=True))
    )
    return [
        PayerFigures(
            report,
            teams.get(report.subject_id),
            _whole(made_of[report.subject_id], report),
            days.get(report.subject_id, ()),
            tuple(months[report.subject_id]),
            {one: names.get(one, one) for share in report.allocations if (one := share.user_id)},
            budgets.get(report.subject_id),
        )
        for report in found
    ]


def _budgets(
    connection: Connection, period: Period, ids: Sequence[str]
) -> dict[str, BudgetFigures]:
    """Where the teams stand in a calendar month, seen from the first day of which nothing is booked yet.

    So a page says the same whenever it is written again; budgets are of months, other periods have none.
    """
    if period != Period.month_of(period.start):
        return {}
    last = connection.execute(_LAST_DAY, {"end": period.end}).scalar()
    as_of = period.start if last is None else max(period.start, last + timedelta(1))
    is_over = as_of >= period.end
    return {
        one.team_id: BudgetFigures(one.as_of, one.amount, one.spent, None if is_over else one.forecast)
        for one in standings(connection, period, min(as_of, period.end), ids)
        if one.amount is not None or not is_over
    }  # fmt: skip


def _asked(period: Period, since: date, ids: Sequence[str]) -> dict[str, Any]:
    return {"since": since, "start": period.start, "end": period.end, "ids": list(ids)}


def _made_of(
    connection: Connection, subject: str, whose: str, period: Period, ids: Sequence[str] = ()
) -> dict[str, list[MadeOf]]:
    found: dict[str, list[MadeOf]] = defaultdict(list)
    statement = _MADE_OF.format(subject=subject, parts=_PARTS.format(whose=whose))
    for row in connection.execute(text(statement), _asked(period, period.previous().start, ids)):
        found[row.subject].append(
            MadeOf(row.agent_id, row.rule_id, row.rule_name, row.resource_type,
                   plain(row.cost), plain(row.previous_cost)))  # fmt: skip
    return found


def _whole(parts: Sequence[MadeOf], report: ReportView) -> tuple[MadeOf, ...]:
    """The parts, the dearest first; what they leave of the charge is a part without a name, so that they add up."""
    rest = money.EXACT.subtract(report.total_cost, money.exact_sum(p.cost for p in parts))
    before = money.exact_sum(p.previous_cost for p in parts)
    previous_rest = money.EXACT.subtract(report.previous_total_cost, before)
    if rest or previous_rest:
        parts = [*parts, MadeOf(None, None, None, "other", rest, previous_rest)]
    return tuple(sorted(parts, key=lambda p: (-abs(p.cost), -abs(p.previous_cost))))


def _days(
    connection: Connection, column: str, whose: str, period: Period, ids: Sequence[str]
) -> dict[str, tuple[DayCost, ...]]:
    asked = _asked(period, period.start, ids)
    return {
        row.subject: tuple(map(DayCost, row.days, row.resource_types, row.costs))
        for row in connection.execute(text(_DAYS.format(column=column, whose=whose)), asked)
    }


def _months(
    connection: Connection, subject: str, whose: str, period: Period, ids: Sequence[str] = ()
) -> dict[str, list[MonthCost]]:
    found: dict[str, list[MonthCost]] = defaultdict(list)
    asked = _asked(period, _trend_start(period), ids)
    for row in connection.execute(text(_MONTHS.format(subject=subject, whose=whose)), asked):
        found[row.subject].append(MonthCost(row.month, row.subject, plain(row.cost)))
    return found


def _trend_start(period: Period) -> date:
    last = period.last_day
    months = last.year * 12 + last.month - TREND_MONTHS
    return date(months // 12, months % 12 + 1, 1)


def _teams(connection: Connection, period: Period, ids: Sequence[str]) -> dict[str, str | None]:
    """Of each user the one team that all it used and bears is of; None where there are several or none."""
    asked = _asked(period, period.previous().start, ids)
    return dict(connection.execute(text(_TEAMS_OF_USERS), asked).tuples().all())


def month(connection: Connection, period: Period) -> MonthFigures:
    """The overview's figures, beside those of the teams."""
    made_of = _made_of(connection, f"CAST('{NOBODY}' AS text)", _TEAMLESS, period).get(NOBODY, ())
    months = _months(connection, _BEARER, _TEAMLESS, period)
    asked = _asked(period, period.previous().start, ())
    sources = [
        SourceCost(row.name, plain(row.cost), plain(row.previous_cost))
        for row in connection.execute(text(_SOURCES), asked)
    ]
    return MonthFigures(
        period,
        settings().currency,
        money.exact_sum(source.cost for source in sources),
        money.exact_sum(source.previous_cost for source in sources),
        tuple(sources),
        tuple(made_of),
        tuple(month for bearer in months.values() for month in bearer),
        _checks(connection, period),
        unattributed(connection, period),
    )


def _checks(connection: Connection, period: Period) -> tuple[SourceCheck, ...]:
    found = []
    for source in reconciled_sources(connection, period):
        if source.role is not SourceRole.ALLOCATE:
            continue
        refused = money.exact_sum((source.quarantined.amount, source.waived.amount))
        waiting = money.exact_sum(
            (source.not_yet_invoiced, source.not_allocated, source.written_off)
        )
        difference = money.exact_sum(
            (source.difference.copy_abs(), source.allocation_difference.copy_abs(), Decimal(0))
        )
        found.append(
            SourceCheck(source.source, plain(source.received.amount), plain(source.ledger.amount), plain(refused),
                        plain(source.invoiced), plain(source.unattributed), plain(waiting), difference))  # fmt: skip
    return tuple(found)
