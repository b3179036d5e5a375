"""A process that has imported everything and forks others, which take a step: to be killed, paused, or many at once.

Owns both ends. It has one thread and no connection, so that forking is safe and takes milliseconds; what it is asked
comes as one line of JSON each, what became of the forks goes back as a line each.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from chargeback.errors import ChargebackError, Unavailable
from chargeback.ledger import database, snapshot_sync
from chargeback.settings import Settings, settings
from tests.faults.bookings import BOOKINGS
from tests.faults.crash_points import Fault, Points
from tests.faults.faults import kill_process, pause_process
from tests.faults.findings import assert_readable

ROOT = Path(__file__).resolve().parents[2]
FAULTS: Mapping[str, Fault] = {"kill": kill_process, "pause": pause_process}
# How a fork ends: its step is done, Chargeback said no in readable words, anything else.
DONE, REFUSED, BROKEN = 0, 5, 1
TRIES, PAUSE_SECONDS = 8, 0.2
# What sleeps for longer loses its turn: sooner here than the minute that the product allows.
SOON_SECONDS = 2

Environment = Mapping[str, str]


@dataclass
class DyingProcess:
    """The end that asks."""

    process: subprocess.Popen[str]

    def dies(self, name: str, point: int, environment: Environment) -> bool:
        """Take a step in a process of its own, to be killed at that point; whether it was."""
        (status,) = self._ask(1, name=name, how="kill", point=point, environment=dict(environment))
        assert status in (DONE, -signal.SIGKILL), f"the process ended with {status}"
        return status == -signal.SIGKILL

    def sleeps_while(
        self, name: str, point: int, environment: Environment, act: Callable[[], object]
    ) -> int:
        """Pause a step at that point, `act`, wake it; how it ended."""
        (pid,) = self._ask(1, name=name, how="pause", point=point, environment=dict(environment))
        assert pid > BROKEN, f"nothing was paused: {pid}"
        try:
            act()
        finally:
            os.kill(pid, signal.SIGCONT)
            status = int(self._answers.readline())
        return status

    def all_at_once(self, name: str, processes: int, environment: Environment) -> list[int]:
        """Let so many processes take the same step side by side; how each ended.

        As Prefect does, each tries again what the world made fail.
        """
        return self._ask(processes, name=name, how="race", environment=dict(environment))

    @property
    def _answers(self) -> TextIO:
        assert self.process.stdout is not None
        return self.process.stdout  # type: ignore[return-value]

    def _ask(self, count: int, **asked: Any) -> list[int]:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(asked | {"count": count}) + "\n")
        self.process.stdin.flush()
        return [int(self._answers.readline()) for _ in range(count)]


@contextmanager
def dying_process() -> Iterator[DyingProcess]:
    """The process, for as long as the block lasts."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", __name__]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield DyingProcess(process)
        assert process.stdin is not None
        process.stdin.close()


def main() -> None:
    """Fork for every line until there are no more."""
    Settings.model_config["env_file"] = None
    for line in sys.stdin:
        asked = json.loads(line)
        if asked["how"] == "race":
            _race(asked)
        else:
            _strike(asked)


def _strike(asked: dict[str, Any]) -> None:
    """One fork; where it pauses its number is told first."""
    child = _fork(asked["environment"], lambda: _struck(asked))
    _, status = os.waitpid(child, os.WUNTRACED)
    if os.WIFSTOPPED(status):
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)


def _race(asked: dict[str, Any]) -> None:
    """Forks that wait for each other at a gate, which is a pipe that nobody writes to."""
    gate, opened = os.pipe()

    def begin() -> None:
        os.close(opened)
        os.read(gate, 1)
        _take_patiently(asked["name"])

    children = [_fork(asked["environment"], begin) for _ in range(asked["count"])]
    os.close(opened)
    os.close(gate)
    for child in children:
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _fork(environment: dict[str, str], act: Callable[[], object]) -> int:
    child = os.fork()
    if child:
        return child
    status = BROKEN
    try:
        os.environ.update(environment)
        settings.cache_clear()
        act()
        status = DONE
    except ChargebackError as error:
        assert_readable(str(error))
        status = REFUSED
    finally:
        os._exit(status)


def _struck(asked: dict[str, Any]) -> None:
    if asked["how"] == "pause":
        snapshot_sync.IDLE_READING_SECONDS = snapshot_sync.IDLE_SETTLING_SECONDS = SOON_SECONDS
    engine = database.engine(settings().database_url or "")
    with Points(asked["point"], FAULTS[asked["how"]]).watching(engine):
        BOOKINGS[asked["name"]].act()


def _take_patiently(name: str) -> None:
    for last in range(TRIES):
        try:
            BOOKINGS[name].act()
        except Unavailable as error:
            assert_readable(str(error))
            if last == TRIES - 1:
                raise
            time.sleep(PAUSE_SECONDS)
        else:
            return


if __name__ == "__main__":
    main()
