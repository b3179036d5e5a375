"""Runs of deployed flows: started through Prefect's API, watched in the ledger's own journal.

Owns how a run is told in plain words. What the flows do is theirs.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

from httpx import HTTPError
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import State
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from prefect.states import Pending

from chargeback import errors
from chargeback.documents import wording
from chargeback.errors import ChargebackError, Refused, Unavailable
from chargeback.ledger import runs
from chargeback.ledger.database import transaction
from entrypoints.stack import Stack
from tasks.verify_books import BooksBroken

POLL_SECONDS = 0.3
# A worker that is there takes a run within seconds; past this somebody should look.
PICK_UP_SECONDS = 60
# Postgres recovers within seconds, on a slow disk within minutes.
AWAY_SECONDS = 300
ERRORS = {
    kind.__name__: kind
    for kind in (errors.Refused, errors.NotFound, errors.Invalid, Unavailable, BooksBroken)
}


@dataclass(frozen=True)
class Step:
    """A step of a run as it stands: what it does in words, and what came of it."""

    name: str
    state: str
    words: str
    seconds: float


@dataclass
class Ended:
    """How a run ended; `sentence` is what somebody has to know, `needs_a_person` whether they have to act."""

    run_id: UUID
    sentence: str
    needs_a_person: bool = False
    steps: list[Step] = field(default_factory=list)


Watch = Callable[[str, list[Step]], None]


def run_deployment(stack: Stack, name: str, parameters: Mapping[str, Any], watch: Watch) -> Ended:
    """Run a deployment of the stack and wait until it ends. `watch` hears its state and its steps so far.

    Raises what the run ended with: the kind of error that stopped it, or Unavailable where Prefect lost it.
    """
    with (
        # The client's own tries would keep this process, which is to mend the stack, waiting for it to be mended.
        temporary_settings({PREFECT_API_URL: stack.prefect_api_url, PREFECT_CLIENT_MAX_RETRIES: 0}),
        get_client(sync_client=True) as client,
    ):
        run_id = _start(client, name, parameters)
        begun = unseen_since = time.monotonic()
        while True:
            stack.mend()
            state, steps = _look(client, run_id, unseen_since)
            if state is None:
                watch("Prefect and its Postgres do not answer; waiting for them", [])
            else:
                unseen_since = time.monotonic()
                watch(state.name or "Scheduled", steps)
            if state is not None and state.is_final():
                break
            if (
                state is not None
                and state.is_scheduled()
                and time.monotonic() - begun > PICK_UP_SECONDS
            ):
                watch("No worker takes the run; is one running? It waits", [])
            time.sleep(POLL_SECONDS)
    if not state.is_completed():
        raise _failure(name, run_id, state.message or state.name or "no reason was given")
    return Ended(run_id, state.message or "", state.name == "NeedsAPerson", _steps(run_id))


def _start(client: SyncPrefectClient, name: str, parameters: Mapping[str, Any]) -> UUID:
    try:
        deployment = client.read_deployment_by_name(name)
    except ObjectNotFound:
        raise Refused(
            "not_deployed",
            f"Prefect has no deployment {name}; run `chargeback up` once, which deploys the flows of prefect.yaml",
        ) from None
    except HTTPError:
        raise _unreachable(client) from None
    try:
        return client.create_flow_run_from_deployment(deployment.id, parameters=dict(parameters)).id
    except HTTPError:
        raise _unreachable(client) from None


def _look(
    client: SyncPrefectClient, run_id: UUID, unseen_since: float
) -> tuple[State[Any] | None, list[Step]]:
    """The run's state and steps; no state while Prefect or Postgres is away, as when they are started again.

    Raises Unavailable when they stay away.
    """
    try:
        state = client.read_flow_run(run_id).state
        return state or Pending(), _steps(run_id)
    except (HTTPError, Unavailable):
        if time.monotonic() - unseen_since > AWAY_SECONDS:
            raise _unreachable(client) from None
        return None, []


def _unreachable(client: SyncPrefectClient) -> Unavailable:
    return Unavailable(
        "prefect_unreachable",
        f"Prefect at {client.api_url} or its Postgres does not answer; see that they run, then run this again",
    )


def _failure(name: str, run_id: UUID, said: str) -> ChargebackError:
    """The error of a run that did not complete, of the kind that its last failed step or its state names."""
    with transaction() as connection:
        held = runs.find(connection, run_id)
        failed = [
            step.error
            for step in runs.steps(connection, run_id)
            if step.state == "failed" and step.error
        ]
    kind, _, sentence = failed[-1].partition(": ") if failed else ("", "", "")
    if kind in ERRORS:
        return ERRORS[kind](f"{name.partition('/')[0].replace('-', '_')}_failed", sentence)
    reason = (held.error if held is not None else None) or said
    return Unavailable(
        "run_failed",
        f"the run {run_id} of {name} did not complete ({reason}); look at it in Prefect, then run this again",
    )


def _steps(run_id: UUID) -> list[Step]:
    with transaction() as connection:
        rows = runs.steps(connection, run_id)
    return [_step(row) for row in rows]


def _step(row: Any) -> Step:
    doing, done = WORDS.get(
        row.task, (row.task.replace("_", " "), lambda _: row.task.replace("_", " "))
    )
    seconds = (row.ended_at - row.started_at).total_seconds() if row.ended_at else 0.0
    if row.state == "completed":
        return Step(row.task, row.state, done(row.counts), seconds)
    if row.state == "failed":
        return Step(row.task, row.state, f"{doing}: {_sentence(row.error)}", seconds)
    return Step(row.task, row.state, doing, seconds)


def _sentence(error: str) -> str:
    """What a step's error says, without the kind that the journal writes before it."""
    kind, _, sentence = error.partition(": ")
    return sentence if kind in ERRORS else error


