"""What every test may ask for: a ledger on a real Postgres and an environment, both its own.

A missing Postgres fails the tests, it never skips them.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Connection

from chargeback.ledger import database
from chargeback.settings import Settings, settings
from tests.postgres import Server, running_postgres

FOREIGN_PREFIXES = ("CHARGEBACK_", "PREFECT_", "PG")
PREFECT_HOME = pytest.StashKey[str]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """What takes minutes or hours is run by `make prove` and `make prove-all` only."""
    parser.addoption("--prove", action="store_true", help="run what takes minutes, too")
    parser.addoption("--prove-all", action="store_true", help="run what takes hours, too")
    parser.addoption("--proof-page", default="", help="write the table of what was proved here")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what takes long unless it is asked for; a file stays on one process unless it may be spread."""
    is_all = config.getoption("--prove-all")
    asked = {"prove": is_all or config.getoption("--prove"), "prove_all": is_all}
    unasked = {mark for mark, wanted in asked.items() if not wanted}
    left = [item for item in items if unasked & {mark.name for mark in item.iter_markers()}]
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in set(left)]
    for item in items:
        if not item.get_closest_marker("spread"):
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))


def pytest_configure(config: pytest.Config) -> None:
    """Forget how this machine is set up, before test modules and with them Prefect are imported."""
    for name in [name for name in os.environ if name.startswith(FOREIGN_PREFIXES)]:
        del os.environ[name]
    config.stash[PREFECT_HOME] = tempfile.mkdtemp(prefix="cb-prefect-")
    os.environ["PREFECT_HOME"] = config.stash[PREFECT_HOME]
    os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"
    # Processes of xdist tell what they saw; who started them adds it up.
    if not hasattr(config, "workerinput"):
        # Imported here, because it brings the project with it, whose settings are read in a clean environment.
        from tests.proof import Table

        config.pluginmanager.register(Table(), "proof")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave nothing behind."""
    shutil.rmtree(config.stash[PREFECT_HOME], ignore_errors=True)


@dataclass(frozen=True)
class Ledger:
    """One test's own database: its address as the app role and as its owner."""

    url: str
    owner_url: str


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """CHARGEBACK_HOME, empty; the settings are read anew and no `.env` counts."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setitem(Settings.model_config, "env_file", None)
    monkeypatch.setenv("CHARGEBACK_HOME", str(home))
    settings.cache_clear()
    yield home
    settings.cache_clear()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """The server of this test process."""
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def template(postgres: Server) -> str:
    """A migrated ledger without data, to copy from; nobody may stay connected to it."""
    name = postgres.create_database()
    database.upgrade(postgres.url(name))
    return name


@pytest.fixture
def ledger(
    postgres: Server, template: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Ledger]:
    """A fresh ledger that the settings point to; gone after the test."""
    name = postgres.create_database(template)
    fresh = Ledger(postgres.url(name, "chargeback_app"), postgres.url(name))
    monkeypatch.setenv("CHARGEBACK_DATABASE_URL", fresh.url)
    monkeypatch.setenv("CHARGEBACK_OWNER_DATABASE_URL", fresh.owner_url)
    settings.cache_clear()
    yield fresh
    database.engine(fresh.url).dispose()
    database.engine.cache_clear()
    postgres.drop_database(name)


@pytest.fixture
def another_ledger(
    postgres: Server, template: str, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], Ledger]]:
    """Makes further fresh ledgers; the settings point to the newest."""
    made: list[str] = []

    def make() -> Ledger:
        made.append(postgres.create_database(template))
        fresh = Ledger(postgres.url(made[-1], "chargeback_app"), postgres.url(made[-1]))
        monkeypatch.setenv("CHARGEBACK_DATABASE_URL", fresh.url)
        settings.cache_clear()
        return fresh

    yield make
    for name in made:
        database.engine(postgres.url(name, "chargeback_app")).dispose()
        postgres.drop_database(name)


@pytest.fixture
def connection(ledger: Ledger) -> Iterator[Connection]:
    """An open transaction of the app on the fresh ledger; committed when the test ends."""
    with database.transaction() as connection:
        yield connection
