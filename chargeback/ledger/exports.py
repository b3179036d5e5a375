"""What leaves for other systems: issued documents for the journal, charges for FOCUS.

Owns reading them, set-based; how they are written is the documents' business.
"""

from collections import defaultdict
from typing import Any

from sqlalchemy import Connection, text

from chargeback.ledger.invoices import plain
from chargeback.periods import Period
from chargeback.views import ChargeRow, PostedDocument, PostedLine
from models.enums import DocumentKind, InvoiceStatus

# Issued once, whatever became of it since; a cancelled invoice stands beside its credit note.
_DOCUMENTS = text("""
    SELECT i.*, c.number AS credits_number
    FROM invoices i LEFT JOIN invoices c ON c.invoice_id = i.credits_invoice_id
    WHERE i.period_start >= :start AND i.period_end <= :end
      AND i.content_hash IS NOT NULL AND i.status NOT IN ('draft', 'pending')
    ORDER BY i.invoice_id
""")
_LINES = text("""
    SELECT l.* FROM invoice_lines l WHERE l.invoice_id = ANY (:ids) ORDER BY l.invoice_id, l.position
""")


def posted_documents(connection: Connection, period: Period) -> list[PostedDocument]:
    """The documents issued for the days of the period, oldest first."""
    rows = connection.execute(_DOCUMENTS, {"start": period.start, "end": period.end}).all()
    lines: dict[int, list[PostedLine]] = defaultdict(list)
    for line in connection.execute(_LINES, {"ids": [row.invoice_id for row in rows]}):
        lines[line.invoice_id].append(_line(line))
    return [_document(row, lines[row.invoice_id]) for row in rows]


def _line(line: Any) -> PostedLine:
    return PostedLine(
        line.position, line.description, line.resource_type, line.unit, line.team_id, line.late_month,
        plain(line.quantity), plain(line.exact_amount), plain(line.amount),
    )  # fmt: skip


def _document(row: Any, lines: list[PostedLine]) -> PostedDocument:
    bill_to = row.bill_to
    return PostedDocument(
        kind=DocumentKind(row.kind),
        number=row.number,
        status=InvoiceStatus(row.status),
        payer_id=bill_to["id"],
        payer=bill_to["name"],
        cost_center=bill_to["cost_center"],
        period=Period(row.period_start, row.period_end),
        issue_date=row.issue_date,
        due_date=row.due_date,
        currency=row.currency,
        subtotal=plain(row.subtotal),
        tax=plain(row.tax),
        total=plain(row.total),
        credits_number=row.credits_number,
        lines=tuple(lines),
    )


def team_cost_centers(connection: Connection) -> dict[str, str | None]:
    """The cost centre of each team as it is today."""
    return dict(connection.execute(text("SELECT team_id, cost_center FROM teams")).tuples().all())


_CHARGES = text("""
    SELECT p.usage_date, s.name AS source, r.rule_id, r.version AS rule_version, r.name AS rule_name,
        a.team_id, a.user_id, coalesce(u.name, t.name, 'Unattributed') AS payer_name, p.resource_type, p.unit,
        i.number, sum(a.cost) AS cost, sum(a.quantity) AS quantity
    FROM cost_pools p JOIN allocations a USING (pool_id) JOIN allocation_rules r USING (rule_key)
    JOIN usage_sources s USING (source_id)
    LEFT JOIN teams t ON t.team_id = a.team_id
    LEFT JOIN users u ON u.user_id = a.user_id AND a.team_id IS NULL
    LEFT JOIN line_allocations c ON c.allocation_id = a.allocation_id AND c.released_by_line_id IS NULL
    LEFT JOIN invoice_lines l USING (line_id)
    LEFT JOIN invoices i ON i.invoice_id = l.invoice_id AND i.status NOT IN ('draft', 'pending')
    WHERE p.retired_at IS NULL AND p.usage_date >= :start AND p.usage_date < :end
      AND NOT EXISTS (SELECT FROM pool_allocations t WHERE t.allocation_id = a.allocation_id)
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
    ORDER BY 1, s.name COLLATE "C", r.rule_id COLLATE "C", 4, a.team_id COLLATE "C" NULLS LAST,
        a.user_id COLLATE "C" NULLS LAST, p.resource_type COLLATE "C", p.unit COLLATE "C",
        i.number COLLATE "C" NULLS LAST
""")


def charges(connection: Connection, period: Period) -> list[ChargeRow]:
    """Who bears what of each day of the period, and on which issued document it is."""
    found = connection.execute(_CHARGES, {"start": period.start, "end": period.end}).mappings()
    return [
        ChargeRow(**{**row, "cost": plain(row["cost"]), "quantity": plain(row["quantity"])})
        for row in found
    ]
