"""SIGKILL at random moments of the monthly flow, then run again: the same digest as undisturbed.

Two runs at once end in it too. One real stack serves all rounds; each has a fresh copy of a seeded ledger. The
moments are spread over the time an undisturbed run takes, by a fixed seed: FAULTS_SEED gives others.
"""

import os
import random
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from multiprocessing.context import ForkServerProcess
from uuid import UUID

import pytest

from entrypoints.commands.runs import MONTHLY_BILLING
from entrypoints.flow_runs import run_deployment
from tests.faults import billing_process
from tests.faults.conftest import Undisturbed
from tests.faults.findings import assert_readable
from tests.faults.killed_stack import ASK_SECONDS, KilledStack, Round, processes_of
from tests.faults.month import ISSUED_ON, PERIOD

pytestmark = pytest.mark.timeout(600)

SEED = os.environ.get("FAULTS_SEED", "20261101")
ROUNDS = {"flow": 8, "postgres": 6, "session": 4}
# A machine that gets faster ends a flow before its moment; how fast it goes is known better each time.
CATCHES = 4


def moments(what: str, rounds: int) -> list[float]:
    """Parts of an undisturbed run's time: one at random in each of as many equal slices."""
    chance = random.Random(f"{SEED} {what}")
    return [round((slot + chance.random()) / rounds, 3) for slot in range(rounds)]


KILLS = [(victim, at) for victim, rounds in ROUNDS.items() for at in moments(victim, rounds)]
DEPLOYED_KILLS = list(zip(("flow", "postgres", "worker"), moments("deployed", 3), strict=True))


def has_ended(process: ForkServerProcess) -> bool:
    """Whether the process is over."""
    return not process.is_alive()


def bill_again(killed: KilledStack, round_: Round) -> None:
    """Run the flow again, in a process of its own; it completes."""
    process, _ = billing_process.start_flow(round_.environment, round_.log)
    killed.mend_until(partial(has_ended, process))
    assert process.exitcode == 0, round_.log.read_text(encoding="utf-8")


def bill_deployed(killed: KilledStack, rounds: list[Round]) -> None:
    """Run the deployed flow for all of these rounds at once; each run completes."""
    runs = [killed.start_deployed(round_) for round_ in rounds]
    killed.mend_until(lambda: all(map(killed.has_ended, runs)), ASK_SECONDS)
    assert [killed.state(run)["type"] for run in runs] == ["COMPLETED"] * len(runs)


def run_until(moment: float, round_: Round, undisturbed: Undisturbed) -> ForkServerProcess | None:
    """A process that is that far through the flow; None where it was over by then, and all go faster than thought."""
    process, ended = billing_process.start_flow(round_.environment, round_.log)
    begun = time.monotonic()
    if not ended.wait(undisturbed.seconds * moment):
        return process
    undisturbed.seconds = time.monotonic() - begun
    process.join()
    return None


@pytest.mark.parametrize(("victim", "at"), KILLS)
def test_a_month_killed_and_run_again_is_the_month_undisturbed(
    killed_stack: KilledStack, undisturbed: Undisturbed, victim: str, at: float
) -> None:
    for attempt in range(1, CATCHES + 1):
        with killed_stack.round() as round_:
            process = run_until(at, round_, undisturbed)
            if process is None:
                continue
            print(f"seed {SEED}: {victim} killed at {at} of the flow, attempt {attempt}")
            kill: Callable[[], None] = {
                "flow": process.kill,
                "postgres": killed_stack.kill_postgres,
                "session": lambda: killed_stack.kill_session(round_),
            }[victim]
            kill()
            killed_stack.mend_until(partial(has_ended, process))
            bill_again(killed_stack, round_)
            round_.assert_whole(undisturbed.facts)
        return
    raise AssertionError(f"the flow was over each time before {at} of it")


@pytest.mark.parametrize(("victim", "at"), DEPLOYED_KILLS)
def test_two_deployed_months_killed_and_run_again_are_the_month_undisturbed(
    killed_stack: KilledStack, undisturbed: Undisturbed, victim: str, at: float
) -> None:
    with ExitStack() as stack:
        rounds = [stack.enter_context(killed_stack.round()) for _ in range(2)]
        runs = [killed_stack.start_deployed(round_) for round_ in rounds]
        kill: Callable[[], None] = {
            "flow": lambda: killed_stack.kill_flows(runs),
            "postgres": killed_stack.kill_postgres,
            "worker": killed_stack.kill_worker,
        }[victim]
        killed_stack.mend_until(lambda: all(map(killed_stack.has_begun, runs)), ASK_SECONDS)
        # They began one after the other, so one kill hits them at two moments.
        time.sleep(undisturbed.seconds * at)
        print(f"seed {SEED}: {victim} killed at {at}, {states(killed_stack, runs)}")
        kill()
        killed_stack.mend_until(lambda: not any(map(processes_of, runs)), ASK_SECONDS)
        print(f"afterwards {states(killed_stack, runs)}")
        if victim == "worker":
            bill_deployed(killed_stack, rounds)
        else:
            for round_ in rounds:
                bill_again(killed_stack, round_)
        for round_ in rounds:
            round_.assert_whole(undisturbed.facts)


def states(killed: KilledStack, runs: list[UUID]) -> list[str | None]:
    """How Prefect says the runs stand."""
    return [killed.state(run).get("name") for run in runs]


def test_two_deployed_runs_of_one_month_bill_it_once(
    killed_stack: KilledStack, undisturbed: Undisturbed
) -> None:
    with killed_stack.round() as round_:
        bill_deployed(killed_stack, [round_, round_])
        round_.assert_whole(undisturbed.facts)


def test_who_waits_for_a_deployed_run_waits_while_postgres_is_started_again(
    killed_stack: KilledStack,
) -> None:
    seen: list[str] = []

    def watch(state: str, _: object) -> None:
        if state == "Running" and "Running" not in seen:
            killed_stack.kill_postgres()
        seen.append(state)

    parameters = {"period": PERIOD, "business_date": ISSUED_ON.isoformat()}
    # The stack's own ledger is empty.
    ended = run_deployment(killed_stack.stack, MONTHLY_BILLING, parameters, watch)
    assert ended.needs_a_person
    assert "there is no source yet" in ended.sentence
    assert "Running" in seen


def test_nothing_that_prefect_shows_of_all_this_is_in_the_words_of_the_database(
    killed_stack: KilledStack,
) -> None:
    for said in killed_stack.told():
        assert_readable(said)
