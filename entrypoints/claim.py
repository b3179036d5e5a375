"""Who runs the stack of a home: one process at a time, held by a file lock that dies with its holder.

Also how that process is asked to stop, so that its stack goes down in order.
"""

import contextlib
import fcntl
import getpass
import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import psutil

from chargeback.errors import Refused, Unavailable

ATTACH_SECONDS = 300

Say = Callable[[str], None]


def state_file(home: Path) -> Path:
    """Where a running stack writes how it is reached."""
    return home / "run" / "stack.json"


def read_state(home: Path) -> dict[str, Any]:
    """Where the running stack is reached; empty where its writer no longer lives."""
    try:
        state: dict[str, Any] = json.loads(state_file(home).read_text(encoding="utf-8"))
        is_same = psutil.Process(state["pid"]).create_time() == state["started_at"]
        return state if is_same else {}
    except (OSError, ValueError, KeyError, psutil.Error):
        return {}


def claim_or_wait(home: Path, say: Say) -> IO[str] | None:
    """The right to run this home's stack, or None once another process has it up and running."""
    deadline = time.monotonic() + ATTACH_SECONDS
    has_told = False
    while True:
        claim = open_lock(home)
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
            state_file(home).unlink(missing_ok=True)
            return claim
        claim.close()
        if read_state(home):
            return None
        if time.monotonic() > deadline:
            raise Unavailable(
                "stack_not_ready",
                f"another process holds {home / 'run' / 'stack.lock'} but its stack is not up "
                f"after {ATTACH_SECONDS} seconds; stop that process and start again",
            )
        if not has_told:
            say("Another process is starting or stopping the stack; waiting for it")
            has_told = True
        time.sleep(0.2)


def open_lock(home: Path, name: str = "stack.lock") -> IO[str]:
    """A file under `home` to lock; raises Refused where this user cannot write there."""
    try:
        (home / "run").mkdir(parents=True, exist_ok=True)
        return (home / "run" / name).open("a")
    except OSError as error:
        raise Refused(
            "home_not_writable",
            f"{home} cannot be written by {getpass.getuser()} ({error.strerror}); "
            "run as the user who made it, or set CHARGEBACK_HOME to a folder of your own",
        ) from None


@contextlib.contextmanager
def interruptible() -> Iterator[Callable[[], None]]:
    """SIGINT, SIGTERM and SIGHUP raise KeyboardInterrupt, so that all is stopped in order.

    Yields a function after which they do nothing: stopping is not interrupted.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
        numbers.remove(signal.SIGHUP)
    before = {number: signal.signal(number, signal.default_int_handler) for number in numbers}

    def stopping() -> None:
        for number in numbers:
            signal.signal(number, lambda *_: None)

    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
