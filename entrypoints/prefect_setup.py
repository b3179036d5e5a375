"""What a Prefect server needs before it can run the flows: a work pool, the deployments, an end for lost runs.

Run as `python -m entrypoints.prefect_setup` with `PREFECT_API_URL` and `CHARGEBACK_ROOT` set.
Rerun: what is there already stays; deployments take on what prefect.yaml and the flows say now.
"""

import runpy
import sys

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.workers.process import ProcessWorker

from entrypoints.prefect_server import POOL

LOST_RUNS = "chargeback: lost runs are crashed"
# Three heartbeats of 30 seconds: a healthy run never misses them all.
LOST_AFTER_SECONDS = 90
ENDS = ("Completed", "Failed", "Cancelled", "Crashed", "Suspended", "Paused", "AwaitingRetry")


def main() -> None:
    """Make the pool and the automation where they are missing, then have Prefect deploy everything."""
    with get_client(sync_client=True) as client:
        make_pool(client)
        crash_lost_runs(client)
    sys.argv = ["prefect", "deploy", "--all", "--no-prompt"]
    runpy.run_module("prefect", run_name="__main__")


def make_pool(client: SyncPrefectClient) -> None:
    """The pool of processes, from the template inside Prefect: `work-pool create` fetches one online."""
    try:
        client.read_work_pool(POOL)
    except ObjectNotFound:
        template = ProcessWorker.get_default_base_job_template()
        pool = WorkPoolCreate(name=POOL, type="process", base_job_template=template)
        try:
            client.create_work_pool(pool)
        except ObjectAlreadyExists:
            # A worker made it at the same moment.
            return


def crash_lost_runs(client: SyncPrefectClient) -> None:
    """Have runs whose process vanished marked as crashed; Prefect itself leaves them running for ever."""
    if client.read_automations_by_name(LOST_RUNS):
        return
    trigger = EventTrigger(
        after={"prefect.flow-run.heartbeat"},
        expect={"prefect.flow-run.heartbeat", *(f"prefect.flow-run.{end}" for end in ENDS)},
        for_each={"prefect.resource.id"},
        posture=Posture.Proactive,
        threshold=1,
        within=LOST_AFTER_SECONDS,
    )
    crash = ChangeFlowRunState(
        state=StateType.CRASHED,
        name="Crashed",
        message=f"No sign of life for {LOST_AFTER_SECONDS} seconds: its process is gone. Run it again.",
    )
    client.create_automation(AutomationCore(name=LOST_RUNS, trigger=trigger, actions=[crash]))


if __name__ == "__main__":
    main()
