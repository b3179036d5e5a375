"""A week of the example company, billed once, with a copy of the ledger from before each of its steps."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from chargeback.ledger import database
from chargeback.settings import Settings, settings
from entrypoints.stack import running
from tests.entrypoints.conftest import free_port, made_home
from tests.faults import billing_process
from tests.faults.findings import facts
from tests.faults.killed_stack import KilledStack
from tests.faults.month import MONTH, STEPS, WEEK, open_books, write_export
from tests.postgres import Server

@contextmanager
def using(url: str, files: Path) -> Iterator[None]:
    """This ledger and this file store, small batches and no child processes, for the time of the block."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(Settings.model_config, "env_file", None)
        patch.setenv("CHARGEBACK_DATABASE_URL", url)
        patch.setenv("CHARGEBACK_FILE_STORE", str(files))
        patch.setenv("CHARGEBACK_BATCH_RECORDS", "40")
        patch.setenv("CHARGEBACK_DOCUMENT_PROCESSES", "1")
        settings.cache_clear()
        try:
            yield
        finally:
            database.engine(url).dispose()
            database.engine.cache_clear()
    settings.cache_clear()


@dataclass(frozen=True)
class Undisturbed:
    """What the ledger says after a month that nobody disturbed, and how long that took."""

    facts: dict[str, str]
    seconds: float


@dataclass(frozen=True)
class Month:
    """The month undisturbed: per step a database to copy from before it, and what the ledger says after it."""

    before: dict[str, str]
    after: dict[str, dict[str, str]]


@pytest.fixture(scope="session")
def month(postgres: Server, template: str, tmp_path_factory: pytest.TempPathFactory) -> Month:
    """Every step once; nobody stays connected to the copies."""
    name = postgres.create_database(template)
    files = tmp_path_factory.mktemp("files")
    url = postgres.url(name, "chargeback_app")
    told = Month({}, {})
    export = files / "export.json"
    write_export(export, WEEK)
    with using(url, files):
        open_books(export)
    for step, act in STEPS.items():
        told.before[step] = postgres.create_database(name)
        with using(url, files):
            act()
            told.after[step] = facts()
    return told


@pytest.fixture(scope="session")
def killed_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KilledStack]:
    """A stack with a seeded ledger: the example company, and its month many times over."""
    folder = tmp_path_factory.mktemp("rounds")
    export = folder / "export.json"
    write_export(export, MONTH, copies=6)
    with made_home() as home, pytest.MonkeyPatch.context() as patch:
        patch.setitem(Settings.model_config, "env_file", None)
        patch.setenv("CHARGEBACK_HOME", str(home))
        patch.setenv("CHARGEBACK_PREFECT_PORT", str(free_port()))
        settings.cache_clear()
        with running(home) as stack:
            for name, value in stack.environment.items():
                patch.setenv(name, value)
            billing_process.prepare()
            killed = KilledStack(stack, "seed", folder)
            killed.administer("CREATE DATABASE seed TEMPLATE ledger")
            with seeding(killed) as url:
                open_books(export, url)
            yield killed
    settings.cache_clear()


@contextmanager
def seeding(killed: KilledStack) -> Iterator[str]:
    """The seed's address; nobody stays connected to it afterwards."""
    url = killed.url("seed")
    yield url
    database.engine(url).dispose()


@pytest.fixture(scope="session")
def undisturbed(killed_stack: KilledStack) -> Undisturbed:
    """The month billed by a process that nobody kills."""
    for _ in range(2):  # The first one still imports everything.
        with killed_stack.round() as round_:
            begun = time.monotonic()
            process = billing_process.start(round_.environment, round_.log)
            process.join()
            seconds = time.monotonic() - begun
            assert process.exitcode == 0, round_.log.read_text(encoding="utf-8")
            told = Undisturbed(round_.facts(), seconds)
    return told
