"""What the Prefect server does by itself for our runs: crash those whose machine is lost, and start them again.

A run that crashed is started again at most three times; a run that failed had a reason, and is not. Postgres makes
it harmless where a run thought lost goes on after all.
"""

from datetime import timedelta

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture

LOST_RUNS = "chargeback: lost runs are crashed"
STUCK_RUNS = "chargeback: runs that no worker began are scheduled again"
CRASHED_RUNS = "chargeback: crashed runs are started again, three times at most"
# Three heartbeats of 30 seconds: a healthy run never misses them all.
LOST_AFTER_SECONDS = 90
# A worker starts a process within seconds, and begins few at a time.
STUCK_AFTER_SECONDS = 120
RESTARTS = 3

ENDS = {
    f"prefect.flow-run.{end}"
    for end in ("Completed", "NeedsAPerson", "Failed", "TimedOut", "Cancelled", "Cancelling", "Crashed", "Suspended",
                "Paused", "AwaitingRetry", "Scheduled")
}  # fmt: skip
HEARTBEAT = "prefect.flow-run.heartbeat"
OURS = {"prefect.resource.role": "tag", "prefect.resource.id": "prefect.tag.chargeback"}
EACH_RUN = {"prefect.resource.id"}

AUTOMATIONS = (
    AutomationCore(
        name=LOST_RUNS,
        description="A run that gave no sign of life for 90 seconds has lost its process.",
        trigger=EventTrigger(
            after={HEARTBEAT}, expect={HEARTBEAT, *ENDS}, match_related=OURS, for_each=EACH_RUN,
            posture=Posture.Proactive, threshold=1, within=timedelta(seconds=LOST_AFTER_SECONDS),
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED,
                name="Crashed",
                message=f"No sign of life for {LOST_AFTER_SECONDS} seconds: its process is gone.",
            )
        ],
    ),
    AutomationCore(
        name=STUCK_RUNS,
        description="A run that a worker took and did not begin within two minutes goes back to the pool.",
        trigger=EventTrigger(
            after={"prefect.flow-run.Pending"}, expect={"prefect.flow-run.Running", *ENDS}, match_related=OURS,
            for_each=EACH_RUN, posture=Posture.Proactive, threshold=1, within=timedelta(seconds=STUCK_AFTER_SECONDS),
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.SCHEDULED,
                name="AwaitingRetry",
                message=f"The worker that took it did not begin it within {STUCK_AFTER_SECONDS} seconds.",
            )
        ],
    ),
    AutomationCore(
        name=CRASHED_RUNS,
        description="A run that crashed begins again; what it had committed stays, so it does the rest.",
        trigger=EventTrigger(
            expect={"prefect.flow-run.Crashed"}, match_related=OURS, for_each=EACH_RUN, posture=Posture.Reactive,
            # How often it has begun so far: the fourth beginning is the last.
            match={"prefect.resource.id": "prefect.flow-run.*",
                   "prefect.run-count": [str(begun) for begun in range(1, RESTARTS + 1)]},
            threshold=1, within=timedelta(0),
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.SCHEDULED,
                name="AwaitingRetry",
                message="It crashed, and begins again.",
            )
        ],
    ),
)  # fmt: skip


def keep_automation(client: SyncPrefectClient, wanted: AutomationCore) -> None:
    """Make the automation, or bring the one of that name up to date; one switched off stays off."""
    held = client.read_automations_by_name(wanted.name)
    if not held:
        client.create_automation(wanted)
        return
    client.update_automation(held[0].id, wanted.model_copy(update={"enabled": held[0].enabled}))
