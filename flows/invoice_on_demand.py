"""One payer's invoice, now."""

from datetime import date
from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from chargeback.payer import billed
from flows import recording
from flows.documents import pdf_url
from flows.page import Link
from flows.recording import PERIOD, asked_period, recorded, run_name
from tasks.bill_payers import draft_invoice
from tasks.publish_documents import publish_invoices


@flow(flow_run_name=run_name("invoice-on-demand"), persist_result=False)
def invoice_on_demand(
    team: Annotated[str, Field(max_length=255)] = "",
    user: Annotated[str, Field(max_length=255)] = "",
    period: Annotated[str, Field(pattern=PERIOD)] = "",
    business_date: date | None = None,
    number: Annotated[str, Field(max_length=100)] = "",
    everybody: bool = False,
) -> State[Any]:
    """Draft one invoice and draw its PDF. Rerun: the same draft, refreshed.

    Args:
        team: Team to bill; empty for a user alone.
        user: User to bill, in the team if one is given.
        period: Month or days to bill, like 2026-10; empty for the previous month.
        business_date: The invoice's date; empty for today.
        number: Number of your own for the invoice; empty for the next in line.
        everybody: One invoice of all payers together, with neither team nor user.
    """
    payer = billed(team, user, everybody=everybody)
    asked, on = asked_period(period), recording.business_date(business_date)
    parameters = {
        "team": team,
        "user": user,
        "period": asked.label,
        "business_date": on,
        "number": number,
        "everybody": everybody,
    }
    with recorded("invoice-on-demand", parameters) as record:
        made = draft_invoice(payer, asked.label, on, record.actor, number or None)
        publish_invoices(asked.label, made["number"])
        record.counts = made
        record.say(
            f"invoice {made['number']} of {payer} for {asked.label}: {made['total']} {made['currency']}, "
            f"{made['status']} ({made['outcome']})"
        )
        for held_by, amount in made["held_elsewhere"]:
            record.say(f"{held_by} holds {amount} of it already")
        row = {"number": made["number"], "payer": str(payer), "status": made["status"],
               "total": f"{made['total']} {made['currency']}", "PDF": Link("PDF", pdf_url(made["number"]))}  # fmt: skip
        record.show("invoice", "The invoice this run made or refreshed.", [row])
    return record.state(f"invoice {made['number']}: {made['total']} {made['currency']}")
