"""What `chargeback approve` does: decide about a period's drafts, and let the run go on that waits for it."""

from typing import Any
from uuid import UUID

from chargeback.ledger import approvals, runs
from chargeback.ledger.database import snapshot, transaction
from chargeback.periods import Period
from chargeback.settings import settings
from entrypoints import showing
from entrypoints.claim import read_state
from entrypoints.commands import asked
from entrypoints.ledger_at_hand import ledger_at_hand
from entrypoints.prefect_server import post


def approve(
    period: str,
    is_rejected: bool,
    reason: str | None,
    shown: str | None,
    on: str | None,
    as_json: bool,
) -> int:
    """Approve or reject the drafts in the ledger; then tell the suspended run, if Prefect can be reached."""
    wanted, day, actor = Period.parse(period), asked.business_date(on), asked.actor()
    with ledger_at_hand():
        with snapshot() as connection:
            waiting = runs.waiting(connection, wanted.label)
        asking = waiting[-1] if waiting else None
        if is_rejected:
            with transaction() as connection:
                found = approvals.reject(connection, wanted, shown, actor, reason or "", asking)
            done: dict[str, Any] = {"decision": "rejected", "drafts": list(found.numbers)}
        else:
            done = {"decision": "approved", "issued": _issued(wanted, shown, day, actor, reason)}
    resumed = [str(run_id) for run_id in waiting if _resume(run_id, is_rejected, actor, reason)]
    if as_json:
        showing.print_json({"period": wanted.label, **done, "resumed": resumed})
        return 0
    if is_rejected:
        showing.say(
            f"The {len(done['drafts'])} drafts of {wanted.label} are rejected; they stay drafts."
        )
    elif done["issued"]:
        numbers = ", ".join(done["issued"])
        showing.say(
            f"{len(done['issued'])} invoices of {wanted.label} are issued, dated {day}: {numbers}."
        )
    else:
        showing.say(f"No draft of {wanted.label} waits for approval; nothing changed.")
    if resumed:
        showing.say("The run that waited for this goes on.")
    return 0


def _issued(
    period: Period, shown: str | None, day: Any, actor: str, reason: str | None
) -> list[str]:
    """Issue through the step that the flow takes too, and publish what was issued."""
    from tasks.bill_payers import approve_drafts
    from tasks.publish_documents import publish_invoices

    issued = approve_drafts.fn(period.label, shown, day, actor, reason or "", None)
    if issued["numbers"]:
        publish_invoices.fn(period.label)
    return list(issued["numbers"])


def _resume(run_id: UUID, is_rejected: bool, actor: str, reason: str | None) -> bool:
    """Answer the question of a suspended run as it was answered here; whether Prefect took the answer."""
    given = settings().prefect_api_url or read_state(settings().home).get("prefect_api_url")
    if given is None:
        return False
    answer = {
        "decision": "reject" if is_rejected else "approve",
        "decided_by": actor,
        "note": reason or "",
    }
    told = post(given.rstrip("/"), f"/flow_runs/{run_id}/resume", {"run_input": answer})
    return told is not None and told.get("status") == "ACCEPT"
