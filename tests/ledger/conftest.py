"""The year-end story, told once per test process; each test has a copy of its own to look at or to break."""

from collections.abc import Iterator

import pytest

from chargeback.ledger import database
from chargeback.settings import Settings, settings
from tests.conftest import Ledger
from tests.ledger import year_end
from tests.ledger.books import Books
from tests.postgres import Server


@pytest.fixture(scope="session")
def year_end_template(postgres: Server, template: str) -> str:
    """A ledger that holds the story, to copy from; nobody stays connected to it."""
    name = postgres.create_database(template)
    told = Ledger(postgres.url(name, "chargeback_app"), postgres.url(name))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(Settings.model_config, "env_file", None)
        patch.setenv("CHARGEBACK_DATABASE_URL", told.url)
        settings.cache_clear()
        year_end.tell(Books(told))
    settings.cache_clear()
    database.engine(told.url).dispose()
    database.engine.cache_clear()
    return name


@pytest.fixture
def books(
    postgres: Server, year_end_template: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Books]:
    """The books of the year-end story; gone after the test."""
    name = postgres.create_database(year_end_template)
    copied = Ledger(postgres.url(name, "chargeback_app"), postgres.url(name))
    monkeypatch.setenv("CHARGEBACK_DATABASE_URL", copied.url)
    settings.cache_clear()
    yield Books(copied)
    database.engine(copied.url).dispose()
    database.engine.cache_clear()
    postgres.drop_database(name)
