"""Billed cost shared anew, after a rule or an owner turned out wrong."""

from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from flows.recording import PERIOD, asked_period, recorded, run_name
from tasks.reallocate_costs import reallocate_costs


@flow(flow_run_name=run_name("reallocation"), persist_result=False)
def reallocation(
    reason: Annotated[str, Field(min_length=1)],
    period: Annotated[str, Field(pattern=PERIOD)] = "",
    only_show: bool = True,
) -> State[Any]:
    """Share billed cost as rules and owners say today; payers see the difference as late lines.

    Rerun: what was moved stays, and nothing moves twice.

    Args:
        reason: Why; it is printed on the lines, and kept in the audit log.
        period: Month or days to share anew, like 2026-10; empty for the month before.
        only_show: Show what would move, and book nothing. Look at that first, then run this again without.
    """
    given = {"period": period, "reason": reason, "only_show": only_show}
    with recorded("reallocation", given) as record:
        label = asked_period(period).label
        moved = reallocate_costs(label, reason, record.actor, only_show)
        record.counts = {"cells": moved["cells"], "moved_cost": moved["moved_cost"]}
        done = "would move" if only_show else "moved"
        if moved["cells"]:
            record.say(
                f"{moved['moved_cost']} of {label} {done}, in {moved['cells']} cells: {reason}"
            )
            record.show(
                "reallocation-shares",
                f"What {done} from whom to whom, and why: {reason}",
                moved["shares"],
            )
        else:
            record.say(f"rules and owners give what is booked for {label}; nothing {done}")
    return record.state(f"{moved['moved_cost']} {done}")
