"""Processes that bill, made to be killed or to race: forked from one that has imported everything."""

import multiprocessing
import os
import time
from collections.abc import Mapping, Sequence
from multiprocessing.context import ForkServerProcess
from multiprocessing.forkserver import ensure_running
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path

from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

from chargeback.errors import Unavailable
from chargeback.settings import settings
from flows.monthly_billing import monthly_billing
from tests.faults.month import ISSUED_ON, PERIOD, STEPS

START_SECONDS = 120
TRIES, PAUSE_SECONDS = 5, 0.3

_PROCESSES = multiprocessing.get_context("forkserver")


def prepare() -> None:
    """Import everything once, in the environment as it is now: Prefect reads its own while it is imported."""
    _PROCESSES.set_forkserver_preload(["pytest", __name__])
    ensure_running()


def start_flow(environment: Mapping[str, str], log: Path) -> tuple[ForkServerProcess, Event]:
    """Run the flow in a process of its own, which says what it says in `log`; returns when the flow begins.

    Also an event for the flow's end; its process lasts a little longer.
    """
    begun, ended = _PROCESSES.Event(), _PROCESSES.Event()
    process = _PROCESSES.Process(target=_run_flow, args=(dict(environment), log, begun, ended))
    process.start()
    assert begun.wait(START_SECONDS), log.read_text(encoding="utf-8")
    return process, ended


def _run_flow(environment: dict[str, str], log: Path, begun: Event, ended: Event) -> None:
    _enter(environment, log)
    # Ending each flow would wait a second for its heart to beat once more.
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        begun.set()
        monthly_billing(PERIOD, ISSUED_ON)
        ended.set()


def run_steps_at_once(
    environment: Mapping[str, str], logs: Sequence[Path], steps: Sequence[str]
) -> list[int | None]:
    """The exit statuses of processes, one per log, that take these steps of the month side by side."""
    gate = _PROCESSES.Barrier(len(logs))
    processes = [
        _PROCESSES.Process(target=_take_steps, args=(dict(environment), log, gate, list(steps)))
        for log in logs
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return [process.exitcode for process in processes]


def _take_steps(environment: dict[str, str], log: Path, gate: Barrier, steps: list[str]) -> None:
    _enter(environment, log)
    gate.wait(START_SECONDS)
    for step in steps:
        _take_patiently(step)


def _take_patiently(step: str) -> None:
    """As Prefect does: what the world did is tried again, and said each time; anything else ends it."""
    for _ in range(TRIES):
        try:
            STEPS[step]()
        except Unavailable as error:
            print(f"{step}: {error}", flush=True)
            time.sleep(PAUSE_SECONDS)
        else:
            return
    raise AssertionError(f"{step} did not come through in {TRIES} tries")


def _enter(environment: dict[str, str], log: Path) -> None:
    os.environ.update(environment)
    settings.cache_clear()
    said = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(said, stream)
