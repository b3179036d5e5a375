"""Machines that are lost, paused and back: whatever happens to them, the month is billed once and the same.

Two workers have homes of their own and share one Postgres and one file store. What happens to a run happens while it
waits for its cost tracker. The tests that wait until Prefect gives a machine up take two minutes each: `make prove`.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import text

from chargeback.ledger.database import transaction
from entrypoints.children import MARK, end_leftovers
from entrypoints.prefect_server import get
from tests.faults.killed_stack import Round, processes_of
from tests.faults.month import PERIOD
from tests.flows.deployed import Deployed, wait_for
from tests.flows.slow_tracker import SlowTracker

pytestmark = pytest.mark.timeout(900)

MONTH = {"period": PERIOD, "business_date": "2026-11-01"}
# 90 seconds without a heartbeat, and the server's own pace.
GIVEN_UP_SECONDS = 200


@pytest.fixture
def tracker(export: Path) -> Iterator[SlowTracker]:
    with SlowTracker(export).serving() as serving:
        yield serving


@pytest.fixture(scope="module")
def expected(deployed: Deployed) -> dict[str, str]:
    """What the ledger says after a month that nobody disturbed."""
    with deployed.killed.round() as undisturbed:
        assert (
            deployed.ended(deployed.start("monthly-billing", MONTH, undisturbed))["type"]
            == "COMPLETED"
        )
        return said(undisturbed)


def said(round_: Round) -> dict[str, str]:
    """The ledger's facts; a month that is asked for over HTTP leaves the cursor where it is."""
    return {**round_.facts(), "cursors": "cost-tracker None"}


def waiting_for_usage(deployed: Deployed, round_: Round, tracker: SlowTracker) -> str:
    """A run of the month that has begun and waits for its tracker."""
    with transaction(round_.url) as connection:
        connection.execute(
            text(
                "UPDATE usage_sources SET config = config - 'path' || jsonb_build_object('url', CAST(:url AS text))"
            ),
            {"url": tracker.url},
        )
    run = deployed.start(
        "monthly-billing", MONTH, round_,
        CHARGEBACK_SOURCE_TIMEOUT_SECONDS="600", CHARGEBACK_PRIVATE_NETWORKS="127.0.0.0/8",
    )  # fmt: skip
    assert tracker.asked.wait(120)
    tracker.asked.clear()
    return run


def process_of(run: str) -> psutil.Process:
    (process,) = processes_of(run)  # type: ignore[arg-type]
    return process


def assert_billed_once(round_: Round, expected: dict[str, str]) -> None:
    """The month undisturbed, and the step of the killed process closed, as lost."""
    round_.assert_whole(expected)
    count = "SELECT count(*) FROM billing_steps WHERE "
    with transaction(round_.url) as connection:
        assert connection.execute(text(count + "state = 'running'")).scalar() == 0
        assert connection.execute(text(count + "error LIKE '%its process ended%'")).scalar() == 1


def test_a_run_whose_process_is_killed_begins_again_by_itself(
    deployed: Deployed, round_: Round, tracker: SlowTracker, expected: dict[str, str]
) -> None:
    run = waiting_for_usage(deployed, round_, tracker)
    process_of(run).kill()
    tracker.gate.set()
    wait_for(lambda: deployed.run(run).get("run_count") == 2)
    assert deployed.ended(run)["type"] == "COMPLETED"
    assert_billed_once(round_, expected)


def test_a_prefect_server_started_again_in_the_middle_loses_nothing(
    deployed: Deployed, round_: Round, tracker: SlowTracker, expected: dict[str, str]
) -> None:
    run = waiting_for_usage(deployed, round_, tracker)
    server = deployed.killed.stack.server_pid
    assert server is not None
    os.kill(server, signal.SIGKILL)
    wait_for(lambda: bool(deployed.killed.stack.mend()))
    wait_for(lambda: get(deployed.api, "/health"))
    tracker.gate.set()
    assert deployed.ended(run)["type"] == "COMPLETED"
    round_.assert_whole(expected)


