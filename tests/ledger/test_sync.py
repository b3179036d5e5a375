"""How far a source counts as read: the cursor never moves over what nobody read."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import ClassVar

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from chargeback.ledger import sync as syncing
from chargeback.ledger import usage_sources
from chargeback.ledger.database import transaction
from chargeback.ledger.sync import sync, window_of
from chargeback.periods import Period
from chargeback.sources.contract import Contract, Refusal, Usage, Window
from models.enums import SourceRole
from tests.conftest import Ledger

AS_OF = datetime(2026, 11, 1, 4, tzinfo=UTC)
SEPTEMBER, OCTOBER = datetime(2026, 9, 10, tzinfo=UTC), datetime(2026, 10, 10, tzinfo=UTC)


class Tracker:
    """A tracker that answers windows, with usage of 7 in September and of 5 in October."""

    kind: ClassVar[str] = "windowed"
    contract: ClassVar[Contract] = "events"
    is_large = False

    def plan(self, window: Window) -> Window:
        return window

    def read(self, window: Window) -> Iterator[Usage | Refusal]:
        for at, cost in ((SEPTEMBER, "7"), (OCTOBER, "5")):
            if (window.start is None or window.start <= at) and (
                window.end is None or at < window.end
            ):
                yield Usage(1, f"call-{at:%m}", at, "search", None, None, None, None, "query", None,
                            "Tokens", Decimal(1), Decimal(cost))  # fmt: skip


@pytest.fixture
def tracker(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(syncing, "open_source", lambda *_: Tracker())
    with transaction() as connection:
        config = {"url": "http://127.0.0.1:9/export", "form": "json"}
        usage_sources.put(
            connection, "tracker", "cost_tracker", SourceRole.ALLOCATE, config, "test"
        )
    return "tracker"


def cursor() -> datetime | None:
    with transaction() as connection:
        return usage_sources.find(connection, "tracker").cursor_at


def test_a_month_read_on_its_own_does_not_hide_the_months_before_it(tracker: str) -> None:
    october = window_of(Period(date(2026, 10, 1), date(2026, 11, 1)))
    assert sync(tracker, AS_OF, october).received_raw == 5
    assert cursor() is None
    assert sync(tracker, AS_OF).received_raw == 12
    assert cursor() == AS_OF


def test_a_window_that_joins_on_to_what_was_read_moves_the_cursor(tracker: str) -> None:
    assert sync(tracker, datetime(2026, 10, 1, tzinfo=UTC)).received_raw == 7
    october = window_of(Period(date(2026, 10, 1), date(2026, 11, 1)))
    assert sync(tracker, AS_OF, october).received_raw == 5
    assert cursor() == datetime(2026, 11, 1, tzinfo=UTC)


def test_the_next_sync_reads_from_the_cursor_less_the_look_back(tracker: str) -> None:
    sync(tracker, AS_OF)
    counts = sync(tracker, AS_OF)
    assert (counts.received, cursor()) == (0, AS_OF)


def test_a_source_that_is_pointed_elsewhere_is_read_from_the_beginning(tracker: str) -> None:
    sync(tracker, AS_OF)
    with transaction() as connection:
        config = {"url": "http://127.0.0.1:9/other", "form": "json"}
        usage_sources.put(
            connection, "tracker", "cost_tracker", SourceRole.ALLOCATE, config, "test"
        )
    assert cursor() is None


def test_what_could_not_be_booked_is_read_again(tracker: str, ledger: Ledger) -> None:
    """The cursor moves in the transaction that books the last batch, or not at all."""
    owner = create_engine(ledger.owner_url)
    with owner.begin() as connection:
        connection.execute(text("REVOKE INSERT ON usage_cells FROM chargeback_app"))
    with pytest.raises(DBAPIError, match="permission denied for table usage_cells"):
        sync(tracker, AS_OF)
    assert cursor() is None
    with owner.begin() as connection:
        connection.execute(text("GRANT INSERT ON usage_cells TO chargeback_app"))
    owner.dispose()
    assert sync(tracker, AS_OF).received_raw == 12
    assert cursor() == AS_OF
