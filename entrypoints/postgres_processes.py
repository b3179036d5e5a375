"""Which processes serve a data folder, whether they live, and how to clear away those of a killed server."""

import contextlib
import signal
import time
from pathlib import Path

import psutil

from chargeback.errors import Unavailable


def is_ready(data: Path) -> bool:
    """Whether a live server on this data takes connections."""
    lines = _pid_file(data)
    return bool(lines) and lines[-1].strip() == "ready" and postmaster(data) is not None


def _pid_file(data: Path) -> list[str]:
    try:
        return (data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def postmaster(data: Path) -> psutil.Process | None:
    """The live server on this data. A zombie is dead; a stranger with its old process id is not it."""
    lines = _pid_file(data)
    if not lines or not lines[0].strip().isdigit():
        return None
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(int(lines[0]))
        return process if _serves(process, data) else None
    return None


def _serves(process: psutil.Process, data: Path) -> bool:
    """Whether this is a live process of the server on `data`: each of them works in that folder."""
    return (
        process.name() == "postgres"
        and process.status() != psutil.STATUS_ZOMBIE
        and process.cwd() == str(data)
    )


def clear_leftovers(data: Path, folder: Path) -> None:
    """End what a killed server left running on `data`, then its lock files, so that a new one can start.

    Postgres itself refuses while old sessions hold its memory, and takes a zombie or a stranger with
    the old process id for a live server. Nothing is lost: recovery follows as after any crash.
    """
    # The first is the signal by which a server ends its sessions at once.
    for number, seconds in ((signal.SIGQUIT, 5), (signal.SIGKILL, 30)):
        deadline = time.monotonic() + seconds
        for process in _leftovers(data):
            with contextlib.suppress(psutil.Error):
                process.send_signal(number)
        while _leftovers(data) and time.monotonic() < deadline:
            time.sleep(0.1)
    if left := _leftovers(data):
        raise Unavailable(
            "postgres_left_running",
            f"processes {[process.pid for process in left]} of an earlier Postgres on {data} do not "
            "end; end them and start again",
        )
    for path in (data / "postmaster.pid", folder / ".s.PGSQL.5432.lock", folder / ".s.PGSQL.5432"):
        path.unlink(missing_ok=True)


def _leftovers(data: Path) -> list[psutil.Process]:
    return [process for process in psutil.process_iter() if _is_leftover(process, data)]


def _is_leftover(process: psutil.Process, data: Path) -> bool:
    try:
        return _serves(process, data)
    except psutil.Error:
        return False