@contextmanager
def second_worker(deployed: Deployed, home: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`chargeback worker` with a home of its own."""
    stack = deployed.killed.stack
    environment = {
        **stack.environment,
        "CHARGEBACK_HOME": str(home),
        "PREFECT_HOME": str(home / "prefect"),
    }
    environment.pop(MARK, None)
    command = [sys.executable, "-m", "entrypoints.cli", "worker"]
    log = home / "said.log"
    with (
        log.open("wb") as out,
        subprocess.Popen(command, env=environment, stdout=out, stderr=out) as process,
    ):
        try:
            wait_for(lambda: "Running" in log.read_text(encoding="utf-8"))
            yield process
        finally:
            process.terminate()
            process.wait(60)
            end_leftovers(home)


def workers(deployed: Deployed) -> list[dict[str, Any]]:
    found = deployed.ask("POST", "/work_pools/chargeback/workers/filter", {}).json()
    return [one for one in found if one["status"] == "ONLINE"]


def kill_machine(pid: int) -> None:
    """Everything of a worker at once, as when its machine loses power."""
    worker = psutil.Process(pid)
    for process in [worker, *worker.children(recursive=True)]:
        process.kill()


@pytest.mark.prove
def test_a_run_of_a_lost_machine_is_crashed_and_ends_on_another(
    deployed: Deployed,
    round_: Round,
    tracker: SlowTracker,
    expected: dict[str, str],
    tmp_path: Path,
) -> None:
    run = waiting_for_usage(deployed, round_, tracker)
    with second_worker(deployed, tmp_path):
        wait_for(lambda: len(workers(deployed)) == 2)
        pid = deployed.killed.stack.worker_pid
        assert pid is not None
        kill_machine(pid)
        tracker.gate.set()
        wait_for(lambda: deployed.run(run).get("run_count") == 2, GIVEN_UP_SECONDS)
        assert deployed.ended(run)["type"] == "COMPLETED"
    deployed.killed.stack.mend()
    assert_billed_once(round_, expected)


@pytest.mark.prove
def test_a_paused_machine_that_wakes_after_another_took_over_does_no_harm(
    deployed: Deployed,
    round_: Round,
    tracker: SlowTracker,
    expected: dict[str, str],
    tmp_path: Path,
) -> None:
    run = waiting_for_usage(deployed, round_, tracker)
    paused = process_of(run)
    worker = deployed.killed.stack.worker_pid
    assert worker is not None
    with second_worker(deployed, tmp_path):
        for pid in (worker, paused.pid):
            os.kill(pid, signal.SIGSTOP)
        tracker.gate.set()
        wait_for(lambda: deployed.run(run).get("run_count") == 2, GIVEN_UP_SECONDS)
        assert deployed.ended(run)["type"] == "COMPLETED"
        round_.assert_whole(expected)
        for pid in (paused.pid, worker):
            os.kill(pid, signal.SIGCONT)
        # It has its usage now, and goes on as if nothing had been.
        wait_for(lambda: not paused.is_running() or paused.status() == psutil.STATUS_ZOMBIE)
    deployed.killed.stack.mend()
    round_.assert_whole(expected)


@pytest.mark.prove
def test_two_workers_share_the_runs_of_one_pool(
    deployed: Deployed, round_: Round, expected: dict[str, str], tmp_path: Path
) -> None:
    with second_worker(deployed, tmp_path):
        runs = [
            deployed.start("monthly-billing", MONTH, round_, CHARGEBACK_DOCUMENTS_PER_RUN="1")
            for _ in range(4)
        ]
        assert {deployed.ended(run)["type"] for run in runs} == {"COMPLETED"}
    # A file is read whole, so its cursor moves.
    round_.assert_whole(expected | {"cursors": "cost-tracker 2026-11-01 00:00:00+00:00"})
