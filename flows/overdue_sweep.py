"""Invoices past their due date."""

from datetime import date
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows.recording import business_date, recorded, run_name
from flows.telling import tell
from tasks.bill_payers import sweep_overdue


@flow(flow_run_name=run_name("overdue-sweep"), persist_result=False)
def overdue_sweep(as_of: date | None = None) -> State[Any]:
    """Mark sent invoices past their due date overdue. Rerun: what is overdue stays so.

    Args:
        as_of: The day to look from; empty for today. An invoice due that day is still in time.
    """
    on = business_date(as_of)
    with recorded("overdue-sweep", {"as_of": on}) as record:
        record.counts = sweep_overdue(on, record.actor)
        numbers = record.counts["numbers"]
        record.say(
            f"as of {on}, {len(numbers)} invoices became overdue"
            + (f": {', '.join(numbers)}" if numbers else "")
        )
        for number in numbers:
            tell("invoice.overdue", "invoice", number, {"as_of": on})
    return record.state(f"{len(numbers)} invoices became overdue")