def _synced(counts: Mapping[str, Any]) -> str:
    cost = wording.exact(Decimal(counts["new_cost"]))
    return (
        f"Read {counts['source']}: {counts['received']} rows, {counts['new']} of them new, "
        f"{counts['unchanged']} held already, {counts['changed']} changed, {counts['quarantined']} refused; "
        f"{cost} booked"
    )


def _allocated(counts: Mapping[str, Any]) -> str:
    if not counts["days"]:
        return "Allocated nothing: every day was up to date"
    return f"Allocated {counts['days']} days: {counts['pools']} cost pools, {counts['allocations']} shares"


def _drafted(counts: Mapping[str, Any]) -> str:
    outcomes = ("made", "refreshed", "unchanged", "issued")
    told = [f"{counts[outcome]} {outcome}" for outcome in outcomes if outcome in counts]
    return f"Drafted invoices: {', '.join(told) or 'none was missing'}"


WORDS: dict[str, tuple[str, Callable[[Mapping[str, Any]], str]]] = {
    "list_sources": (
        "Looking for cost trackers",
        lambda c: f"Cost trackers: {', '.join(c['sources']) or 'none'}",
    ),
    "sync_source": ("Reading a cost tracker", _synced),
    "allocate_costs": ("Allocating", _allocated),
    "reallocate_costs": ("Sharing billed cost anew", lambda c: f"Shared {c['moved_cost']} anew"),
    "draft_invoices": ("Drafting the invoices", _drafted),
    "issue_invoices": ("Issuing the invoices", lambda c: f"Issued {c['issued']} invoices"),
    "publish_invoices": (
        "Drawing the PDFs",
        lambda c: f"Published {c['published']} documents as PDF, {c['new']} of them new",
    ),
    "publish_reports": (
        "Writing the reports",
        lambda c: f"Published {c['published']} report files, {c['new']} of them new",
    ),
    "find_unattributed": (
        "Looking for cost that nobody owns",
        lambda c: (
            f"Nobody owns {wording.exact(Decimal(c['cost']))} of {wording.exact(Decimal(c['whole']))}"
        ),
    ),
    "publish_finance": (
        "Writing the journal and the exports",
        lambda c: f"Published {c['published']} files for finance, {c['new']} of them new",
    ),
    "deliver_documents": ("Sending", lambda c: f"{c['sent']} messages went out"),
    "cut_documents": ("Counting the documents", lambda c: f"{c['documents']} documents to draw"),
    "look_at_drafts": (
        "Looking at the drafts",
        lambda c: f"{c['drafts']} drafts, {c['total']} in all, wait for approval",
    ),
    "approve_drafts": ("Issuing the invoices", lambda c: f"Issued {c['issued']} invoices"),
    "reject_drafts": ("Rejecting the drafts", lambda c: f"{c['rejected']} drafts are rejected"),
    "look_at_period": ("Reconciling", lambda _: "Reconciled what came in with what became of it"),
    "verify_books": ("Verifying the books", lambda _: "Verified: the books tie out"),
}
"""What each step is called while it runs, and what is said of its counts when it is done."""
