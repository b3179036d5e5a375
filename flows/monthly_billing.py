"""The whole month: sync, allocate, bill, report, prove."""

from datetime import date
from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from chargeback.periods import Period
from chargeback.settings import settings
from flows import recording
from flows.approving import approved
from flows.attention import show_reconciliation, show_unattributed
from flows.documents import draw_documents, show_documents
from flows.invoice_run import draft_period, issue_period
from flows.recording import PERIOD, Record, asked_period, recorded, run_name
from flows.report_publishing import write_reports
from flows.telling import tell
from flows.usage_sync import read_usage
from tasks.verify_books import look_at_period, verify_books


@flow(flow_run_name=run_name("monthly-billing"), persist_result=False)
def monthly_billing(
    period: Annotated[str, Field(pattern=PERIOD)] = "", business_date: date | None = None
) -> State[Any]:
    """Bill a period from the trackers to issued invoices and reports. Rerun: only what is new is done.

    Ends with the proof that the books tie out. Refused usage rows stop it before anything is issued. Where
    invoices must be approved, it waits with the drafts for a person.

    Args:
        period: Month or days to bill, like 2026-10; empty for the previous month.
        business_date: The invoices' date; empty for today.
    """
    asked, on = asked_period(period), recording.business_date(business_date)
    with recorded("monthly-billing", {"period": asked.label, "business_date": on}) as record:
        record.counts["issued"] = 0
        # Each begins only when the one before it ended well: nothing is issued on usage half read.
        read_usage(record, "all", asked.label)
        draft_period(record, asked, on)
        if settings().require_approval:
            draw_documents(record, asked)
            show_documents(record, asked)
            if not approved(record, asked, on):
                return record.state("")
        else:
            issue_period(record, asked, on)
        draw_documents(record, asked)
        show_documents(record, asked)
        show_unattributed(record, asked.label)
        write_reports(record, asked)
        _show_standing(record, asked)
        record.counts |= verify_books(asked.label)
        record.say(f"the books of {asked.label} tie out")
    return record.state(f"{asked.label} is billed and ties out")


def _show_standing(record: Record, period: Period) -> None:
    """What came in and where it went, what is refused or doubtful; and whether the period is closed."""
    found = look_at_period(period.label)
    show_reconciliation(record, period.label, found)
    record.show("quarantine", f"Refused rows of {period.label}.", found["quarantine"])
    if found["difference"] != "0":
        record.need_a_person(
            f"{period.label} differs by {found['difference']}: `chargeback reconcile {period.label}`"
        )
        tell("drift", "period", period.label, {"difference": found["difference"]})
    if not found["open"]:
        record.say(f"{period.label} is closed: all of it is billed")
        if record.counts["issued"]:
            tell("period.closed", "period", period.label, {"issued": record.counts["issued"]})
    for sentence in found["open"]:
        record.say(f"{period.label} is not closed: {sentence}")
