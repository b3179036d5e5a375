"""What a document may claim: allocations no other document holds, in its period or late.

Owns the temporary tables `payers` (who is billed, by place) and `wanted` (what each may claim now).
"""

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, text

from chargeback import money
from chargeback.ledger.staging import stage
from chargeback.payer import Payer
from chargeback.periods import Period

ISSUED = "('sent', 'overdue', 'paid')"

# Why a pool is there, as the lines that claim of it say.
CAUSE = """CASE WHEN p.reallocation_id IS NOT NULL THEN 'reallocation' WHEN p.kind = 'usage' THEN 'usage'
    ELSE 'correction' END"""

# Claimable: of a living pool, borne by somebody, neither passed on nor written off, on no document. A retired
# pool counts nowhere.
_OPEN = f"""
    SELECT a.allocation_id, a.usage_date, a.team_id, a.user_id, a.cost, a.quantity, p.resource_type, p.unit,
        p.reallocation_id, p.of_pool_id, {CAUSE} AS cause
    FROM allocations a JOIN cost_pools p USING (pool_id)
    WHERE p.retired_at IS NULL AND a.usage_date < :end AND (a.team_id IS NOT NULL OR a.user_id IS NOT NULL)
      AND NOT a.is_written_off
      AND NOT EXISTS (SELECT FROM line_allocations c
                      WHERE c.allocation_id = a.allocation_id AND c.released_by_line_id IS NULL)
      AND NOT EXISTS (SELECT FROM pool_allocations t WHERE t.allocation_id = a.allocation_id)
"""  # noqa: S608 - made of constants only

# Earlier days for which an invoice-run issued invoices: what turns up there afterwards is late.
# Both tests are sets that are made once and hashed: asked per allocation they would cost invoices times history.
_COVERED_BY_RUN = f"""o.usage_date IN (
    SELECT d.usage_date FROM allocation_days d
    JOIN (SELECT DISTINCT period_start, period_end FROM invoices
          WHERE is_from_run AND kind = 'invoice' AND status IN {ISSUED}) r
      ON r.period_start <= d.usage_date AND d.usage_date < r.period_end)"""  # noqa: S608 - made of constants only


def _covered_by_payer(payer: str) -> str:
    """Whether an issued invoice of the same payer (a table's alias) covers the day of `o`."""
    return f"""({payer}.scope, coalesce({payer}.team_id, ''), coalesce({payer}.user_id, ''), o.usage_date) IN (
        SELECT r.scope, coalesce(r.team_id, ''), coalesce(r.user_id, ''), d.usage_date
        FROM invoices r JOIN allocation_days d ON r.period_start <= d.usage_date AND d.usage_date < r.period_end
        WHERE r.kind = 'invoice' AND r.status IN {ISSUED})"""  # noqa: S608 - made of constants only


# Who bears an allocation, per scope. In a run a user's own invoice takes only what no team bears.
_BEARS = {
    "team": "o.team_id = p.team_id",
    "user": "o.user_id = p.user_id AND (NOT :is_run OR o.team_id IS NULL)",
    "team_user": "o.team_id = p.team_id AND o.user_id = p.user_id",
    "all": "true",
}

_RUN_PAYERS = text(f"""
    WITH billable AS (
        SELECT DISTINCT o.team_id, o.user_id
        FROM (SELECT CASE WHEN team_id IS NULL THEN 'user' ELSE 'team' END AS scope, team_id,
                  CASE WHEN team_id IS NULL THEN user_id END AS user_id, usage_date FROM ({_OPEN}) open) o
        WHERE o.usage_date >= :start OR {_COVERED_BY_RUN} OR {_covered_by_payer("o")}),
    found AS (
        SELECT team_id, user_id FROM billable
        UNION SELECT team_id, user_id FROM invoices
              WHERE kind = 'invoice' AND status = 'draft' AND scope IN ('team', 'user')
                AND period_start = :start AND period_end = :end)
    SELECT team_id, user_id FROM found f
    WHERE NOT EXISTS (
        SELECT FROM invoices i
        WHERE i.kind = 'invoice' AND i.status IN ('pending', 'sent', 'overdue', 'paid')
          AND i.scope = CASE WHEN f.user_id IS NULL THEN 'team' ELSE 'user' END
          AND i.team_id IS NOT DISTINCT FROM f.team_id AND i.user_id IS NOT DISTINCT FROM f.user_id
          AND i.period_start = :start AND i.period_end = :end)
      AND NOT EXISTS (
        SELECT FROM invoices i JOIN invoice_lines l USING (invoice_id) JOIN line_allocations c USING (line_id)
        JOIN allocations a USING (allocation_id)
        WHERE i.status = 'draft' AND NOT i.is_from_run AND i.scope = 'user' AND i.user_id = f.user_id
          AND i.period_start = :start AND i.period_end = :end AND a.team_id IS NOT NULL)
    ORDER BY team_id COLLATE "C" NULLS LAST, user_id COLLATE "C"
""")  # noqa: S608 - made of constants only


