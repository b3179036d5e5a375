"""After each sync the source's own total of each day is compared with ours; a gap above the setting is told of."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from chargeback.ledger import drift as drift_of_syncs
from chargeback.ledger import usage_sources
from chargeback.ledger.database import snapshot, transaction
from chargeback.ledger.reconcile import reconcile
from chargeback.ledger.sync import sync, window_of
from chargeback.periods import Period
from chargeback.settings import settings
from chargeback.sources.contract import Window
from models.enums import SourceRole
from tests.conftest import Ledger
from tests.ledger.books import Books
from tests.ledger.waiting import wait_until_somebody_waits

AS_OF = datetime(2026, 11, 1, tzinfo=UTC)
OCTOBER = Period.month("2026-10")
HEADER = (
    "Call ID,Timestamp,Provider,Model,Agent ID,Prompt Tokens,Completion Tokens,Total Tokens,"
    "Cost (USD),Operation Type\n"
)


@pytest.fixture
def export(ledger: Ledger, tmp_path: Path) -> Path:
    path = tmp_path / "export.csv"
    Books(ledger)
    with transaction() as connection:
        config = {"path": str(path), "form": "csv"}
        usage_sources.put(connection, "export", "cost_tracker", SourceRole.ALLOCATE, config, "test")
    return path


def write(path: Path, *rows: tuple[str, str, str]) -> None:
    lines = (f"{call},{day}T12:00:00Z,p,m,a,1,1,2,{cost},query\n" for call, day, cost in rows)
    path.write_text(HEADER + "".join(lines))


def drift() -> list[tuple[Any, ...]]:
    with snapshot() as connection:
        found = reconcile(connection, OCTOBER).doubts.drifts
    return [(d.usage_date.day, d.told_rows, d.told, d.held_rows, d.held) for d in found]


def test_what_was_read_whole_does_not_drift(export: Path) -> None:
    write(export, ("a", "2026-10-05", "100"), ("b", "2026-10-06", "50"))
    counts = sync("export", AS_OF)
    assert (counts.drift, counts.doubts) == ((), ())
    assert drift() == []


def keep_total(connection: Connection) -> None:
    """Write down that the export said one row of 7 for the 5th."""
    told = drift_of_syncs.Told()
    told.days[date(2026, 10, 5), None].add(Decimal(7), 1)
    source = usage_sources.find(connection, "export")
    drift_of_syncs.keep(connection, source.source_id, told, Window(None, None), settings().zone)


def keep_total_too() -> None:
    with transaction() as connection:
        keep_total(connection)


def test_syncs_that_end_at_once_write_the_totals_in_turn(export: Path) -> None:
    with ThreadPoolExecutor(1) as other:
        with transaction() as connection:
            keep_total(connection)
            second = other.submit(keep_total_too)
            wait_until_somebody_waits(connection)
        second.result()
    with snapshot() as connection:
        assert connection.execute(text("SELECT raw_cost FROM source_totals")).scalars().all() == [7]


def test_a_tracker_that_lost_calls_is_told_of_and_nothing_is_deleted(export: Path) -> None:
    """Of 100 and 50 on the 5th the tracker has 100 left."""
    write(export, ("a", "2026-10-05", "100"), ("b", "2026-10-05", "50"), ("c", "2026-10-06", "1"))
    sync("export", AS_OF)
    write(export, ("a", "2026-10-05", "100"), ("c", "2026-10-06", "1"))
    counts = sync("export", AS_OF)
    assert drift() == [(5, 1, 100, 2, 150)]
    assert counts.drift[0]["difference"] == "-50"
    (sentence,) = counts.doubts
    assert sentence == (
        "export says 2026-10-05 comes to 100 in 1 rows, the ledger has 150 in 2 rows: -50 apart; "
        "find out why, or sync 2026-10-05 again"
    )


def test_refused_rows_are_held_too(export: Path) -> None:
    write(export, ("a", "2026-10-05", "100"), ("", "2026-10-05", "7"))
    assert sync("export", AS_OF).drift == ()


def test_what_changed_is_held_as_it_is_now(export: Path) -> None:
    for cost in "100", "90":
        write(export, ("a", "2026-10-05", cost))
        counts = sync("export", AS_OF)
    assert counts.changed == 1
    assert counts.drift == ()


def test_a_row_that_moved_to_another_day_leaves_no_drift(export: Path) -> None:
    for day in "2026-10-05", "2026-10-06":
        write(export, ("a", day, "100"), ("b", "2026-10-05", "1"))
        sync("export", AS_OF)
    assert drift() == []


@pytest.mark.parametrize(("percent", "is_told"), [("1", True), ("2", False), ("1.99", True)])
def test_a_gap_warns_above_the_setting(
    export: Path, monkeypatch: pytest.MonkeyPatch, percent: str, is_told: bool
) -> None:
    """102 held where the tracker says 100: 2 percent."""
    monkeypatch.setenv("CHARGEBACK_DRIFT_PERCENT", percent)
    settings.cache_clear()
    write(export, ("a", "2026-10-05", "100"), ("b", "2026-10-05", "2"))
    sync("export", AS_OF)
    write(export, ("a", "2026-10-05", "100"))
    counts = sync("export", AS_OF)
    assert len(counts.drift) == 1
    assert bool(counts.doubts) == is_told


def test_a_row_that_stands_twice_in_a_delivery_counts_once(export: Path) -> None:
    write(export, ("a", "2026-10-05", "100"), ("a", "2026-10-05", "100"))
    assert sync("export", AS_OF).drift == ()


def test_what_was_booked_after_a_sync_is_a_drift_until_the_next(books: Books) -> None:
    """The ledger gets a record by another way than the sync: the source said nothing of it."""
    books.sync_example()
    books.use("search", "ana", "5", "2026-10-05").load()
    ((day, _, told, _, held_now),) = drift()
    assert day == 5
    assert held_now - told == 5


def test_days_the_window_only_touches_are_not_compared(export: Path) -> None:
    """Half of the 5th is in the window, all of the 6th; a file is read whole, so its days all are."""
    write(export, ("a", "2026-10-05", "1"))
    sync("export", AS_OF, window_of(OCTOBER))
    assert drift() == []
    with transaction() as connection:
        kept = usage_sources.find(connection, "export")
    assert kept.cursor_at is not None


def test_other_currencies_are_compared_in_their_own(ledger: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "euros.csv"
    books = Books(ledger)
    with transaction() as connection:
        config = {"path": str(path), "form": "csv", "currency": "EUR"}
        usage_sources.put(connection, "export", "cost_tracker", SourceRole.ALLOCATE, config, "test")
    books.exchange(("2026-10", "EUR", "1.1"))
    write(path, ("a", "2026-10-05", "100"), ("b", "2026-10-05", "50"))
    assert sync("export", AS_OF).drift == ()
    write(path, ("a", "2026-10-05", "100"))
    (told,) = sync("export", AS_OF).drift
    assert (told["currency"], told["difference"]) == ("EUR", "-50")
    assert Decimal(told["held"]) == 150
