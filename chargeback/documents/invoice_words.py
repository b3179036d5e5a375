"""What an invoice says in words: its title, its state, its dates, its small print.

Owns the phrases, so that the layout owns none. Pure text from an InvoiceView.
"""

from collections.abc import Sequence

from chargeback.documents.wording import exact, long_date, long_period, money, percent
from chargeback.views import InvoiceView
from models.enums import DocumentKind, InvoiceStatus

_LABELS = {
    InvoiceStatus.DRAFT: "DRAFT",
    InvoiceStatus.PENDING: "PENDING APPROVAL",
    InvoiceStatus.SENT: "",
    InvoiceStatus.PAID: "PAID",
    InvoiceStatus.OVERDUE: "OVERDUE",
    InvoiceStatus.CANCELLED: "CANCELLED",
}
_UNISSUED = (InvoiceStatus.DRAFT, InvoiceStatus.PENDING)


def is_unissued(invoice: InvoiceView) -> bool:
    """Whether the document may still change, so that its dates are provisional."""
    return invoice.status in _UNISSUED


def is_credit(invoice: InvoiceView) -> bool:
    """Whether the document gives money back: a credit note, or an invoice below zero."""
    return invoice.kind is DocumentKind.CREDIT_NOTE or invoice.total < 0


def title(invoice: InvoiceView, is_statement: bool = False) -> str:
    """What kind of document it is. A negative invoice keeps its number and is a credit."""
    if invoice.kind is DocumentKind.CREDIT_NOTE:
        return "Credit note"
    if is_statement:
        return "Statement"
    return "Credit" if invoice.total < 0 else "Invoice"


def labels(invoice: InvoiceView, is_statement: bool = False) -> str:
    """The state a reader must not miss; empty for a document that is simply sent, or a statement that was."""
    if invoice.kind is DocumentKind.CREDIT_NOTE:
        return ""
    words = ["STALE"] if invoice.is_stale else []
    is_shown = not is_statement or invoice.status in (*_UNISSUED, InvoiceStatus.CANCELLED)
    return " / ".join([*filter(None, [_LABELS[invoice.status] if is_shown else ""]), *words])


def watermark(invoice: InvoiceView) -> str:
    """The word across every page of a document that nobody should pay."""
    if invoice.status is InvoiceStatus.CANCELLED:
        return "CANCELLED"
    if invoice.is_stale:
        return "STALE"
    return "DRAFT" if is_unissued(invoice) else ""


def facts(invoice: InvoiceView, is_statement: bool = False) -> list[tuple[str, str]]:
    """Period, dates and related documents, each with its label."""
    provisional = " (provisional)" if is_unissued(invoice) else ""
    said = []
    if is_unissued(invoice):
        said.append(("Revision", str(invoice.revision)))
    said.append(("Period", long_period(invoice.period)))
    said.append(("Issue date", long_date(invoice.issue_date) + provisional))
    if not is_credit(invoice) and not is_statement:
        said.append(("Due date", long_date(invoice.due_date) + provisional))
        if not is_unissued(invoice):
            said.append(("Reference", invoice.number))
    if invoice.credits_number:
        said.append(("Credits invoice", invoice.credits_number))
    if invoice.credited_by_number:
        said.append(("Credited by", invoice.credited_by_number))
    if invoice.paid_date and invoice.kind is DocumentKind.INVOICE and not is_statement:
        said.append(("Paid on", long_date(invoice.paid_date)))
    return said


def payer(invoice: InvoiceView) -> list[str]:
    """What stands under the payer's name."""
    said = []
    if invoice.team_id and invoice.team_id != invoice.bill_to.name:
        said.append(f"Team {invoice.team_id}")
    if invoice.user_id and invoice.user_id != invoice.bill_to.name:
        said.append(f"User {invoice.user_id}")
    if invoice.bill_to.cost_center:
        said.append(f"Cost centre {invoice.bill_to.cost_center}")
    if invoice.bill_to.contact:
        said.append(invoice.bill_to.contact)
    return said


def due(invoice: InvoiceView, is_statement: bool = False) -> str:
    """What the reader is to do about the total."""
    if is_statement and invoice.status not in (*_UNISSUED, InvoiceStatus.CANCELLED):
        return "Booked to this cost centre: nothing is to be paid"
    if invoice.status is InvoiceStatus.CANCELLED:
        return "Cancelled: nothing is due"
    if is_credit(invoice):
        return "Credit in your favour: nothing is due"
    if invoice.status is InvoiceStatus.PAID:
        return "Paid: nothing is due"
    if is_unissued(invoice):
        return "Draft: not to be paid yet"
    return f"Due by {long_date(invoice.due_date)}"


def payment(invoice: InvoiceView, details: Sequence[str]) -> list[str]:
    """Where and how to pay: a sentence under the totals of what is to be paid, if it is known."""
    is_owed = invoice.status in (InvoiceStatus.SENT, InvoiceStatus.OVERDUE)
    if not details or not is_owed or is_credit(invoice):
        return []
    return [f"Please pay to {', '.join(details)}, and give the reference {invoice.number}."]


def tax_label(invoice: InvoiceView) -> str:
    """The name of the tax line with its rate."""
    return f"Tax {percent(invoice.tax_rate)}"


def small_print(invoice: InvoiceView) -> list[str]:
    """What was rounded and what the document is not: sentences under the totals."""
    said = []
    exact_total, currency = exact(invoice.exact_total), invoice.currency
    if invoice.rounding_difference:
        said.append(
            f"The exact amount is {exact_total} {currency}; it was rounded once, to "
            f"{money(invoice.subtotal, currency)} {currency} "
            f"(rounding difference {exact(invoice.rounding_difference)} {currency})."
        )
    else:
        said.append(f"The exact amount is {exact_total} {currency}; nothing was rounded.")
    if invoice.is_stale:
        said.append("Stale: usage or rules changed since; refresh this draft before it is sent.")
    if invoice.kind is DocumentKind.CREDIT_NOTE and invoice.credits_number:
        said.append(f"This credit note takes back invoice {invoice.credits_number}.")
    return said
