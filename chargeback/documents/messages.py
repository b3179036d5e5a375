"""What payers and programs are told of a document: the mail with its PDF, the body of a webhook.

Owns the words; how they go out is `sending`'s. Amounts are as printed on the document.
"""

import json
from datetime import datetime
from decimal import Decimal
from email.message import EmailMessage
from typing import Any, NamedTuple

from chargeback.documents.wording import long_date, long_period, money
from chargeback.views import InvoiceView
from models.enums import DocumentKind


class Attachment(NamedTuple):
    """The document's PDF."""

    name: str
    data: bytes


def mail(
    document: InvoiceView, event: str, age_days: int, sender: str, issuer: str, recipient: str,
    message_id: str, pdf: Attachment, is_statement: bool = False,
) -> EmailMessage:  # fmt: skip
    """The mail that tells of `event`; one with the same `message_id` is the same mail."""
    message = EmailMessage()
    message["From"] = sender
    message["To"] = recipient
    # As much as mail programs show.
    message["Subject"] = _one_line(_subject(document, event, age_days, issuer, is_statement))[:200]
    message["Message-ID"] = f"<{message_id}@chargeback>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(_body(document, event, age_days, issuer, is_statement))
    message.add_attachment(pdf.data, maintype="application", subtype="pdf", filename=pdf.name)
    return message


def _one_line(words: str) -> str:
    """Names may hold line ends, which neither a header nor a line of a mail obeys."""
    return "".join(c if c.isprintable() else " " for c in words)


def _subject(
    document: InvoiceView, event: str, age_days: int, issuer: str, is_statement: bool
) -> str:
    amount = f"{money(document.total, document.currency)} {document.currency}"
    if event == "invoice.overdue":
        return f"Reminder: invoice {document.number} of {issuer} is {age_days} days past due ({amount})"
    if document.kind is DocumentKind.CREDIT_NOTE:
        return f"Credit note {document.number} of {issuer} ({amount})"
    what = "Statement" if is_statement else "Invoice"
    return f"{what} {document.number} of {issuer} for {document.period.label} ({amount})"


def _body(document: InvoiceView, event: str, age_days: int, issuer: str, is_statement: bool) -> str:
    amount = f"{money(document.total, document.currency)} {document.currency}"
    lines = [f"To {_one_line(document.bill_to.name)},", ""]
    if event == "invoice.overdue":
        lines.append(
            f"invoice {document.number} over {amount} was due on {long_date(document.due_date)}, "
            f"{age_days} days ago, and we have not seen its payment. If it has been paid, please tell us."
        )
    elif document.kind is DocumentKind.CREDIT_NOTE:
        lines.append(
            f"credit note {document.number} over {amount} takes back invoice {document.credits_number}."
        )
    elif is_statement:
        lines.append(
            f"attached is statement {document.number} for {long_period(document.period)}: {amount}, booked to "
            "your cost centre. Nothing is to be paid."
        )
    else:
        lines.append(
            f"attached is invoice {document.number} for {long_period(document.period)}: {amount}, "
            f"due on {long_date(document.due_date)}."
        )
    lines += ["", f"Please give {document.number} as the reference.", "", issuer]
    return "\n".join(lines) + "\n"


def webhook_body(document: InvoiceView, event: str, at: datetime) -> str:
    """The body of a webhook as JSON; amounts are text with all their digits.

    Source: the payload of Standard Webhooks: type, timestamp, data.
    """
    data: dict[str, Any] = {
        "invoice_id": document.invoice_id, "invoice_number": document.number, "kind": document.kind.value,
        "status": document.status.value, "team_id": document.team_id, "user_id": document.user_id,
        "period_start": document.period.start.isoformat(), "period_end": document.period.last_day.isoformat(),
        "issue_date": document.issue_date.isoformat(), "due_date": document.due_date.isoformat(),
        "currency": document.currency, "subtotal": _text(document.subtotal), "tax": _text(document.tax),
        "total": _text(document.total), "credits": document.credits_number,
    }  # fmt: skip
    return json.dumps(
        {"type": event, "timestamp": at.isoformat(), "data": data}, ensure_ascii=False
    )


def _text(amount: Decimal) -> str:
    return f"{amount:f}"
