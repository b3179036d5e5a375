"""What goes into a month's archive beside its usage: copies of its allocations, documents, lines and claims.

These stay in the ledger, where late usage, cancellations and proofs rest on them.
"""

from collections.abc import Iterator
from datetime import date
from typing import Any

from sqlalchemy import Connection, text

from chargeback.periods import Period

ROWS_PER_FETCH = 20_000

_COPIES = {
    "allocations": """
        SELECT a.allocation_id, a.usage_date, a.team_id, a.user_id, a.cost, a.quantity, a.weight, a.pool_id,
            s.name AS source, r.rule_id, r.version AS rule_version, p.resource_type, p.unit
        FROM allocations a JOIN cost_pools p USING (pool_id) JOIN allocation_rules r USING (rule_key)
        JOIN usage_sources s USING (source_id)
        WHERE a.usage_date >= :start AND a.usage_date < :end ORDER BY a.allocation_id""",
    "invoices": """
        SELECT i.number, i.public_id, i.kind, i.status, i.scope, i.team_id, i.user_id, i.period_start, i.period_end,
            i.currency, i.exact_total, i.subtotal, i.rounding_difference, i.tax_rate, i.tax, i.total, i.issue_date,
            i.due_date, i.paid_date, i.bill_to, encode(i.content_hash, 'hex') AS content_hash, i.invoice_id
        FROM invoices i WHERE i.period_start >= :start AND i.period_start < :end ORDER BY i.invoice_id""",
    "invoice-lines": """
        SELECT i.number, l.position, l.kind, l.late_month, l.resource_type, l.unit, l.description, l.quantity,
            l.exact_amount, l.amount, l.line_id
        FROM invoice_lines l JOIN invoices i USING (invoice_id)
        WHERE i.period_start >= :start AND i.period_start < :end ORDER BY i.invoice_id, l.position""",
    "claims": """
        SELECT i.number, l.position, c.allocation_id, c.released_by_line_id
        FROM line_allocations c JOIN invoice_lines l USING (line_id) JOIN invoices i USING (invoice_id)
        WHERE i.period_start >= :start AND i.period_start < :end
        ORDER BY i.invoice_id, l.position, c.allocation_id""",
}


def copies(
    connection: Connection, month: date
) -> Iterator[tuple[str, list[str], Iterator[tuple[str | None, ...]]]]:
    """Per kind its name, its columns and its rows as text; a bounded number of rows in memory."""
    end = Period.month_of(month).end
    for name, query in _COPIES.items():
        found = connection.execute(
            text(query),
            {"start": month, "end": end},
            execution_options={"stream_results": True, "yield_per": ROWS_PER_FETCH},
        )
        yield name, list(found.keys()), (tuple(map(_text, row)) for row in found)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
