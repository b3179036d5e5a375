"""The whole month: sync, allocate, bill, report, prove."""

from collections.abc import Callable
from datetime import date
from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from flows import recording
from flows.attention import show_reconciliation
from flows.invoice_run import invoice_run
from flows.recording import PERIOD, asked_period, recorded
from flows.report_publishing import report_publishing
from flows.usage_sync import usage_sync
from tasks.verify_books import reconcile_period, verify_books


@flow(flow_run_name="monthly-billing {period}", persist_result=False)
def monthly_billing(
    period: Annotated[str, Field(pattern=PERIOD)] = "", business_date: date | None = None
) -> State[Any]:
    """Bill a period from the trackers to issued invoices and reports. Rerun: only what is new is done.

    Ends with the proof that the books tie out. Refused usage rows stop it before anything is issued.

    Args:
        period: Month or days to bill, like 2026-10; empty for the previous month.
        business_date: The invoices' date; empty for today.
    """
    asked, on = asked_period(period), recording.business_date(business_date)
    with recorded("monthly-billing", {"period": asked.label, "business_date": on}) as record:
        # Each begins only when the one before it ended well: nothing is issued on usage half read.
        parts: tuple[Callable[[], State[Any]], ...] = (
            lambda: usage_sync(period=asked.label, return_state=True),
            lambda: invoice_run(asked.label, on, return_state=True),
            lambda: report_publishing(asked.label, return_state=True),
        )
        for part in parts:
            state = part()
            state.result()
            record.say(state.message or state.name or "done")
            if state.name == "NeedsAPerson":
                record.need_a_person(state.message or "")
        reconciliation = reconcile_period(asked.label)
        show_reconciliation(record, asked.label, reconciliation)
        record.counts = verify_books(asked.label)
        record.say(f"the books of {asked.label} tie out")
    return record.state(f"{asked.label} is billed and ties out")
