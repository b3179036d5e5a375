"""Reading documents back: one whole, or many in a row."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, text

from chargeback import money
from chargeback.periods import Period
from chargeback.views import AnnexRow, BillTo, InvoiceRow, InvoiceView, LineView, SplitRow
from models.enums import DocumentKind, InvoiceStatus, LineCause, LineKind, RuleType, Scope


def views(
    connection: Connection,
    invoice_ids: Sequence[int],
    *,
    with_annex: bool = True,
    with_splits: bool = False,
) -> list[InvoiceView]:
    """These documents whole, in the order of their ids; `with_annex` False leaves out who used what, and splits.

    `with_splits` brings how shared cost was split without the annex.
    """
    ids = {"ids": list(invoice_ids)}
    rows = connection.execute(
        text("""
            SELECT i.*, c.number AS credits_number, n.number AS credited_by_number
            FROM invoices i LEFT JOIN invoices c ON c.invoice_id = i.credits_invoice_id
            LEFT JOIN invoices n ON n.credits_invoice_id = i.invoice_id
            WHERE i.invoice_id = ANY (:ids) ORDER BY i.invoice_id"""),
        ids,
    ).all()
    lines: dict[int, list[LineView]] = {row.invoice_id: [] for row in rows}
    for line in connection.execute(
        text(
            """SELECT * FROM invoice_lines WHERE invoice_id = ANY (:ids) ORDER BY invoice_id, position"""
        ),
        ids,
    ):
        lines[line.invoice_id].append(line_of(line))
    annexes = _annexes(connection, ids) if with_annex else {}
    splits = _splits(connection, ids) if with_annex or with_splits else {}
    return [
        _view(
            row,
            lines[row.invoice_id],
            annexes.get(row.invoice_id, []),
            splits.get(row.invoice_id, []),
        )
        for row in rows
    ]


def line_of(line: Any) -> LineView:
    """A row of `invoice_lines` as it stands on the document."""
    return LineView(
        line.position, LineKind(line.kind), line.description, line.resource_type, line.unit,
        plain(line.quantity), plain(line.exact_amount), plain(line.amount), LineCause(line.cause),
    )  # fmt: skip


def _annexes(connection: Connection, ids: dict[str, list[int]]) -> dict[int, list[AnnexRow]]:
    """Per document, what each user through each agent adds to it.

    A share of a divided pool belongs to the payer's user and to no agent.
    """
    rows = connection.execute(
        text("""
            WITH claimed AS (
                SELECT l.invoice_id, l.line_id, a.allocation_id, a.pool_id, a.team_id, a.user_id, a.cost, a.quantity,
                    l.resource_type, l.unit, p.split_digest IS NOT NULL AS is_divided
                FROM invoice_lines l JOIN line_allocations c USING (line_id)
                JOIN allocations a USING (allocation_id) JOIN cost_pools p USING (pool_id)
                WHERE l.invoice_id = ANY (:ids)),
            used AS (
                SELECT pool_id, cell_id, user_id, team_id FROM pool_cells
                UNION ALL SELECT pool_id, cell_id, user_id, team_id FROM retired_pool_cells),
            parts AS (
                SELECT invoice_id, user_id, NULL AS agent_id, resource_type, unit, quantity, cost, is_divided
                FROM claimed WHERE is_divided
                UNION ALL
                SELECT k.invoice_id, u.user_id, c.agent_id, k.resource_type, k.unit, c.quantity, c.cost, false
                FROM claimed k JOIN used u ON u.pool_id = k.pool_id AND u.user_id IS NOT DISTINCT FROM k.user_id
                JOIN usage_cells c USING (cell_id) WHERE NOT is_divided)
            SELECT invoice_id, user_id, agent_id, resource_type, unit, is_divided, sum(quantity) AS quantity,
                sum(cost) AS cost
            FROM parts GROUP BY 1, 2, 3, 4, 5, 6
            ORDER BY 1, user_id COLLATE "C" NULLS LAST, agent_id COLLATE "C" NULLS LAST,
                resource_type COLLATE "C", unit COLLATE "C", is_divided"""),
        ids,
    )
    found: dict[int, list[AnnexRow]] = {}
    for row in rows:
        found.setdefault(row.invoice_id, []).append(
            AnnexRow(
                row.user_id,
                row.agent_id,
                row.resource_type,
                row.unit,
                plain(row.quantity),
                plain(row.cost),
                row.is_divided,
            )
        )
    return found


def _splits(connection: Connection, ids: dict[str, list[int]]) -> dict[int, list[SplitRow]]:
    """Per document, how the shared cost that its lines bill was divided."""
    rows = connection.execute(
        text("""
            SELECT invoice_id, position, rule_id, version, min(name) AS name, min(rule_type) AS rule_type,
                sum(shared) AS shared, sum(cost) AS cost, max(payers) AS payers,
                CASE WHEN min(weight) = max(weight) AND min(weights) = max(weights) THEN min(weight) END AS weight,
                min(weights) AS weights
            FROM seen_splits WHERE invoice_id = ANY (:ids)
            GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, rule_id COLLATE "C", version"""),
        ids,
    )
    found: dict[int, list[SplitRow]] = {}
    for row in rows:
        weights = None if row.weight is None else plain(row.weights)
        found.setdefault(row.invoice_id, []).append(
            SplitRow(
                row.position, row.rule_id, row.version, row.name, RuleType(row.rule_type), plain(row.shared),
                plain(row.cost), row.payers, None if row.weight is None else plain(row.weight), weights,
            )
        )  # fmt: skip
    return found


def _view(
    row: Any, lines: Sequence[LineView], annex: Sequence[AnnexRow], splits: Sequence[SplitRow]
) -> InvoiceView:
    return InvoiceView(
        invoice_id=str(row.public_id),
        kind=DocumentKind(row.kind),
        number=row.number,
        revision=row.revision,
        status=InvoiceStatus(row.status),
        scope=Scope(row.scope),
        team_id=row.team_id,
        user_id=row.user_id,
        bill_to=BillTo(**row.bill_to),
        period=Period(row.period_start, row.period_end),
        issue_date=row.issue_date,
        due_date=row.due_date,
        paid_date=row.paid_date,
        currency=row.currency,
        lines=tuple(lines),
        exact_total=plain(row.exact_total),
        subtotal=plain(row.subtotal),
        rounding_difference=plain(row.rounding_difference),
        tax_rate=plain(row.tax_rate),
        tax=plain(row.tax),
        total=plain(row.total),
        is_stale=row.is_stale,
        credits_number=row.credits_number,
        credited_by_number=row.credited_by_number,
        held_elsewhere=tuple((number, Decimal(amount)) for number, amount in row.held_elsewhere),
        annex=tuple(annex),
        splits=tuple(splits),
    )


def plain(amount: Decimal) -> Decimal:
    """The amount without the zeros that a column of 18 decimals adds; never in exponent form."""
    return Decimal(f"{money.EXACT.normalize(amount):f}")


def rows(
    connection: Connection,
    period: Period | None = None,
    team_id: str | None = None,
    user_id: str | None = None,
    status: InvoiceStatus | None = None,
    kind: DocumentKind | None = None,
) -> list[InvoiceRow]:
    """Documents, newest first; of a period those that begin in it."""
    found = connection.execute(
        text("""
            SELECT * FROM invoices
            WHERE (CAST(:start AS date) IS NULL OR (period_start >= :start AND period_start < :end))
              AND (CAST(:team AS text) IS NULL OR team_id = :team)
              AND (CAST(:user AS text) IS NULL OR user_id = :user)
              AND (CAST(:status AS text) IS NULL OR status = :status)
              AND (CAST(:kind AS text) IS NULL OR kind = :kind)
            ORDER BY invoice_id DESC"""),
        {"start": period.start if period else None, "end": period.end if period else date.max,
         "team": team_id, "user": user_id, "status": status and status.value, "kind": kind and kind.value},
    )  # fmt: skip
    return [row_of(row) for row in found]


def published_ids(
    connection: Connection, period: Period, first: str | None = None, last: str | None = None
) -> list[int]:
    """The documents of the period that have a PDF, in the order of their ids: all, or from number to number."""
    return [row.invoice_id for row in _published(connection, period, first, last)]


def published_numbers(connection: Connection, period: Period) -> list[str]:
    """The numbers of the same, in the same order."""
    return [row.number for row in _published(connection, period, None, None)]


def _published(
    connection: Connection, period: Period, first: str | None, last: str | None
) -> Sequence[Any]:
    return connection.execute(
        text("""SELECT invoice_id, number FROM invoices
                WHERE period_start >= :start AND period_end <= :end
                  AND (CAST(:first AS text) IS NULL
                    OR invoice_id >= (SELECT invoice_id FROM invoices WHERE number = :first))
                  AND (CAST(:last AS text) IS NULL
                    OR invoice_id <= (SELECT invoice_id FROM invoices WHERE number = :last))
                  AND (status <> 'cancelled' OR content_hash IS NOT NULL) ORDER BY invoice_id"""),
        {"start": period.start, "end": period.end, "first": first, "last": last},
    ).all()


def row_of(row: Any) -> InvoiceRow:
    """A row of `invoices` as it stands in a list."""
    return InvoiceRow(
        str(row.public_id), DocumentKind(row.kind), row.number, Scope(row.scope), row.team_id, row.user_id,
        Period(row.period_start, row.period_end), InvoiceStatus(row.status), row.is_stale,
        row.issue_date, row.due_date, plain(row.total), row.currency,
    )  # fmt: skip
