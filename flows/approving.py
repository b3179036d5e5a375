"""The drafts of a period, before a person: they approve or reject them in the form of the suspended run.

Owns the question. Who decided what about which drafts is the ledger's.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any, Literal

from prefect.context import FlowRunContext
from prefect.flow_runs import suspend_flow_run
from prefect.input import RunInput
from pydantic import Field

from chargeback.periods import Period
from flows.documents import largest, tell_sent
from flows.page import table
from flows.recording import Record
from tasks.bill_payers import approve_drafts, look_at_drafts, reject_drafts

# Long enough for any holiday; the drafts can be decided on with `chargeback approve` all the same.
WAIT_SECONDS = 60 * 86_400
# More would push the form out of sight.
SHOWN_DRAFTS = 5


class Approval(RunInput):
    """What a person says about the drafts."""

    decision: Literal["approve", "reject"] = Field(
        title="Decision",
        # Prefect's drop-down loses a mouse's click to its own search field in some browsers.
        description="Approve: they are issued. Reject: they stay drafts. (If a click does not open the list, "
        "press the space bar.)",
    )
    decided_by: str = Field(
        title="Your name", min_length=1, max_length=200, description="Kept with the decision."
    )
    note: str = Field(
        "",
        title="Note",
        max_length=2000,
        description="Why; whoever mends rejected drafts reads it.",
    )


def approved(record: Record, period: Period, on: date) -> bool:
    """Whether the period's drafts are issued now, after a person approved them; where they rejected, False.

    Ends the process while the answer is awaited; Prefect runs the flow again from the top when it came.
    Drafts that changed meanwhile are other drafts, and are asked about anew.
    """
    found = look_at_drafts(period.label, str(record.run_id))
    if not found["drafts"]:
        record.say(f"no draft of {period.label} waits for approval")
        return True
    if found["decision"] == "rejected":
        return _rejected(record, period, found["decided_by"], found["note"])
    if not _can_wait():
        record.need_a_person(
            f"the {found['drafts']} drafts of {period.label} wait for approval: `chargeback approve {period.label}`"
        )
        return False
    record.say(f"{found['drafts']} drafts, {found['total']} in all, wait for approval")
    given = suspend_flow_run(
        wait_for_input=Approval.with_initial_data(description=_question(period, on, found)),
        timeout=WAIT_SECONDS,
        # Named by what is asked about, so that an answer is never taken for one about other drafts.
        key=f"approval-{found['hash'][:16]}",
    )
    by = f"prefect:{given.decided_by.strip()}"
    if given.decision == "reject":
        note = given.note.strip() or "no reason was given"
        reject_drafts(period.label, found["hash"], by, note, str(record.run_id))
        return _rejected(record, period, by, note)
    issued = approve_drafts(
        period.label, found["hash"], on, by, given.note.strip(), str(record.run_id)
    )
    record.counts["issued"] = issued["issued"]
    record.say(
        f"{issued['issued']} invoices issued, dated {on}, approved by {given.decided_by.strip()}"
    )
    tell_sent(period, issued["numbers"])
    return True


def _can_wait() -> bool:
    """Whether Prefect can run this again later: only a deployed flow."""
    context = FlowRunContext.get()
    return context is not None and bool(context.flow_run and context.flow_run.deployment_id)


def _rejected(record: Record, period: Period, by: str, note: str | None) -> bool:
    record.need_a_person(f"{by} rejected the drafts of {period.label}: {note}; nothing is issued")
    return False


def _question(period: Period, on: date, found: Mapping[str, Any]) -> str:
    rows = largest(period, found["numbers"], SHOWN_DRAFTS)
    which = (
        "These are all." if len(rows) == found["drafts"] else f"These are the {len(rows)} largest."
    )
    return (
        f"**{found['drafts']} drafts of {period.label}, {found['total']} in all.** "
        f"Approved, they are issued, dated {on}.\n\n{table(rows)}\n\n"
        f"{which} The run's artifacts list every draft, and so does `chargeback status {period.label}`. "
        f"You decide about exactly these (hash {found['hash'][:12]}): drafts that change before you answer are "
        "asked about anew."
    )
