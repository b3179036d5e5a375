"""What tests of the stack may ask for: a home that every account can reach, and free ports."""

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chargeback.settings import settings
from entrypoints.children import end_leftovers
from entrypoints.postgres import stop_postgres


@contextmanager
def made_home() -> Iterator[Path]:
    """A new CHARGEBACK_HOME; what runs for it is ended and its files are gone afterwards.

    In memory where there is some: making a cluster on a busy disk takes seconds.
    """
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108
    home = Path(tempfile.mkdtemp(prefix="cb-home-", dir=memory)).resolve()
    home.chmod(0o755)
    try:
        yield home
    finally:
        end_leftovers(home)
        stop_postgres(home)
        shutil.rmtree(home, ignore_errors=True)


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def stack_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """CHARGEBACK_HOME for an embedded stack of the test's own."""
    with made_home() as made:
        monkeypatch.setenv("CHARGEBACK_HOME", str(made))
        monkeypatch.setenv("CHARGEBACK_PREFECT_PORT", str(free_port()))
        settings.cache_clear()
        yield made


@pytest.fixture(scope="module")
def module_home() -> Iterator[Path]:
    """The same for a whole test module; the module's own fixture sets the environment."""
    with made_home() as made:
        yield made
