"""Budgets of teams: written down from a payers file, held against what was spent, told of when passed.

What a team spent in a month is what it bears of the month's days by the allocations there are now; allocate first.
What it will have spent by the end is `chargeback.forecast`'s.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from chargeback import money
from chargeback.errors import Invalid
from chargeback.forecast import LOOKS_BACK_DAYS, Daily, forecast, part
from chargeback.identity import public_id
from chargeback.ledger import audit
from chargeback.ledger.invoices import plain
from chargeback.payers_file import PayersFile
from chargeback.periods import Period
from chargeback.settings import settings


@dataclass(frozen=True)
class BudgetStanding:
    """Where a team stands in a month, seen from `as_of`, the first day that is not over.

    Units: amounts exact in the ledger's currency; shares are parts of the budget, 1 is all of it; thresholds are
    percents. `amount` is None where the team has no budget, `forecast` where nothing is known of the days before.
    `passed` are the thresholds that were told of.
    """

    team_id: str
    name: str
    month: Period
    as_of: date
    currency: str
    amount: Decimal | None
    spent: Decimal
    forecast: Decimal | None
    thresholds: tuple[int, ...]
    passed: tuple[int, ...]

    @property
    def spent_share(self) -> Decimal | None:
        """How much of the budget is spent."""
        return None if self.amount is None else part(self.spent, self.amount)

    @property
    def forecast_share(self) -> Decimal | None:
        """How much of the budget will be, if the forecast is right."""
        if self.amount is None or self.forecast is None:
            return None
        return part(self.forecast, self.amount)

    @property
    def left(self) -> Decimal | None:
        """What is left of the budget; below 0 where more was spent."""
        return None if self.amount is None else money.EXACT.subtract(self.amount, self.spent)


@dataclass(frozen=True)
class Alert:
    """A threshold that was passed and of which nobody was told yet; its row is locked until the transaction ends."""

    alert_id: int
    event_id: UUID
    team_id: str
    month: date
    threshold: int
    amount: Decimal
    spent: Decimal
    noticed_at: Any


def put(connection: Connection, file: PayersFile, actor: str, entries: list[audit.Entry]) -> int:
    """Replace the budgets of each team that gives them; in how many teams that changed something."""
    changed = 0
    for team in file.teams:
        if team.budgets is None:
            continue
        wanted = sorted(
            (one.valid_from, one.valid_to, plain(one.amount), sorted(set(one.thresholds)))
            for one in team.budgets
        )
        held = [
            (row.valid_from, row.valid_to, plain(row.amount), row.thresholds)
            for row in connection.execute(_HELD, {"team": team.id})
        ]
        if held == wanted:
            continue
        changed += 1
        connection.execute(text("DELETE FROM budgets WHERE team_id = :team"), {"team": team.id})
        for valid_from, valid_to, amount, thresholds in wanted:
            connection.execute(
                _PUT,
                {"team": team.id, "from": valid_from, "to": valid_to, "amount": amount, "thresholds": thresholds},
            )  # fmt: skip
        before, after = {"budgets": held}, {"budgets": wanted}
        entries.append(audit.Entry(actor, "team.budgets_changed", "team", team.id, before, after))
    return changed


_HELD = text("""
    SELECT valid_from, valid_to, amount, thresholds FROM budgets WHERE team_id = :team ORDER BY valid_from
""")
_PUT = text("""
    INSERT INTO budgets (team_id, valid_from, valid_to, amount, thresholds)
    VALUES (:team, :from, :to, :amount, CAST(:thresholds AS integer[]))
""")

_DAILY = text("""
    SELECT a.team_id, a.usage_date, sum(a.cost) AS cost FROM cost_pools p JOIN allocations a USING (pool_id)
    WHERE p.retired_at IS NULL AND p.usage_date >= :start AND p.usage_date < :end AND a.team_id IS NOT NULL
      AND NOT EXISTS (SELECT FROM pool_allocations t WHERE t.allocation_id = a.allocation_id)
      AND (CAST(:teams AS text[]) IS NULL OR a.team_id = ANY (CAST(:teams AS text[])))
    GROUP BY a.team_id, a.usage_date
""")
_BUDGETS = text("""
    SELECT t.team_id, t.name, b.amount, b.thresholds,
        (SELECT array_agg(threshold ORDER BY threshold) FROM budget_alerts a
         WHERE a.team_id = t.team_id AND a.month = :start) AS passed
    FROM teams t LEFT JOIN budgets b ON b.team_id = t.team_id AND b.valid_from <= :start AND :start < b.valid_to
    WHERE CAST(:teams AS text[]) IS NULL OR t.team_id = ANY (CAST(:teams AS text[]))
    ORDER BY t.team_id COLLATE "C"
