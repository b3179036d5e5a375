"""A month's invoices: one per team and one per user charged alone."""

from datetime import date
from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from chargeback.periods import Period
from chargeback.settings import settings
from flows import recording
from flows.documents import draw_documents, show_documents, tell_sent
from flows.recording import PERIOD, Record, asked_period, recorded, run_name
from tasks.allocate_costs import allocate_costs
from tasks.bill_payers import draft_invoices, issue_invoices


@flow(flow_run_name=run_name("invoice-run"), persist_result=False)
def invoice_run(
    period: Annotated[str, Field(pattern=PERIOD)] = "", business_date: date | None = None
) -> State[Any]:
    """Draft, issue and draw the invoices of a period. Rerun: no payer gets a second one.

    Late usage of earlier periods comes as lines of its own. Where invoices must be approved first,
    they stay drafts.

    Args:
        period: Month or days to bill, like 2026-10; empty for the previous month.
        business_date: The invoices' date; empty for today.
    """
    asked, on = asked_period(period), recording.business_date(business_date)
    with recorded("invoice-run", {"period": asked.label, "business_date": on}) as record:
        record.counts["issued"] = 0
        draft_period(record, asked, on)
        if settings().require_approval:
            record.need_a_person(
                f"the drafts of {asked.label} wait for approval: `chargeback approve {asked.label}`"
            )
        else:
            issue_period(record, asked, on)
        draw_documents(record, asked)
        show_documents(record, asked)
    return record.state(f"{record.counts['issued']} invoices issued")


def draft_period(record: Record, period: Period, on: date) -> None:
    """Allocate what is left and draft everybody's invoice. Rerun: the same drafts, refreshed."""
    allocate_costs(period.end)
    drafted = draft_invoices(period.label, on, record.actor)
    record.counts |= drafted
    record.say(f"{drafted['invoices']} invoices drafted or looked at for {period.label}")
    if drafted["foreign_drafts"]:
        record.need_a_person(
            f"other drafts hold part of {period.label}: {', '.join(drafted['foreign_drafts'])}; issue or cancel them"
        )


def issue_period(record: Record, period: Period, on: date) -> None:
    """Send the period's drafts. Rerun: what was sent stays as it is."""
    issued = issue_invoices(period.label, on, record.actor)
    record.counts["issued"] = issued["issued"]
    record.say(f"{issued['issued']} invoices issued, dated {on}")
    tell_sent(period, issued["numbers"])
