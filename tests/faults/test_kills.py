"""SIGKILL at random moments of the monthly flow, then run again: the same digest as undisturbed.

One real stack serves all rounds; each has a fresh copy of a seeded ledger. The moments are spread over the time
an undisturbed run takes, by a fixed seed: FAULTS_SEED gives others.
"""

import os
import random
import time

import pytest

from tests.faults import billing_process
from tests.faults.conftest import Undisturbed
from tests.faults.killed_stack import KilledStack, Round

pytestmark = pytest.mark.timeout(900)

SEED = int(os.environ.get("FAULTS_SEED", "20261101"))
ROUNDS = {"flow": 8, "postgres": 6, "session": 6}
# How often a person has to run it again, at most: the first time may still meet a recovering Postgres.
RUNS_AGAIN = 2


def moments(victim: str, rounds: int) -> list[float]:
    """Parts of an undisturbed run's time: one at random in each of as many equal slices."""
    chance = random.Random(f"{SEED} {victim}")
    return [round((slot + chance.random()) / rounds, 3) for slot in range(rounds)]


KILLS = [(victim, at) for victim, rounds in ROUNDS.items() for at in moments(victim, rounds)]


def bill(killed: KilledStack, round_: Round) -> int | None:
    """Bill the round's month in a process of its own, under supervision; its exit status."""
    process = billing_process.start(round_.environment, round_.log)
    killed.mend_until(lambda: not process.is_alive())
    return process.exitcode


def bill_again(killed: KilledStack, round_: Round) -> None:
    """Run it again until it completes."""
    for _ in range(RUNS_AGAIN):
        if bill(killed, round_) == 0:
            return
    raise AssertionError(round_.log.read_text(encoding="utf-8"))


@pytest.mark.parametrize(("victim", "at"), KILLS)
def test_a_month_killed_and_run_again_is_the_month_undisturbed(
    killed_stack: KilledStack, undisturbed: Undisturbed, victim: str, at: float
) -> None:
    with killed_stack.round() as round_:
        process = billing_process.start(round_.environment, round_.log)
        time.sleep(undisturbed.seconds * at)
        if victim == "flow":
            process.kill()
        elif victim == "postgres":
            killed_stack.kill_postgres()
        else:
            killed_stack.kill_session(round_)
        t=time.monotonic()
        killed_stack.mend_until(lambda: not process.is_alive())
        t1=time.monotonic()
        print(victim, at, undisturbed.seconds, "ended", process.exitcode, "after", t1-t)
        bill_again(killed_stack, round_)
        print("again", time.monotonic()-t1, round_.journal())
        __import__("pathlib").Path("/tmp/faults/round-%s-%s.log" % (victim, at)).write_text(round_.log.read_text())
        round_.assert_whole(undisturbed.facts)
