"""The whole stack with the locked versions: it starts, deploys, schedules, and mends itself.

With some versions of what Prefect needs its server starts, answers and never schedules a run, so
nothing but a started server proves a lock file. One start serves all of these tests.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from chargeback.settings import Settings, settings
from entrypoints.automations import CRASHED_RUNS, LOST_RUNS, STUCK_RUNS
from entrypoints.deploying import Deploying, deployment_names
from entrypoints.prefect_server import POOL, get, is_healthy, is_pool_ready
from entrypoints.stack import Stack, running
from tests.entrypoints.conftest import free_port

SCHEDULED = {
    "usage-sync/chargeback",
    "cost-allocation/chargeback",
    "overdue-sweep/chargeback",
    "invoice-delivery/chargeback",
    "monthly-billing/chargeback",
    "books-verification/chargeback",
    "retention/chargeback",
}
WAIT_SECONDS = 60

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def stack(module_home: Path) -> Iterator[Stack]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(Settings.model_config, "env_file", None)
        patch.setenv("CHARGEBACK_PREFECT_PORT", str(free_port()))
        settings.cache_clear()
        with running(module_home) as started:
            yield started
    settings.cache_clear()


def posted(stack: Stack, path: str, body: dict[str, Any]) -> Any:
    answer = httpx.post(stack.prefect_api_url + path, json=body, trust_env=False)
    answer.raise_for_status()
    return answer.json()


def names(stack: Stack, path: str, body: dict[str, Any]) -> set[str]:
    """The deployments that the answer speaks of, as flow/deployment."""
    flows = {each["id"]: each["name"] for each in posted(stack, "/flows/filter", {})}
    return {f"{flows[each['flow_id']]}/chargeback" for each in posted(stack, path, body)}


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_every_deployment_of_prefect_yaml_is_there(stack: Stack) -> None:
    assert names(stack, "/deployments/filter", {}) == set(deployment_names())


def test_every_active_schedule_makes_runs_and_no_other(stack: Stack) -> None:
    scheduled = {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}}
    wait_for(lambda: names(stack, "/flow_runs/filter", scheduled) >= SCHEDULED)
    assert names(stack, "/flow_runs/filter", scheduled) == SCHEDULED


def test_the_monthly_bill_starts_when_the_new_month_has_begun_everywhere(stack: Stack) -> None:
    flow = {"flows": {"name": {"any_": ["monthly-billing"]}}}
    wait_for(lambda: bool(posted(stack, "/flow_runs/filter", flow)))
    for run in posted(stack, "/flow_runs/filter", flow):
        starts_at = datetime.fromisoformat(run["expected_start_time"]).astimezone(UTC)
        assert (starts_at.day, starts_at.hour) == (1, 12)


def test_lost_runs_are_crashed_within_two_minutes_and_begin_again_three_times_at_most(
    stack: Stack,
) -> None:
    automations = {one["name"]: one for one in posted(stack, "/automations/filter", {})}
    assert set(automations) == {LOST_RUNS, STUCK_RUNS, CRASHED_RUNS}
    assert all(one["enabled"] for one in automations.values())
    assert automations[LOST_RUNS]["trigger"]["within"] == 90
    assert automations[STUCK_RUNS]["trigger"]["within"] == 120
    assert automations[CRASHED_RUNS]["trigger"]["match"]["prefect.run-count"] == ["1", "2", "3"]


def test_deploying_again_changes_nothing(stack: Stack) -> None:
    def deployed() -> list[Any]:
        return [
            sorted(((one["id"], str(one["parameter_openapi_schema"]), [s["slug"] for s in one["schedules"]])
                    for one in posted(stack, "/deployments/filter", {})), key=str),
            sorted(str((one["id"], one["name"], one["trigger"]["match"]))
                   for one in posted(stack, "/automations/filter", {})),
            get(stack.prefect_api_url, f"/work_pools/{POOL}")["concurrency_limit"],
        ]  # fmt: skip

    before = deployed()
    again = Deploying(stack.home, stack.prefect_api_url, stack.environment, is_forced=True)
    assert again.wait()
    assert deployed() == before
    assert before[-1] == 16


def test_a_worker_is_online(stack: Stack) -> None:
    assert is_pool_ready(stack.prefect_api_url)
    assert stack.worker_pid is not None


def test_who_comes_second_uses_the_running_stack(stack: Stack) -> None:
    with running(stack.home) as second:
        assert not second.is_ours
        assert second.prefect_api_url == stack.prefect_api_url
        assert second.worker_pid == stack.worker_pid
    assert is_healthy(stack.prefect_api_url)


@pytest.mark.parametrize("part", ["worker_pid", "postmaster_pid", "server_pid"])
def test_a_killed_part_is_started_again(stack: Stack, part: str) -> None:
    before = getattr(stack, part)
    os.kill(before, signal.SIGKILL)
    wait_for(lambda: bool(stack.mend()))
    assert getattr(stack, part) not in (None, before)
    wait_for(lambda: is_healthy(stack.prefect_api_url))
