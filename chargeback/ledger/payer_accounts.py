"""What each payer bears of a period beside what it was billed and credited: exact, before any rounding on paper.

Owns the figures; that they tie is part of the reconciliation. A payer is who an invoice-run bills: a team, or a
user charged alone.
"""

from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import Connection, text

from chargeback import money
from chargeback.payer import Payer
from chargeback.periods import Period


@dataclass(frozen=True)
class PayerAccount:
    """One payer's cost of a period's days; `payer` is None for what nobody bears.

    `borne`: its allocations, corrections and all. `billed`: on documents ever issued; `credited`: of it on those
    cancelled since. `written_off`: on cancelled documents that kept their claims, or correcting such a share.
    `waiting`: on no issued document.
    """

    payer: Payer | None
    borne: Decimal
    billed: Decimal
    credited: Decimal
    written_off: Decimal
    waiting: Decimal

    @property
    def charged(self) -> Decimal:
        """What its documents come to: billed less credited."""
        return money.EXACT.subtract(self.billed, self.credited)

    @property
    def difference(self) -> Decimal:
        """What it bears and is neither charged for, nor let off, nor to be billed; 0, or the books are broken."""
        return money.EXACT.subtract(
            self.borne, money.exact_sum((self.charged, self.written_off, self.waiting))
        )


_ACCOUNTS = text("""
    WITH counted AS (
        SELECT a.team_id, CASE WHEN a.team_id IS NULL THEN a.user_id END AS user_id, a.cost AS borne,
            0 AS billed, 0 AS credited,
            CASE WHEN a.is_written_off OR i.status = 'cancelled' THEN a.cost ELSE 0 END AS written_off,
            CASE WHEN NOT a.is_written_off AND (i.status IS NULL OR i.status IN ('draft', 'pending'))
                 THEN a.cost ELSE 0 END AS waiting
        FROM allocations a JOIN cost_pools p USING (pool_id)
        LEFT JOIN line_allocations c ON c.allocation_id = a.allocation_id AND c.released_by_line_id IS NULL
        LEFT JOIN invoice_lines l USING (line_id) LEFT JOIN invoices i USING (invoice_id)
        WHERE p.retired_at IS NULL AND a.usage_date >= :start AND a.usage_date < :end
          AND NOT EXISTS (SELECT FROM pool_allocations t WHERE t.allocation_id = a.allocation_id)
        UNION ALL
        SELECT a.team_id, CASE WHEN a.team_id IS NULL THEN a.user_id END, 0, a.cost,
            CASE WHEN i.status = 'cancelled' THEN a.cost ELSE 0 END, 0, 0
        FROM allocations a JOIN line_allocations c USING (allocation_id)
        JOIN invoice_lines l USING (line_id) JOIN invoices i USING (invoice_id)
        WHERE a.usage_date >= :start AND a.usage_date < :end AND i.status IN ('sent', 'overdue', 'paid', 'cancelled'))
    SELECT team_id, user_id, sum(borne) AS borne, sum(billed) AS billed, sum(credited) AS credited,
        sum(written_off) AS written_off,
        sum(waiting) AS waiting
    FROM counted GROUP BY team_id, user_id
    ORDER BY team_id COLLATE "C" NULLS LAST, user_id COLLATE "C" NULLS LAST
""")


def payer_accounts(connection: Connection, period: Period) -> tuple[PayerAccount, ...]:
    """An account per payer with anything of the period's days: teams, users charged alone, then nobody."""
    rows = connection.execute(_ACCOUNTS, {"start": period.start, "end": period.end})
    return tuple(
        PayerAccount(
            Payer(row.team_id, row.user_id) if row.team_id or row.user_id else None,
            row.borne, row.billed, row.credited, row.written_off, row.waiting,
        )
        for row in rows
    )  # fmt: skip
