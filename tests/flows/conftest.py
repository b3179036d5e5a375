"""One deployed stack for the tests of flows; each test has a ledger of its own on it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from chargeback.ledger import database
from chargeback.settings import Settings, settings
from entrypoints.stack import running
from tests.entrypoints.conftest import free_port, made_home
from tests.faults.killed_stack import KilledStack, Round
from tests.faults.month import WEEK, open_books, write_export
from tests.flows.deployed import Deployed


@pytest.fixture(scope="session")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A week of the example company's usage."""
    path = tmp_path_factory.mktemp("export") / "export.json"
    write_export(path, WEEK)
    return path


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory, export: Path) -> Iterator[Deployed]:
    """The stack as `chargeback up` starts it; its own ledger and the one that rounds copy hold the same company."""
    with made_home() as home, pytest.MonkeyPatch.context() as patch:
        patch.setitem(Settings.model_config, "env_file", None)
        patch.setenv("CHARGEBACK_HOME", str(home))
        patch.setenv("CHARGEBACK_PREFECT_PORT", str(free_port()))
        settings.cache_clear()
        with running(home) as stack:
            killed = KilledStack(stack, "seed", tmp_path_factory.mktemp("rounds"))
            own = killed.url("ledger")
            open_books(export, own)
            database.engine(own).dispose()
            killed.administer("CREATE DATABASE seed TEMPLATE ledger")
            yield Deployed(killed)
    settings.cache_clear()


@pytest.fixture
def round_(deployed: Deployed) -> Iterator[Round]:
    """A ledger and a file store of the test's own."""
    with deployed.killed.round() as made:
        yield made
