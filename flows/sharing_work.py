"""A long list of documents drawn by many runs: cut into parts that any worker of the pool takes.

The run that cuts the list draws too, and draws whatever no worker takes or a lost run left undone, so it ends
whether anybody helps or not. Two who draw the same part publish the same files.
"""

import logging
import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from httpx import HTTPError
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import StateType
from prefect.exceptions import ObjectNotFound
from prefect.runtime import flow_run
from prefect.states import Cancelled

from tasks.publish_documents import publish_invoices

log = logging.getLogger("chargeback.flows")

DEPLOYMENT = "document-drawing/chargeback"
LOOK_SECONDS = 1
# A run whose machine is lost is crashed within two minutes; past this its part is drawn here.
PATIENCE_SECONDS = 600

Part = Sequence[str]


def drawn_together(period: str, parts: Sequence[Part]) -> int:
    """Draw all parts; how many of them other runs drew. Rerun: the same files, nothing new."""
    asked = [(part, _ask(period, part)) for part in parts[1:]]
    _draw(period, parts[0])
    helped, waiting = 0, []
    with get_client(sync_client=True) as client:
        # The last ones are the least likely to be taken yet.
        for part, run_id in reversed(asked):
            if run_id is None or _withdrawn(client, run_id):
                _draw(period, part)
            else:
                waiting.append((part, run_id))
        for part, run_id in waiting:
            if _has_drawn(client, run_id):
                helped += 1
            else:
                log.warning("part.left_undone first=%s last=%s run=%s", *part, run_id)
                _draw(period, part)
    return helped


def _draw(period: str, part: Part) -> None:
    publish_invoices(period, part[0], part[1])


def _ask(period: str, part: Part) -> UUID | None:
    """A run for one part; None where there is nobody to ask."""
    parameters = {"period": period, "first": part[0], "last": part[1]}
    # Only where there is something to share: it takes part of a second to import.
    from prefect.deployments import run_deployment

    key = f"{flow_run.id}-{flow_run.run_count}-{part[0]}"
    try:
        # What makes this run work on its ledger makes its helpers work on it.
        run: Any = run_deployment(
            DEPLOYMENT, parameters=parameters, timeout=0, idempotency_key=key,
            job_variables=dict(flow_run.job_variables or {}),
        )  # fmt: skip
    except (HTTPError, ObjectNotFound, ValueError) as error:
        log.info("part.unasked first=%s last=%s reason=%s", *part, error)
        return None
    return UUID(str(run.id))


def _withdrawn(client: SyncPrefectClient, run_id: UUID) -> bool:
    """Whether no worker had taken the run; it is cancelled then. One taken meanwhile draws what we draw: no harm."""
    try:
        state = client.read_flow_run(run_id).state
        if state is None or state.type is not StateType.SCHEDULED:
            return False
        client.set_flow_run_state(run_id, Cancelled(message="drawn by the run that cut the work"))
    except HTTPError:
        return True
    return True


def _has_drawn(client: SyncPrefectClient, run_id: UUID) -> bool:
    """Wait for a run: whether it drew its part."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            state = client.read_flow_run(run_id).state
        except HTTPError:
            return False
        if state is not None and state.is_final():
            return state.is_completed()
        time.sleep(LOOK_SECONDS)
    return False
