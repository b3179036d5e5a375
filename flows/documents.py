"""What flows do with documents: have them drawn, show them, tell of those that were sent."""

from collections.abc import Iterable
from typing import Any

from chargeback.ledger import invoices, publications
from chargeback.ledger.database import snapshot
from chargeback.periods import Period
from chargeback.settings import settings
from chargeback.views import InvoiceRow
from flows.page import Link
from flows.recording import Record, patiently
from flows.sharing_work import drawn_together
from flows.telling import tell
from tasks.publish_documents import cut_documents, publish_invoices


def draw_documents(record: Record, period: Period) -> None:
    """Publish the period's PDFs: here, or where they are many, cut into runs that every worker helps with.

    Rerun: the same files, nothing new.
    """
    cut = cut_documents(period.label)
    if len(cut["parts"]) > 1:
        helped = drawn_together(period.label, cut["parts"])
        record.say(
            f"{cut['documents']} documents drawn in {len(cut['parts'])} parts, {helped} of them by runs of their own"
        )
        return
    drawn = publish_invoices(period.label)
    record.say(f"{drawn['published']} documents drawn as PDF, {drawn['new']} of them new")


def show_documents(record: Record, period: Period) -> None:
    """Show the period's documents, each with a link to its PDF."""
    rows, pdfs = patiently(lambda: _found(period))
    record.show(
        "invoices",
        f"The documents of {period.label}.",
        [shown(row, row.number in pdfs) for row in reversed(rows)],
    )


def largest(period: Period, numbers: Iterable[str], most: int) -> list[dict[str, Any]]:
    """The largest of some documents of the period, as rows of a short table, each with a link to its PDF."""
    asked = set(numbers)
    rows, pdfs = patiently(lambda: _found(period))
    wanted = sorted((row for row in rows if row.number in asked), key=lambda row: -row.total)
    return [
        {name: cell for name, cell in shown(row, row.number in pdfs).items() if name in SHORT}
        for row in wanted[:most]
    ]


SHORT = ("number", "payer", "total", "PDF")


def shown(row: InvoiceRow, has_pdf: bool) -> dict[str, Any]:
    """A document as a row of a table."""
    return {
        "number": row.number,
        "payer": row.team_id or row.user_id or "all",
        "status": row.status.value,
        "total": f"{row.total:,.2f} {row.currency}",
        "due": row.due_date,
        "PDF": Link("PDF", pdf_url(row.number)) if has_pdf else None,
    }


def pdf_url(number: str) -> str:
    """Where people get the PDF of a document: from the HTTP API."""
    return f"{_base()}/api/chargeback/invoices/{number}/pdf"


def site_url() -> str:
    """Where people read the published reports: from the HTTP API, too."""
    return f"{_base()}/site"


def _base() -> str:
    base = settings().public_url or f"http://127.0.0.1:{settings().api_port}"
    return base.rstrip("/")


def tell_sent(period: Period, numbers: Iterable[str]) -> None:
    """Emit an event per invoice that was sent."""
    sent = set(numbers)
    if not sent:
        return
    rows, _ = patiently(lambda: _found(period))
    for row in rows:
        if row.number in sent:
            tell("invoice.sent", "invoice", row.number, {
                "period": period.label, "team_id": row.team_id, "user_id": row.user_id, "total": row.total,
                "currency": row.currency, "due_date": row.due_date, "status": row.status.value,
            })  # fmt: skip


def _found(period: Period) -> tuple[list[InvoiceRow], set[str]]:
    with snapshot() as connection:
        rows = [row for row in invoices.rows(connection, period) if row.period == period]
        return rows, set(publications.newest(connection, "invoice"))