""")


def standings(
    connection: Connection, month: Period, as_of: date, teams: Collection[str] | None = None
) -> list[BudgetStanding]:
    """Where these teams stand in a calendar month, or all that have a budget or bear anything of it, by id.

    Raises Invalid for a period that is no calendar month.
    """
    if month != Period.month_of(month.start):
        raise Invalid(
            "budget_period_invalid",
            f"{month.label} is no calendar month, and budgets are; write one like 2026-10",
        )
    asked = None if teams is None else list(teams)
    daily = daily_costs(connection, _looked_at(month, as_of), asked)
    found = connection.execute(_BUDGETS, {"start": month.start, "teams": asked})
    every = (_standing(row, month, as_of, daily.get(row.team_id, {})) for row in found)
    return [one for one in every if asked is not None or one.amount is not None or one.spent]


def _looked_at(month: Period, as_of: date) -> Period:
    """The month's days, and those before that a forecast looks at."""
    return Period(min(month.start, as_of - timedelta(LOOKS_BACK_DAYS)), month.end)


def daily_costs(
    connection: Connection, period: Period, teams: Sequence[str] | None = None
) -> dict[str, Daily]:
    """What each team bears of each of the period's days, exact."""
    found: dict[str, dict[date, Decimal]] = {}
    asked = {"start": period.start, "end": period.end, "teams": teams}
    for row in connection.execute(_DAILY, asked):
        found.setdefault(row.team_id, {})[row.usage_date] = plain(row.cost)
    return dict(found)


def _standing(row: Any, month: Period, as_of: date, daily: Daily) -> BudgetStanding:
    told = forecast(daily, month, as_of)
    spent = money.exact_sum(cost for day, cost in daily.items() if month.start <= day < month.end)
    return BudgetStanding(
        row.team_id, row.name, month, as_of, settings().currency,
        None if row.amount is None else plain(row.amount), plain(spent), None if told is None else plain(told),
        tuple(row.thresholds or settings().thresholds) if row.amount is not None else (), tuple(row.passed or ()),
    )  # fmt: skip


def held_months(connection: Connection, as_of: date) -> list[Period]:
    """The calendar months that were over before `as_of` and of which every day since the first usage is held."""
    days = connection.execute(
        text(
            "SELECT min(usage_date) AS first, max(usage_date) AS last FROM cost_pools WHERE retired_at IS NULL"
        )
    ).one()
    if days.first is None:
        return []
    month, found = Period.month_of(days.first), []
    while month.end <= as_of and month.start <= days.last:
        if days.first <= month.start:
            found.append(month)
        month = Period.month_of(month.end)
    return found


def notice(connection: Connection, standing: Iterable[BudgetStanding], actor: str) -> int:
    """Write down the thresholds passed and not yet written down; how many are new.

    Rerun: each threshold of a team's month is written down once, by whoever comes first.
    """
    entries = []
    for one in standing:
        for threshold in _reached(one):
            values = _alert(one, threshold)
            if connection.execute(_NOTICE, values).rowcount:
                after = {
                    "threshold": threshold,
                    "amount": f"{one.amount:f}",
                    "spent": f"{one.spent:f}",
                }
                subject = f"{one.team_id} {one.month.label}"
                entries.append(audit.Entry(actor, "budget.passed", "budget", subject, None, after))
    audit.append(connection, *entries)
    return len(entries)


def _reached(one: BudgetStanding) -> list[int]:
    if one.amount is None:
        return []
    hundred = money.EXACT.multiply(one.spent, Decimal(100))
    return [
        threshold
        for threshold in one.thresholds
        if hundred >= money.EXACT.multiply(one.amount, Decimal(threshold))
    ]


def _alert(one: BudgetStanding, threshold: int) -> Mapping[str, Any]:
    event_id = public_id("budget", one.team_id, one.month.start.isoformat(), str(threshold))
    return {
        "team": one.team_id, "month": one.month.start, "threshold": threshold, "amount": one.amount,
        "spent": one.spent, "event_id": str(event_id),
    }  # fmt: skip


_NOTICE = text("""
    INSERT INTO budget_alerts (team_id, month, threshold, amount, spent, event_id)
    VALUES (:team, :month, :threshold, :amount, :spent, CAST(:event_id AS uuid))
    ON CONFLICT (team_id, month, threshold) DO NOTHING
""")


def untold(connection: Connection) -> list[int]:
    """The alerts that wait to be told, oldest first."""
    return list(
        connection.execute(
            text("SELECT alert_id FROM budget_alerts WHERE told_at IS NULL ORDER BY alert_id")
        ).scalars()
    )


def lock(connection: Connection, alert_id: int) -> Alert | None:
    """The alert, locked to be told now; None where it was told or another process is telling it."""
    row = connection.execute(
        text("""SELECT alert_id, event_id, team_id, month, threshold, amount, spent, noticed_at FROM budget_alerts
                WHERE alert_id = :id AND told_at IS NULL FOR UPDATE SKIP LOCKED"""),
        {"id": alert_id},
    ).one_or_none()
    return None if row is None else Alert(*row)


def note_attempt(connection: Connection, alert_id: int, *, is_told: bool) -> None:
    """Note that the alert was told, or that it was tried in vain and waits for the next try."""
    connection.execute(
        text("""UPDATE budget_alerts SET attempts = attempts + 1, told_at = CASE WHEN :told THEN now() END
                WHERE alert_id = :id"""),
        {"id": alert_id, "told": is_told},
    )
