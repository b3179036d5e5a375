"""What the ledger says, read by the tests' own SQL and in units of 10⁻¹⁸, to be held against the truth."""

from collections import defaultdict

from sqlalchemy import Connection, text

from chargeback.periods import Period
from tests.scenarios.truth import Paper, Payer, units

Borne = dict[Payer, dict[str, int]]
_LIVING = """FROM allocations a JOIN cost_pools p USING (pool_id) WHERE p.retired_at IS NULL
    AND NOT EXISTS (SELECT FROM pool_allocations t WHERE t.allocation_id = a.allocation_id)"""
_CLAIM = """FROM line_allocations k JOIN invoice_lines l USING (line_id) JOIN invoices i USING (invoice_id)
    WHERE k.allocation_id = a.allocation_id AND k.released_by_line_id IS NULL"""


def papers(connection: Connection) -> dict[str, Paper]:
    """Every document as it is, oldest first."""
    rows = connection.execute(
        text("""SELECT i.number, i.kind, i.status, i.team_id, i.user_id, i.exact_total, i.total, i.due_date,
                    i.is_from_run, i.period_start, i.period_end, c.number AS credits
                FROM invoices i LEFT JOIN invoices c ON c.invoice_id = i.credits_invoice_id
                ORDER BY i.invoice_id""")
    )
    return {
        row.number: Paper(
            row.status, units(row.exact_total), units(row.total), row.due_date, (row.team_id, row.user_id),
            Period(row.period_start, row.period_end).label, row.is_from_run, row.credits,
        )
        for row in rows
    }  # fmt: skip


def billed(connection: Connection) -> int:
    """What issued documents claim, exactly, less what credit notes gave back."""
    found = connection.execute(
        text(f"SELECT coalesce(sum(a.cost), 0) {_LIVING} AND EXISTS"
             f" (SELECT {_CLAIM} AND i.status IN ('sent', 'overdue', 'paid'))")
    )  # fmt: skip
    return units(found.scalar_one())


def borne(connection: Connection) -> Borne:
    """What each payer bears of each day."""
    rows = connection.execute(
        text(f"SELECT a.team_id, a.user_id, a.usage_date::text, sum(a.cost) {_LIVING} GROUP BY 1, 2, 3")
    )  # fmt: skip
    found: Borne = defaultdict(dict)
    for team, user, day, cost in rows:
        found[team, user][day] = units(cost)
    return found


def accounted(connection: Connection) -> dict[Payer, int]:
    """What each payer was asked for on paper, or let off."""
    rows = connection.execute(
        text(f"SELECT a.team_id, a.user_id, sum(a.cost) {_LIVING} AND (a.is_written_off OR EXISTS"
             f" (SELECT {_CLAIM} AND i.content_hash IS NOT NULL)) GROUP BY 1, 2")
    )  # fmt: skip
    return {(team, user): units(cost) for team, user, cost in rows}


def unclaimed(connection: Connection, period: Period) -> set[Payer]:
    """Who has cost in these days that is on no document: teams, and users charged alone."""
    rows = connection.execute(
        text(f"""SELECT DISTINCT a.team_id, CASE WHEN a.team_id IS NULL THEN a.user_id END {_LIVING}
                 AND (a.team_id IS NOT NULL OR a.user_id IS NOT NULL) AND NOT a.is_written_off
                 AND a.usage_date >= :start AND a.usage_date < :end AND NOT EXISTS (SELECT {_CLAIM})"""),
        {"start": period.start, "end": period.end},
    )
    return {(team, user) for team, user in rows}


def is_allocated(connection: Connection) -> bool:
    """Whether no day waits for its allocation."""
    return not connection.execute(
        text("SELECT EXISTS (SELECT FROM allocation_days WHERE is_dirty)")
    ).scalar_one()
