"""The month of the example company, told once, with a copy of the ledger from before each of its steps."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from chargeback.ledger import database
from chargeback.settings import Settings, settings
from tests.faults.findings import facts
from tests.faults.month import STEPS, open_books
from tests.postgres import Server

@contextmanager
def using(url: str, files: Path) -> Iterator[None]:
    """This ledger and this file store, small batches and no child processes, for the time of the block."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(Settings.model_config, "env_file", None)
        patch.setenv("CHARGEBACK_DATABASE_URL", url)
        patch.setenv("CHARGEBACK_FILE_STORE", str(files))
        patch.setenv("CHARGEBACK_BATCH_RECORDS", "200")
        patch.setenv("CHARGEBACK_DOCUMENT_PROCESSES", "1")
        settings.cache_clear()
        try:
            yield
        finally:
            database.engine(url).dispose()
            database.engine.cache_clear()
    settings.cache_clear()


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
    with using(url, files):
        open_books()
    for step, act in STEPS.items():
        told.before[step] = postgres.create_database(name)
        with using(url, files):
            act()
            told.after[step] = facts()
    return told