def lock_days(connection: Connection, period: Period) -> None:
    """Keep the allocations of every day that may be claimed from being replaced, or claimed, meanwhile.

    Drafting takes turns: two at once would reach for the same numbers and allocations.
    """
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('drafting', 0))"))
    connection.execute(
        text("SELECT FROM allocation_days WHERE usage_date < :end ORDER BY usage_date FOR SHARE"),
        {"end": period.end},
    )


def run_payers(connection: Connection, period: Period) -> list[Payer]:
    """Who an invoice-run bills: teams, then users charged alone; not those whose period was issued or is pending.

    A draft somebody made by hand for all that a user bears is left to that person: a run would take from it
    what teams bear.
    """
    found = connection.execute(_RUN_PAYERS, {"start": period.start, "end": period.end})
    return [Payer(*row) for row in found]


def stage_payers(connection: Connection, payers: Sequence[Payer]) -> None:
    """Number the payers by their place in the list."""
    rows = [(place, p.scope.value, p.team_id, p.user_id) for place, p in enumerate(payers)]
    stage(connection, "payers", "place integer, scope text, team_id text, user_id text", rows)


def find_wanted(
    connection: Connection, payers: Iterable[Payer], period: Period, is_run: bool
) -> None:
    """Fill `wanted`: the allocations each payer's document may claim now, in the period or late."""
    covered = f"({_covered_by_payer('p')} OR (:is_run AND {_COVERED_BY_RUN}))"
    parts = [
        f"""SELECT p.place, o.*, CASE WHEN o.usage_date < :start
                THEN date_trunc('month', o.usage_date)::date END AS late_month
            FROM payers p JOIN ({_OPEN}) o ON {_BEARS[scope]}
            WHERE p.scope = '{scope}' AND (o.usage_date >= :start OR {covered})"""  # noqa: S608 - made of constants only
        for scope in sorted({payer.scope.value for payer in payers})
    ]
    connection.execute(text("DROP TABLE IF EXISTS pg_temp.wanted"))
    connection.execute(
        text("CREATE TEMPORARY TABLE wanted ON COMMIT DROP AS " + " UNION ALL ".join(parts)),
        {"start": period.start, "end": period.end, "is_run": is_run},
    )
    connection.execute(text("ANALYZE pg_temp.wanted"))


def held_elsewhere(
    connection: Connection, payers: Iterable[Payer], period: Period, is_run: bool
) -> dict[int, list[list[str]]]:
    """Per place: number and exact amount of what other documents hold of the payer's cost in the period.

    A draft of the payer's own scope and period is not another document.
    """
    parts = [
        f"""SELECT p.place, i.number, sum(o.cost) AS cost
            FROM payers p JOIN allocations o ON {_BEARS[scope]}
            JOIN line_allocations c ON c.allocation_id = o.allocation_id AND c.released_by_line_id IS NULL
            JOIN invoice_lines l USING (line_id) JOIN invoices i USING (invoice_id)
            WHERE p.scope = '{scope}' AND o.usage_date >= :start AND o.usage_date < :end
              AND NOT (i.status = 'draft' AND i.scope = p.scope AND i.team_id IS NOT DISTINCT FROM p.team_id
                AND i.user_id IS NOT DISTINCT FROM p.user_id AND i.period_start = :start AND i.period_end = :end)
            GROUP BY p.place, i.number"""  # noqa: S608 - made of constants only
        for scope in sorted({payer.scope.value for payer in payers})
    ]
    query = " UNION ALL ".join(parts)
    held: dict[int, list[list[str]]] = {}
    values = {"start": period.start, "end": period.end, "is_run": is_run}
    for place, number, cost in connection.execute(text(query), values):
        held.setdefault(place, []).append([number, f"{money.EXACT.normalize(cost):f}"])
    return {place: sorted(documents) for place, documents in held.items()}


def foreign_drafts(connection: Connection, period: Period) -> list[str]:
    """Numbers of documents still open, made by hand for another scope or period, that hold cost of the period."""
    found = connection.execute(
        text("""
            SELECT DISTINCT i.number FROM cost_pools p JOIN allocations a USING (pool_id)
            JOIN line_allocations c ON c.allocation_id = a.allocation_id AND c.released_by_line_id IS NULL
            JOIN invoice_lines l USING (line_id) JOIN invoices i USING (invoice_id)
            WHERE p.usage_date >= :start AND p.usage_date < :end AND i.status IN ('draft', 'pending')
              AND NOT (i.is_from_run AND i.period_start = :start AND i.period_end = :end)
            ORDER BY i.number"""),
        {"start": period.start, "end": period.end},
    )
    return list(found.scalars())
