"""A process that has imported everything and forks one for each step that is to be killed.

Owns both ends. It has one thread and no connection, so that forking is safe and takes milliseconds; what it is asked
comes as one line of JSON each, what became of the fork goes back as its exit status.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from chargeback.ledger import database
from chargeback.settings import Settings, settings
from tests.faults.bookings import BOOKINGS
from tests.faults.crash_points import Points
from tests.faults.faults import kill_process

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class DyingProcess:
    """The end that asks."""

    process: subprocess.Popen[str]

    def dies(self, name: str, point: int, environment: Mapping[str, str]) -> bool:
        """Take a step in a process of its own, to be killed at that point; whether it was."""
        asked = json.dumps({"name": name, "point": point, "environment": dict(environment)})
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(asked + "\n")
        self.process.stdin.flush()
        status = int(self.process.stdout.readline())
        assert status in (0, -signal.SIGKILL), f"the process ended with {status}"
        return status == -signal.SIGKILL


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
        child = os.fork()
        if child == 0:
            _take(asked["name"], asked["point"], asked["environment"])
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _take(name: str, point: int, environment: dict[str, str]) -> None:
    status = 1
    try:
        os.environ.update(environment)
        settings.cache_clear()
        engine = database.engine(environment["CHARGEBACK_DATABASE_URL"])
        with Points(point, kill_process).watching(engine):
            BOOKINGS[name].act()
        status = 0
    finally:
        os._exit(status)


if __name__ == "__main__":
    main()
