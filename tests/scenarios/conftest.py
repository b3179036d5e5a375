"""The books of a story, which must still be sound when it ends."""

from collections.abc import Callable, Iterator

import pytest

from chargeback.settings import settings
from tests.conftest import Ledger
from tests.ledger.books import Books
from tests.ledger.soundness import assert_sound

OpenBooks = Callable[..., Books]


@pytest.fixture
def open_books(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenBooks]:
    """Books in the settings given: `open_books(billing_zone="Europe/Amsterdam")`."""

    def open_with(**given: str) -> Books:
        for name, value in given.items():
            monkeypatch.setenv(f"CHARGEBACK_{name.upper()}", value)
        settings.cache_clear()
        return Books(ledger)

    yield open_with
    assert_sound()


@pytest.fixture
def books(open_books: OpenBooks) -> Books:
    """Books in UTC and USD."""
    return open_books()
