"""Long-lived child processes of the stack: started, watched, stopped, and found again after a crash.

Each child carries the mark of its home in its environment, which its own children inherit; so what a
killed stack left running is known for certain, whatever happened to its files.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from chargeback.errors import Unavailable
from entrypoints.postgres import tail

MARK = "CHARGEBACK_STACK_OF"
TERM_SECONDS = 5
KILL_SECONDS = 30
# A child that dies this often in this time is broken, and starting it again would only hide that.
RESTARTS = 5
RESTARTS_WITHIN_SECONDS = 120

# A program started by `command &` ignores SIGINT, and so would its children; Prefect's then never stop.
_WITH_SIGINT = """\
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])
"""


class Child:
    """One supervised process with a log of its own, in its own session: Ctrl-C does not reach it."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        home: Path,
        root: Path,
    ) -> None:
        self.name = name
        self.log = home / "logs" / f"{name}.log"
        self._command = [sys.executable, "-c", _WITH_SIGINT, *command]
        self._environment = {**environment, MARK: str(home)}
        self._root = root
        self._process: subprocess.Popen[bytes] | None = None
        self._starts: list[float] = []

    @property
    def pid(self) -> int | None:
        """The process id, if it lives."""
        return self._process.pid if self._process and self.is_alive() else None

    def is_alive(self) -> bool:
        """Whether it runs; a killed one is reaped here."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it, or start it again. Raises Unavailable when it keeps dying."""
        now = time.monotonic()
        self._starts = [start for start in self._starts if now - start < RESTARTS_WITHIN_SECONDS]
        if len(self._starts) > RESTARTS:
            raise self.failure("keeps ending by itself")
        self._starts.append(now)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                cwd=self._root,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def stop(self) -> None:
        """End it: a TERM, a second one after some seconds, then KILL."""
        if self._process is None:
            return
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
            if not self.is_alive():
                return
            self._process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(KILL_SECONDS if number == signal.SIGKILL else TERM_SECONDS)

    def failure(self, what: str) -> Unavailable:
        """The error that says what went wrong, with the end of the log."""
        return Unavailable(
            f"{self.name.replace('-', '_')}_failed",
            f"{self.name} {what}; the end of {self.log}:\n{tail(self.log)}",
        )


def end_leftovers(home: Path) -> int:
    """End every process that an earlier stack of this home left running; how many there were."""
    left = _marked(home)
    _signal_all(left, signal.SIGTERM)
    _wait(home, TERM_SECONDS)
    _signal_all(_marked(home), signal.SIGKILL)
    _wait(home, KILL_SECONDS)
    if stuck := _marked(home):
        raise Unavailable(
            "stack_left_running",
            f"processes {[process.pid for process in stuck]} of an earlier stack do not end; end them and start again",
        )
    return len(left)


def _marked(home: Path) -> list[psutil.Process]:
    return [process for process in psutil.process_iter() if _has_mark(process, str(home))]


def _has_mark(process: psutil.Process, mark: str) -> bool:
    # The stack may itself have been started by a marked process, such as a flow.
    if process.pid == os.getpid():
        return False
    try:
        is_dead = process.status() == psutil.STATUS_ZOMBIE
        return not is_dead and process.environ().get(MARK) == mark
    except (psutil.Error, OSError):
        return False


def _signal_all(processes: list[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.send_signal(number)


def _wait(home: Path, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while _marked(home) and time.monotonic() < deadline:
        time.sleep(0.1)
