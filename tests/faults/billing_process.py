"""A process that bills, made to be killed: forked from one that has imported everything, so it begins at once."""

import multiprocessing
import os
from collections.abc import Mapping
from multiprocessing.context import ForkServerProcess
from multiprocessing.forkserver import ensure_running
from pathlib import Path

from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

from chargeback.settings import settings
from flows.monthly_billing import monthly_billing
from tests.faults.month import ISSUED_ON, PERIOD

_PROCESSES = multiprocessing.get_context("forkserver")


def prepare() -> None:
    """Import everything once, in the environment as it is now: Prefect reads its own while it is imported."""
    _PROCESSES.set_forkserver_preload(["pytest", __name__])
    ensure_running()


def start(environment: Mapping[str, str], log: Path) -> ForkServerProcess:
    """Begin to bill with these variables added to the environment; what it says goes to `log`."""
    process = _PROCESSES.Process(target=_bill, args=(dict(environment), log))
    process.start()
    return process


def _bill(environment: dict[str, str], log: Path) -> None:
    os.environ.update(environment)
    settings.cache_clear()
    said = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(said, stream)
    # Ending each flow would wait a second for its heart to beat once more.
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        monthly_billing(PERIOD, ISSUED_ON)
