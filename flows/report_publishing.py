"""Reports of a period, for every team and user."""

from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from chargeback.settings import settings
from flows.attention import show_unattributed
from flows.recording import PERIOD, asked_period, recorded
from tasks.allocate_costs import allocate_costs
from tasks.publish_documents import publish_reports
from tasks.publish_finance import publish_finance


@flow(flow_run_name="report-publishing {period}", persist_result=False)
def report_publishing(period: Annotated[str, Field(pattern=PERIOD)] = "") -> State[Any]:
    """Publish a page and a CSV per team and user, and the files for finance. Rerun: the same figures, the same files.

    Args:
        period: Month or days to report on, like 2026-10; empty for the previous month.
    """
    asked = asked_period(period)
    with recorded("report-publishing", {"period": asked.label}) as record:
        allocate_costs(asked.end)
        show_unattributed(record, asked.label)
        record.counts = publish_reports(asked.label)
        finance = publish_finance(asked.label)
        record.say(
            f"{record.counts['published']} files published for {asked.label}, {record.counts['new']} of them new; "
            f"begin at {settings().files / record.counts['overview']}"
        )
        record.say(f"The journal for finance is {settings().files / finance['journal']}")
        for payer in finance["without_cost_center"]:
            record.say(f"{payer} has no cost centre, so its journal lines name none")
    return record.state(f"{record.counts['published']} files published")
