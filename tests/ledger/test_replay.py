"""Refused rows are mended by fixes, booked after all or waived; while one waits its month is not issued."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from chargeback.errors import ChargebackError, Invalid, NotFound, Refused
from chargeback.ledger import fixes, quarantine, usage_sources
from chargeback.ledger.database import snapshot, transaction
from chargeback.ledger.replay import replay
from chargeback.ledger.sync import sync
from chargeback.periods import Period
from chargeback.row_fixes import Fix
from models.enums import FixOperation, SourceRole
from tasks.bill_payers import issue_invoices
from tests.conftest import Ledger
from tests.ledger.books import ACTOR, Books
from tests.ledger.soundness import assert_sound

AS_OF = datetime(2026, 11, 1, tzinfo=UTC)
HEADER = (
    "Call ID,Timestamp,Provider,Model,Agent ID,Prompt Tokens,Completion Tokens,Total Tokens,"
    "Cost (USD),Operation Type\n"
)


@pytest.fixture
def export(ledger: Ledger, tmp_path: Path) -> Path:
    """An export of three calls, of which the second has a decimal comma and the third no id."""
    path = tmp_path / "export.csv"
    path.write_text(
        HEADER
        + "c-1,2026-10-05T12:00:00Z,p,m,a,1,1,2,0.5,query\n"
        + 'c-2,2026-10-06T12:00:00Z,p,m,a,1,1,2,"0,25",query\n'
        + ",2026-10-07T12:00:00Z,p,m,a,1,1,2,0.125,query\n"
    )
    Books(ledger)
    with transaction() as connection:
        config = {"path": str(path), "form": "csv"}
        usage_sources.put(connection, "export", "cost_tracker", SourceRole.ALLOCATE, config, ACTOR)
    sync("export", AS_OF)
    return path


def make_fix(
    code: str, field: str, new: str, old: str | None = None, where: str | None = None
) -> int:
    operation = FixOperation.SET if old is None else FixOperation.REPLACE
    wanted = Fix(code, field, operation, new, old, "timestamp" if where else None, where)
    with transaction() as connection:
        source_id = usage_sources.find(connection, "export").source_id
        return fixes.make(connection, source_id, "export", wanted, "agreed with its owner", ACTOR)


def waiting() -> list[str]:
    with snapshot() as connection:
        return [row.code for row in quarantine.rows(connection)]


def held(ledger: Ledger) -> dict[str, Decimal]:
    rows = Books(ledger).query("SELECT external_id, trim_scale(cost) FROM usage_records")
    return {row[0]: row[1] for row in rows}


def test_a_fix_books_the_rows_it_cures_when_they_are_replayed(export: Path, ledger: Ledger) -> None:
    assert waiting() == ["cost_invalid", "call_id_missing"]
    make_fix("cost_invalid", "cost_usd", ".", ",")
    assert held(ledger) == {"c-1": Decimal("0.5")}
    (counts,) = [one for one in replay("export", ACTOR) if one.tried]
    assert (counts.tried, counts.booked) == (2, 1)
    assert counts.still_refused == {"call_id_missing": 1}
    assert held(ledger) == {"c-1": Decimal("0.5"), "c-2": Decimal("0.25")}
    assert waiting() == ["call_id_missing"]
    assert_sound()


def test_a_fix_is_made_on_later_deliveries_too(export: Path, ledger: Ledger) -> None:
    make_fix("cost_invalid", "cost_usd", ".", ",")
    counts = sync("export", AS_OF)
    assert (counts.new, counts.unchanged) == (1, 2)
    assert held(ledger)["c-2"] == Decimal("0.25")
    assert waiting() == ["call_id_missing"]
    assert_sound()


def test_a_row_without_an_id_is_booked_under_the_one_it_is_given(
    export: Path, ledger: Ledger
) -> None:
    make_fix("call_id_missing", "call_id", "by-hand-1", where="2026-10-07T12:00:00Z")
    replay("export", ACTOR)
    assert held(ledger)["by-hand-1"] == Decimal("0.125")
    assert sync("export", AS_OF).unchanged == 3
    assert_sound()


def test_replaying_again_changes_nothing(export: Path, ledger: Ledger) -> None:
    make_fix("cost_invalid", "cost_usd", ".", ",")
    replay("export", ACTOR)
    before = held(ledger)
    (counts,) = [one for one in replay("export", ACTOR) if one.tried]
    assert (counts.tried, counts.booked) == (1, 0)
    assert held(ledger) == before


def test_only_the_rows_that_were_named_are_replayed(export: Path, ledger: Ledger) -> None:
    make_fix("cost_invalid", "cost_usd", ".", ",")
    with snapshot() as connection:
        comma, no_id = (row.quarantine_id for row in quarantine.rows(connection))
    assert sum(one.booked for one in replay("export", ACTOR, ids=[no_id])) == 0
    assert sum(one.booked for one in replay("export", ACTOR, ids=[comma])) == 1


def test_a_fix_that_has_ended_applies_no_more_and_what_it_booked_stays(
    export: Path, ledger: Ledger
) -> None:
    fix_id = make_fix("cost_invalid", "cost_usd", ".", ",")
    with transaction() as connection:
        fixes.end(connection, fix_id, "mended in the source", ACTOR)
    assert sum(one.booked for one in replay("export", ACTOR)) == 0
    with transaction() as connection, pytest.raises(Refused, match="has ended already"):
        fixes.end(connection, fix_id, "again", ACTOR)
    with transaction() as connection, pytest.raises(NotFound, match="no fix 99"):
        fixes.end(connection, 99, "x", ACTOR)


def test_fixes_are_kept_with_who_and_why_and_audited(export: Path) -> None:
    fix_id = make_fix("cost_invalid", "cost_usd", ".", ",")
    with snapshot() as connection:
        (kept,) = fixes.fixes(connection)
    assert (kept.fix_id, kept.source, kept.reason, kept.made_by) == (
        fix_id, "export", "agreed with its owner", ACTOR,
    )  # fmt: skip
    with pytest.raises(Refused, match=f"fix {fix_id} of export says the same already"):
        make_fix("cost_invalid", "cost_usd", ".", ",")


def test_a_fix_that_changes_nothing_is_refused(export: Path) -> None:
    with pytest.raises(Invalid, match="the fix changes nothing"):
        make_fix("cost_invalid", "cost_usd", ",", ",")


def test_what_was_already_mended_in_the_source_is_not_booked_twice(
    export: Path, ledger: Ledger
) -> None:
    make_fix("cost_invalid", "cost_usd", ".", ",")
    replay("export", ACTOR)
    export.write_text(export.read_text().replace('"0,25"', "0.25"))
    counts = sync("export", AS_OF)
    assert (counts.new, counts.changed) == (0, 0)
    assert len(held(ledger)) == 2


def test_of_two_rows_with_one_id_one_is_booked_and_the_other_waits(books: Books) -> None:
    books.use("search", "ana", "3", currency="EUR", external_id="a").load()
    books.use("search", "ana", "4", currency="EUR", external_id="a").load()
    books.exchange(("2026-10", "EUR", "2"))
    counts = books.replay()
    assert (counts.booked, counts.still_refused) == (1, {"repeated": 1})


def test_a_kept_row_can_be_fixed_by_its_fields(books: Books) -> None:
    """The row says XXX for EUR; at 2 its 3 are 6."""
    books.use("search", "ana", "3", currency="XXX", external_id="a").load()
    books.exchange(("2026-10", "EUR", "2"))
    with transaction() as connection:
        source_id = usage_sources.find(connection, "tracker").source_id
        wanted = Fix("no_exchange_rate", "currency", FixOperation.SET, "EUR")
        fixes.make(connection, source_id, "tracker", wanted, "a typing error", ACTOR)
    assert books.replay().booked == 1
    assert books.query("SELECT trim_scale(cost) FROM usage_records") == [(6,)]


def test_a_month_is_not_issued_while_a_row_waits(books: Books) -> None:
    books.use("search", "ana", "2").use("search", "ana", "3", currency="EUR").run()
    with pytest.raises(ChargebackError, match="1 refused usage rows of 2026-10 wait"):
        issue_invoices.fn("2026-10", date(2026, 11, 1), ACTOR)
    books.exchange(("2026-10", "EUR", "2"))
    books.replay()
    books.run()
    assert issue_invoices.fn("2026-10", date(2026, 11, 1), ACTOR)["issued"] == 1
    assert books.view("INV-20261101-0001").total == 8


def test_a_month_is_issued_once_its_rows_are_waived(books: Books) -> None:
    books.use("search", "ana", "2").use("search", "ana", "3", currency="EUR").run()
    with transaction() as connection:
        rows = quarantine.rows(connection)
        assert quarantine.open_count(connection, Period.month("2026-10")) == 1
        ids = [row.quarantine_id for row in rows]
        assert quarantine.waive_all(connection, ids, "a test", ACTOR) == 1
    assert issue_invoices.fn("2026-10", date(2026, 11, 1), ACTOR)["issued"] == 1
