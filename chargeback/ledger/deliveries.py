"""Which message about which document went to whom.

Owns the queue: a message is written down once per document, revision and recipient, then sent under a lock
on its row. A process killed between the sending and the commit sends it again under the same id: a message
twice does less harm than none. What a message says and how it goes out is the documents'.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from email.utils import getaddresses
from typing import Any

from sqlalchemy import Connection, text

from chargeback.identity import public_id
from models.enums import DeliveryState

MOST_ATTEMPTS = 20


@dataclass(frozen=True)
class Channels:
    """Where messages go: to payers' mail addresses, to an address for programs, or nowhere.

    `within_days`: a document issued longer ago is not sent by itself. `reminder_days`: how many days past
    due a payer is reminded, each once.
    """

    is_mail_on: bool
    webhook_url: str | None
    within_days: int
    reminder_days: tuple[int, ...]


@dataclass(frozen=True)
class Waiting:
    """A message to send now; its row is locked until the transaction ends."""

    delivery_id: int
    channel: str
    event: str
    invoice_id: int
    number: str
    age_days: int
    recipient: str
    message_id: str
    attempts: int


# A reminder may be due of what was issued long ago; a credit note is told to those who were told of its invoice.
_ISSUED = text("""
    SELECT i.invoice_id, i.revision, i.number, i.kind, i.status, i.due_date, i.bill_to ->> 'contact' AS contact,
        CAST(:number AS text) IS NOT NULL OR i.issue_date >= :since AS is_to_be_told,
        EXISTS (SELECT FROM deliveries d
                WHERE d.invoice_id = i.credits_invoice_id AND d.state = 'delivered') AS was_told
    FROM invoices i
    WHERE i.content_hash IS NOT NULL AND i.status NOT IN ('draft', 'pending')
      AND (CAST(:number AS text) IS NULL OR i.number = :number)
      AND (CAST(:number AS text) IS NOT NULL OR i.issue_date >= :since OR i.status = 'overdue')
    ORDER BY i.invoice_id
""")
_QUEUE = text("""
    INSERT INTO deliveries (channel, event, invoice_id, revision, age_days, recipient, message_id)
    VALUES (:channel, :event, :invoice_id, :revision, :age_days, :recipient, :message_id)
    ON CONFLICT (channel, event, invoice_id, revision, age_days, recipient) DO NOTHING
""")


def queue(
    connection: Connection, as_of: date, channels: Channels, number: str | None = None
) -> int:
    """Write down the messages that are due as of that day, or those of one document; how many are new.

    An invoice cancelled before its message went out is not sent, and its credit note neither.
    Rerun: what was written down stays one message.
    """
    since = as_of - timedelta(days=channels.within_days)
    issued = connection.execute(_ISSUED, {"since": since, "number": number}).all()
    messages = [
        _values(row, channel, event, age, to)
        for row in issued
        for channel, to in _recipients(row, channels)
        for event, age in _due(row, channel, as_of, channels.reminder_days)
    ]
    return sum(connection.execute(_QUEUE, message).rowcount for message in messages)


def _recipients(row: Any, channels: Channels) -> list[tuple[str, str]]:
    mail = addresses(row.contact) if channels.is_mail_on else []
    hooks = [channels.webhook_url] if channels.webhook_url else []
    return [*(("email", each) for each in mail), *(("webhook", each) for each in hooks)]


def _due(
    row: Any, channel: str, as_of: date, reminder_days: Sequence[int]
) -> Iterator[tuple[str, int]]:
    """The events a recipient is to be told of now, with the age of a reminder."""
    if row.kind == "credit_note":
        if row.is_to_be_told and row.was_told:
            yield "credit_note.made", 0
        return
    if row.is_to_be_told and row.status != "cancelled":
        yield "invoice.sent", 0
    if row.status == "overdue" and channel == "webhook":
        yield "invoice.overdue", 0
    if row.status == "overdue" and channel == "email":
        # Of several ages reached at once only the last is told: one reminder, not a salvo.
        late = (as_of - row.due_date).days
        reached = [age for age in sorted(reminder_days) if age <= late]
        for age in reached[-1:]:
            yield "invoice.overdue", age


def addresses(contact: str | None) -> list[str]:
    """The mail addresses in a payer's contact; another kind of contact has none."""
    found = getaddresses([contact or ""])
    return sorted({address for _, address in found if "@" in address.strip("@")})


def _values(row: Any, channel: str, event: str, age_days: int, recipient: str) -> dict[str, Any]:
    parts = (channel, event, row.number, str(row.revision), str(age_days), recipient)
    return {
        "channel": channel, "event": event, "invoice_id": row.invoice_id, "revision": row.revision,
        "age_days": age_days, "recipient": recipient, "message_id": str(public_id("delivery", *parts)),
    }  # fmt: skip


def waiting(connection: Connection) -> Sequence[int]:
    """The messages that are still to be sent, oldest first."""
    return list(
        connection.execute(
            text("SELECT delivery_id FROM deliveries WHERE state = 'waiting' ORDER BY delivery_id")
        ).scalars()
    )


def lock(connection: Connection, delivery_id: int) -> Waiting | None:
    """The message, locked to be sent now; None where it went out or another process is sending it."""
    row = connection.execute(
        text("""SELECT d.*, i.number FROM deliveries d JOIN invoices i USING (invoice_id)
                WHERE d.delivery_id = :id AND d.state = 'waiting' FOR UPDATE OF d SKIP LOCKED"""),
        {"id": delivery_id},
    ).first()
    if row is None:
        return None
    return Waiting(
        row.delivery_id, row.channel, row.event, row.invoice_id, row.number, row.age_days,
        row.recipient, row.message_id, row.attempts,
    )  # fmt: skip


def delivered(connection: Connection, delivery_id: int) -> None:
    """Note that the message went out."""
    connection.execute(
        text("""UPDATE deliveries SET state = 'delivered', delivered_at = now(), error = NULL, attempts = attempts + 1
                WHERE delivery_id = :id"""),
        {"id": delivery_id},
    )


def not_delivered(connection: Connection, message: Waiting, error: str, is_final: bool) -> None:
    """Note why the message did not go out; it waits for another try unless that is hopeless."""
    state = DeliveryState.WAITING
    if is_final or message.attempts + 1 >= MOST_ATTEMPTS:
        state = DeliveryState.FAILED
    connection.execute(
        text("""UPDATE deliveries SET state = :state, error = :error, attempts = attempts + 1
                WHERE delivery_id = :id"""),
        {"id": message.delivery_id, "state": state.value, "error": error},
    )


def again(connection: Connection, number: str) -> int:
    """Let the failed messages of a document be tried again; how many there are."""
    return connection.execute(
        text("""UPDATE deliveries d SET state = 'waiting', attempts = 0 FROM invoices i
                WHERE i.invoice_id = d.invoice_id AND i.number = :number AND d.state = 'failed'"""),
        {"number": number},
    ).rowcount


def rows(connection: Connection, state: DeliveryState | None = None) -> list[dict[str, Any]]:
    """The messages, newest first, for a person to look at."""
    found = connection.execute(
        text("""SELECT i.number, d.channel, d.event, d.age_days, d.recipient, d.state, d.attempts, d.error,
                    d.created_at, d.delivered_at
                FROM deliveries d JOIN invoices i USING (invoice_id)
                WHERE CAST(:state AS text) IS NULL OR d.state = :state ORDER BY d.delivery_id DESC LIMIT 1000"""),
        {"state": state and state.value},
    )
    return [dict(row) for row in found.mappings()]
