"""Books that must be sound when a test ends, and those of the year-end story to look at or to break."""

from collections.abc import Iterator

import pytest

from chargeback.ledger import database
from chargeback.settings import settings
from tests.conftest import Ledger
from tests.ledger import year_end
from tests.ledger.books import Books, told_once
from tests.ledger.soundness import assert_sound
from tests.postgres import Server


@pytest.fixture
def books(ledger: Ledger) -> Iterator[Books]:
    """Books with nothing in them yet."""
    yield Books(ledger)
    assert_sound()


@pytest.fixture
def october(books: Books) -> Books:
    """Books with a place for October's usage, for transactions that are undone."""
    books.query("SELECT ensure_partition('2026-10-01')")
    return books


@pytest.fixture(scope="session")
def year_end_template(postgres: Server, template: str) -> str:
    """A ledger that holds the year-end story, told once per process; nobody stays connected to it."""
    return told_once(postgres, template, year_end.tell)


@pytest.fixture
def year_end_books(
    postgres: Server, year_end_template: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Books]:
    """A copy of the year-end story's books; gone after the test."""
    name = postgres.create_database(year_end_template)
    copied = Ledger(postgres.url(name, "chargeback_app"), postgres.url(name))
    monkeypatch.setenv("CHARGEBACK_DATABASE_URL", copied.url)
    settings.cache_clear()
    yield Books(copied)
    database.engine(copied.url).dispose()
    database.engine.cache_clear()
    postgres.drop_database(name)
