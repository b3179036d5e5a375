"""Send documents to those who pay, and tell programs of them."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from chargeback.clock import now
from chargeback.documents.file_store import FileStore
from chargeback.documents.messages import Attachment, mail, webhook_body
from chargeback.documents.sending import send_mail, send_webhook
from chargeback.errors import NotFound, Refused, Unavailable
from chargeback.ledger import deliveries, invoices, publications
from chargeback.ledger.database import transaction
from chargeback.ledger.deliveries import Channels, Waiting
from chargeback.ledger.publications import Publication
from chargeback.settings import Settings, settings
from chargeback.views import InvoiceView
from tasks.steps import step


@step("deliver as of {as_of}")
def deliver_documents(as_of: date, number: str | None = None) -> dict[str, Any]:
    """Send what is due: invoices, credit notes, reminders; each once per document, revision and recipient.

    Rerun: what went out stays one message. Raises Unavailable at the end where something has to be tried again.
    """
    with transaction() as connection:
        queued = deliveries.queue(connection, as_of, channels(settings()), number)
        if number is not None:
            deliveries.again(connection, number)
        ids = deliveries.waiting(connection)
        pdfs = publications.newest(connection, "invoice") if ids else {}
    outcomes = [_send(delivery_id, pdfs) for delivery_id in ids]
    waits = [said for outcome, said in outcomes if outcome == "waits"]
    if waits:
        raise Unavailable(
            "messages_wait",
            f"{len(waits)} messages could not be sent, the first because: {waits[0]}",
        )
    refused = [said for outcome, said in outcomes if outcome == "refused"]
    sent = sum(outcome == "sent" for outcome, _ in outcomes)
    return {"queued": queued, "sent": sent, "refused": refused}


def channels(settings: Settings) -> Channels:
    """Where messages go, by the settings."""
    return Channels(
        settings.smtp_host is not None,
        settings.webhook_url,
        settings.deliver_within_days,
        settings.reminder_ages,
    )


def _send(delivery_id: int, pdfs: Mapping[str, Publication]) -> tuple[str, str]:
    """Send one message under its lock: what became of it, and why it did not go out."""
    with transaction() as connection:
        message = deliveries.lock(connection, delivery_id)
        if message is None:
            return "gone", ""
        (view,) = invoices.views(connection, [message.invoice_id])
        pdf = pdfs.get(message.number)
        try:
            _hand_over(message, view, pdf.uri if pdf else None)
        except (Refused, NotFound) as refused:
            deliveries.not_delivered(connection, message, refused.message, is_final=True)
            return "refused", f"{message.number} to {message.recipient}: {refused.message}"
        except Unavailable as failure:
            deliveries.not_delivered(connection, message, failure.message, is_final=False)
            return "waits", failure.message
        deliveries.delivered(connection, delivery_id)
    return "sent", ""


def _hand_over(message: Waiting, view: InvoiceView, uri: str | None) -> None:
    ours = settings()
    if message.channel == "webhook":
        at = now()
        body = webhook_body(view, message.event, at)
        send_webhook(message.recipient, body, message.message_id, at, ours)
        return
    if uri is None:
        raise Unavailable(
            "pdf_missing",
            f"{message.number} has no PDF yet; publish it with `chargeback publish {view.period.label}`",
        )
    pdf = Attachment(f"{view.number}.pdf", FileStore(ours.files).read(uri))
    send_mail(
        mail(view, message.event, message.age_days, ours.mail_from, ours.letterhead_name,
             message.recipient, message.message_id, pdf, ours.document_form == "statement"),
        ours,
    )  # fmt: skip
