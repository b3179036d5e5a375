"""Reports of a period, for every team and user."""

from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from chargeback.periods import Period
from flows.attention import show_unattributed
from flows.documents import site_url
from flows.recording import PERIOD, Record, asked_period, recorded, run_name
from tasks.allocate_costs import allocate_costs
from tasks.publish_finance import publish_finance
from tasks.publish_reports import publish_reports


@flow(flow_run_name=run_name("report-publishing"), persist_result=False)
def report_publishing(period: Annotated[str, Field(pattern=PERIOD)] = "") -> State[Any]:
    """Publish a page and a CSV per team and user, and the files for finance. Rerun: the same figures, the same files.

    Args:
        period: Month or days to report on, like 2026-10; empty for the previous month.
    """
    asked = asked_period(period)
    with recorded("report-publishing", {"period": asked.label}) as record:
        allocate_costs(asked.end)
        show_unattributed(record, asked.label)
        record.counts = write_reports(record, asked)
    return record.state(f"{record.counts['published']} files published")


def write_reports(record: Record, period: Period) -> dict[str, Any]:
    """Publish the reports of a period, and say where they begin. Rerun: as the flow."""
    done = publish_reports(period.label)
    record.say(
        f"{done['published']} report files published for {period.label}, {done['new']} of them new; "
        f"begin at {site_url()}, or at {done['overview']} in the file store"
    )
    finance = publish_finance(period.label)
    record.say(f"the journal for finance is {finance['journal']} in the file store")
    for payer in finance["without_cost_center"]:
        record.say(f"{payer} has no cost centre, so its journal lines name none")
    return done
