"""Documents to those who pay them."""

from datetime import date
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows.recording import business_date, recorded, run_name
from tasks.deliver_documents import deliver_documents


@flow(flow_run_name=run_name("invoice-delivery"), persist_result=False)
def invoice_delivery(as_of: date | None = None) -> State[Any]:
    """Mail issued documents and reminders to payers, and tell webhooks. Rerun: what went out is not sent again.

    Args:
        as_of: The day reminders are counted to; empty for today.
    """
    on = business_date(as_of)
    with recorded("invoice-delivery", {"as_of": on}) as record:
        record.counts = deliver_documents(on)
        record.say(f"{record.counts['sent']} messages went out as of {on}")
        for refused in record.counts["refused"]:
            record.need_a_person(refused)
    return record.state(f"{record.counts['sent']} messages went out")
