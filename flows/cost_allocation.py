"""Cost onto those who bear it."""

from datetime import date
from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from chargeback.clock import today
from chargeback.periods import Period
from chargeback.settings import settings
from flows.attention import show_unattributed
from flows.recording import PERIOD, Record, asked_period, recorded, run_name
from tasks.allocate_costs import allocate_costs
from tasks.watch_budgets import watch_budgets


@flow(flow_run_name=run_name("cost-allocation"), persist_result=False)
def cost_allocation(period: Annotated[str, Field(pattern=PERIOD)] = "") -> State[Any]:
    """Allocate the cost of every day that needs it, and watch budgets. Rerun: days with nothing new are untouched.

    Args:
        period: Month or days to bring up to date, like 2026-10; empty for all days.
    """
    with recorded("cost-allocation", {"period": period}) as record:
        asked = asked_period(period) if period else None
        counts = allocate_costs(
            asked.end if asked else date.max, asked.start if asked else date.min
        )
        record.counts = counts
        if counts["days"]:
            record.say(
                f"{counts['days']} days brought up to date: {counts['pools']} new cost pools, "
                f"{counts['allocations']} allocations, {counts['replaced_pools']} pools replaced"
            )
        else:
            record.say("nothing had changed; every day was up to date already")
        if counts["stale_drafts"]:
            record.say(
                f"{counts['stale_drafts']} drafts are stale now; generate them again to refresh them"
            )
        on = today(settings().zone)
        watch(record, on)
        show_unattributed(record, (asked or Period.month_of(on)).label)
    return record.state(f"{counts['days']} days allocated")


def watch(record: Record, on: date) -> None:
    """Hold what teams spent against their budgets and tell what that found. Rerun: nothing is told twice."""
    watched = watch_budgets(on)
    record.counts |= {"budget_events": watched["told"]}
    if watched["noticed"]:
        record.say(f"{watched['noticed']} thresholds of budgets were passed")
    record.show("budgets", f"Budgets of the month, seen from {on}.", watched["over"])
