"""What the commands that send documents do."""

from chargeback.errors import Invalid
from chargeback.ledger import deliveries as ledger
from chargeback.ledger.database import snapshot
from chargeback.settings import settings
from entrypoints import showing
from entrypoints.commands import asked
from entrypoints.ledger_at_hand import ledger_at_hand
from models.enums import DeliveryState


def deliver(invoice: str | None, as_of: str | None, as_json: bool) -> int:
    """Send what is due, or one document's messages."""
    day = asked.business_date(as_of)
    if settings().smtp_host is None and settings().webhook_url is None:
        raise Invalid(
            "no_channel",
            "there is nowhere to send to; set CHARGEBACK_SMTP_HOST for mail or CHARGEBACK_WEBHOOK_URL for programs",
        )
    with ledger_at_hand():
        from tasks.deliver_documents import deliver_documents

        with showing.progress("Sending"):
            done = deliver_documents.fn(day, invoice)
    if as_json:
        showing.print_json(done)
        return 0
    showing.say(f"{done['sent']} messages went out." if done["sent"] else "Nothing was due.")
    for refused in done["refused"]:
        showing.say(refused, "yellow")
    return 0


def deliveries(state: str | None, as_json: bool) -> int:
    """List the messages."""
    wanted = None if state is None else _state(state)
    with ledger_at_hand(), snapshot() as connection:
        found = ledger.rows(connection, wanted)
    if as_json:
        showing.print_json(found)
        return 0
    showing.table([
        {"document": row["number"], "what": _what(row), "to": row["recipient"], "state": row["state"],
         "tries": row["attempts"], "why": row["error"] or ""}
        for row in found
    ], title="Messages")  # fmt: skip
    if not found:
        showing.say("No message was written yet; `chargeback deliver` sends what is due.")
    return 0


def _what(row: dict[str, object]) -> str:
    age = f", {row['age_days']} days past due" if row["age_days"] else ""
    return f"{row['event']} by {row['channel']}{age}"


def _state(given: str) -> DeliveryState:
    try:
        return DeliveryState(given)
    except ValueError:
        states = ", ".join(DeliveryState)
        raise Invalid(
            "state_unknown", f"there is no state {given!r}; the states are {states}"
        ) from None
