"""What a draft is while it is being made, and the open one a payer has already.

Owns finding drafts; writing them is `draft_writing`'s.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, text

from chargeback.errors import Refused
from chargeback.ledger import claims
from chargeback.payer import Payer
from chargeback.periods import Period
from chargeback.settings import settings
from models.enums import LineCause

MOST_LISTED = 2


@dataclass(frozen=True)
class Line:
    """One line to be written: everything of one resource type, unit and cause, in the period or late from one month.

    `corrects` are the payer's documents that billed what a correction takes back.
    """

    late_month: date | None
    cause: LineCause
    reallocation_id: int | None
    resource_type: str
    unit: str
    quantity: Decimal
    exact: Decimal
    reason: str | None
    corrects: tuple[str, ...]

    def description(self, period: Period) -> str:
        """What the line says it is for: what, of which month, why, and against which document."""
        if self.cause is LineCause.USAGE and self.late_month is None:
            return f"Usage of {self.resource_type}, {period.label}"
        of = f"{self.late_month:%Y-%m}" if self.late_month else period.label
        if self.cause is LineCause.USAGE:
            return f"Late usage for {of}: {self.resource_type}"
        billed = f", billed on {_listed(self.corrects)}" if self.corrects else ""
        if self.cause is LineCause.CORRECTION:
            return f"Correction for {of}: {self.resource_type}{billed}; its usage changed since"
        return f"Reallocation for {of}: {self.resource_type}{billed}; {self.reason}"


def _listed(numbers: Sequence[str]) -> str:
    """Document numbers in a row, the last few counted only."""
    if len(numbers) <= MOST_LISTED:
        return " and ".join(numbers)
    return f"{', '.join(numbers[:MOST_LISTED])} and {len(numbers) - MOST_LISTED} more"


@dataclass
class Draft:
    """A payer's draft on its way: what is billed to whom, and the document it has or will have."""

    place: int
    payer: Payer
    bill_to: dict[str, Any]
    net_days: int
    tax_rate: Decimal
    invoice_id: int | None = None
    number: str = ""
    ordinal: int | None = None
    is_outdated: bool = False
    is_from_run: bool = False
    occurrence: int = 1
    elsewhere: list[list[str]] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)


def lock_open(connection: Connection, period: Period) -> None:
    """Keep the period's open documents from moving on while it is decided who gets one.

    Who decides first and waits for them afterwards may find them sent, and would make second ones.
    """
    connection.execute(
        text("""SELECT FROM invoices WHERE kind = 'invoice' AND status IN ('draft', 'pending')
                  AND period_start = :start AND period_end = :end ORDER BY invoice_id FOR UPDATE"""),
        {"start": period.start, "end": period.end},
    )


def open_drafts(
    connection: Connection, payers: Sequence[Payer], period: Period, is_run: bool
) -> list[Draft]:
    """Each payer with its billing facts and its open draft, locked. Raises Refused for one that is pending."""
    values = {"start": period.start, "end": period.end}
    open_ones = """FROM invoices i JOIN payers p ON i.scope = p.scope
        AND i.team_id IS NOT DISTINCT FROM p.team_id AND i.user_id IS NOT DISTINCT FROM p.user_id
        WHERE i.kind = 'invoice' AND i.period_start = :start AND i.period_end = :end"""
    held = {
        row.place: row
        for row in connection.execute(
            text(f"""SELECT p.place, i.* {open_ones}
                     AND i.status IN ('draft', 'pending') ORDER BY i.invoice_id FOR UPDATE OF i"""),
            values,
        )
    }
    earlier = dict(
        connection.execute(text(f"SELECT p.place, count(*) {open_ones} GROUP BY p.place"), values)
        .tuples()
        .all()
    )
    elsewhere = claims.held_elsewhere(connection, payers, period, is_run)
    facts = connection.execute(
        text("""
            SELECT p.place, coalesce(t.name, u.name) AS name, coalesce(t.cost_center, u.cost_center) AS cost_center,
                coalesce(t.contact, u.contact) AS contact, coalesce(t.net_days, u.net_days) AS net_days,
                coalesce(t.tax_rate, u.tax_rate, 0) AS tax_rate
            FROM payers p LEFT JOIN teams t ON t.team_id = p.team_id
            LEFT JOIN users u ON u.user_id = p.user_id AND p.team_id IS NULL ORDER BY p.place""")
    )
    drafts = []
    for row in facts:
        payer, draft = payers[row.place], held.get(row.place)
        if draft is not None and draft.status == "pending":
            raise Refused(
                "invoice_pending",
                f"invoice {draft.number} of {payer} for {period.label} is pending and therefore frozen; "
                "send it, or move it back to draft to refresh it",
            )
        bill_to = {"id": payer.team_id or payer.user_id, "name": row.name or str(payer),
                   "cost_center": row.cost_center, "contact": row.contact}  # fmt: skip
        made = Draft(row.place, payer, bill_to, settings().net_days if row.net_days is None else row.net_days,
                     row.tax_rate, occurrence=earlier.get(row.place, 0) + 1,
                     elsewhere=elsewhere.get(row.place, []))  # fmt: skip
        if draft is not None:
            made.invoice_id, made.number = draft.invoice_id, draft.number
            made.is_outdated, made.is_from_run = _is_outdated(draft, made), draft.is_from_run
            made.occurrence = draft.occurrence
        drafts.append(made)
    return drafts


def _is_outdated(held: Any, made: Draft) -> bool:
    """Whether the draft lost claims, or says of its payer or of other documents what is no longer so."""
    said = (held.bill_to, held.net_days, held.tax_rate, held.held_elsewhere)
    is_said_alike = said == (made.bill_to, made.net_days, made.tax_rate, made.elsewhere)
    return bool(held.is_stale) or not is_said_alike
