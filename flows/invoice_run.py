"""A month's invoices: one per team and one per user charged alone."""

from datetime import date
from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from chargeback.ledger import invoices
from chargeback.ledger.database import snapshot
from chargeback.periods import Period
from chargeback.settings import settings
from chargeback.views import InvoiceRow
from flows import recording
from flows.recording import PERIOD, asked_period, patiently, recorded, show_table
from tasks.allocate_costs import allocate_costs
from tasks.bill_payers import draft_invoices, issue_invoices
from tasks.publish_documents import publish_invoices


@flow(flow_run_name="invoice-run {period}", persist_result=False)
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
        allocate_costs(asked.end)
        drafted = draft_invoices(asked.label, on, record.actor)
        record.counts = {**drafted, "issued": 0}
        record.say(f"{drafted['invoices']} invoices drafted or looked at for {asked.label}")
        if settings().require_approval:
            record.need_a_person(f"the drafts of {asked.label} wait for approval")
        else:
            record.counts |= issue_invoices(asked.label, on, record.actor)
            record.say(f"{record.counts['issued']} invoices issued, dated {on}")
        if drafted["foreign_drafts"]:
            record.need_a_person(
                f"other drafts hold part of {asked.label}: {', '.join(drafted['foreign_drafts'])}; issue or cancel them"
            )
        publish_invoices(asked.label)
        _show_invoices(asked)
    return record.state(f"{record.counts['issued']} invoices issued")


def _rows(period: Period) -> list[InvoiceRow]:
    with snapshot() as connection:
        return invoices.rows(connection, period)


def _show_invoices(period: Period) -> None:
    rows = [row for row in patiently(lambda: _rows(period)) if row.period == period]
    shown = [{"number": row.number, "payer": row.team_id or row.user_id or "all", "status": row.status.value,
              "total": f"{row.total:,.2f} {row.currency}", "due": row.due_date}
             for row in reversed(rows)]  # fmt: skip
    show_table("invoice-run-invoices", shown, f"The documents of {period.label}.")
