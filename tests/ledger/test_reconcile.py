"""What came in beside what became of it, with figures worked by hand."""

from decimal import Decimal
from itertools import chain

import pytest

from chargeback.ledger.database import snapshot
from chargeback.ledger.reconcile import Reconciliation, Tally, reconcile
from chargeback.money import written
from chargeback.periods import Period
from models.enums import DocumentKind
from tests.conftest import Ledger
from tests.ledger.books import Books
from tests.ledger.year_end import LAB, LAB_CREDIT, LAB_IN_NOVEMBER, OPS_IN_NOVEMBER, SUPPORT


@pytest.fixture
def books(year_end_books: Books) -> Books:
    return year_end_books


def reconciled(period: str = "2026-10") -> Reconciliation:
    with snapshot() as connection:
        return reconcile(connection, Period.parse(period))


def test_the_example_month_ties_out_to_the_last_digit(ledger: Ledger) -> None:
    """The export's own sum has 21 decimals; the ledger keeps 18 of them."""
    Books(ledger).sync_example()
    (source,) = reconciled().as_json()["sources"]
    assert source["received_count"] == source["ledger_count"] == 438
    assert source["received"] == "0.754318700000000002909"
    assert source["ledger"] == "0.754318700000000005"
    assert source["residual"] == "-0.000000000000000002091"
    assert source["difference"] == source["allocation_difference"] == "0"
    assert source["not_allocated"] == "0.754318700000000005"


def test_every_row_that_came_in_is_booked_or_refused(books: Books) -> None:
    """446 rows: 438 of the example, ten, half, solo, mended (once), late, and 3 refused: 7, 6 and 5.

    0.754318700000000002909 + 10 + 0.005 + 3 + 4 + 2.5 + 7 + 6 + 5 = 38.259318700000000002909
    """
    source = reconciled().sources[1]
    assert source.received == Tally(446, Decimal("38.259318700000000002909"))
    assert source.ledger == Tally(443, Decimal("20.259318700000000005"))
    assert source.residual == Decimal("-0.000000000000000002091")
    assert source.quarantined == Tally(2, Decimal(13))
    assert source.waived == Tally(1, Decimal(5))
    assert source.undated == Tally(1, Decimal(6))
    assert source.difference == 0


def test_all_that_was_booked_is_billed_or_waits_to_be(books: Books) -> None:
    """Written off: team-lab's 10 + 0.005 + 4; on its November draft: 2.5 of October.

    Nobody bears 0.103532350000000001 of the example, so of the example 0.650786350000000004 is invoiced,
    and the 3 of u-solo.
    """
    source = reconciled().sources[1]
    assert source.allocated == Decimal("20.259318700000000005")
    assert source.not_allocated == 0
    assert source.unattributed == Decimal("0.103532350000000001")
    assert source.invoiced == Decimal("3.650786350000000004")
    assert source.written_off == Decimal("14.005")
    assert source.not_yet_invoiced == source.on_drafts == Decimal("2.5")
    assert source.allocation_difference == 0


def test_a_source_that_is_only_reconciled_is_received_and_not_allocated(books: Books) -> None:
    source = reconciled().sources[0]
    assert (source.source, source.role.value) == ("bill", "reconcile_only")
    assert source.received == source.ledger == Tally(1, Decimal(99))
    assert source.not_allocated == 99
    assert source.allocated == source.allocation_difference == 0


def test_a_row_without_a_day_is_in_every_period(books: Books) -> None:
    """November has 2 and 1 of its own, and the 6 that may be of any month."""
    source = reconciled("2026-11").sources[1]
    assert source.received == Tally(3, Decimal(9))
    assert source.quarantined == source.undated == Tally(1, Decimal(6))
    assert source.difference == 0


def test_each_document_is_rounded_once_and_by_half_a_cent_at_most(books: Books) -> None:
    documents = {document.number: document for document in reconciled().documents}
    lab = documents[LAB]
    assert (lab.exact, lab.subtotal) == (Decimal("14.005"), Decimal("14.01"))
    assert lab.rounding_difference == lab.bound == Decimal("0.005")
    credit = documents[LAB_CREDIT]
    assert credit.kind is DocumentKind.CREDIT_NOTE
    assert credit.rounding_difference == Decimal("-0.005")
    assert documents[LAB_IN_NOVEMBER].in_period == Decimal("2.5")
    assert documents[SUPPORT].in_period == 0


def test_the_total_of_rounding_stays_in_its_bound(books: Books) -> None:
    """Ten documents of half a cent each; a cancelled one and its credit note undo each other.

    What stays is the rounding of team-etl 0.208010000000000001, team-search 0.20389625, u-solo 3, team-care
    0.1102878, team-support's second 0.128592300000000003 and team-lab 4.5: they print 8.15.
    """
    month = reconciled()
    assert len(month.documents) == 10
    assert month.rounding_bound == Decimal("0.05")
    assert month.rounding_difference == Decimal("8.15") - Decimal("8.150786350000000004")


def test_what_documents_claim_of_the_period_is_what_sources_have_billed(books: Books) -> None:
    month = reconciled()
    billed = [(s.invoiced, s.written_off, s.on_drafts) for s in month.sources]
    assert sum(d.in_period for d in month.documents) == sum(chain.from_iterable(billed))
    assert sum(d.in_period for d in month.documents) == Decimal("20.155786350000000004")


def test_a_cancelled_draft_is_on_no_reconciliation(books: Books) -> None:
    books.cancel(OPS_IN_NOVEMBER)
    november = reconciled("2026-11")
    assert [document.number for document in november.documents] == [LAB_IN_NOVEMBER]
    assert november.sources[1].not_yet_invoiced == 3
    assert november.sources[1].on_drafts == 2


def test_a_difference_is_shown_and_hides_behind_no_other(books: Books) -> None:
    books.damage(
        "UPDATE usage_cells SET cost = cost + 1 WHERE user_id = 'u-solo'",
        "UPDATE usage_cells SET cost = cost - 1 WHERE cost = 99",
    )
    month = reconciled()
    assert [source.difference for source in month.sources] == [1, -1]
    # The one of 98 is in no pool, so it lacks nothing there; the 4 are allocated as 3.
    assert [source.allocation_difference for source in month.sources] == [0, 1]
    assert month.difference == 3


def test_amounts_are_written_with_every_digit_and_without_exponent(books: Books) -> None:
    amount = Decimal("12345678901234567890.123456789012345678")
    assert written(amount) == "12345678901234567890.123456789012345678"
    assert written(Decimal("0E-18")) == "0"
    assert written(Decimal("1E+2")) == "100"
    assert "E" not in str([source.as_json() for source in reconciled().sources]).replace("NOTE", "")


def test_an_empty_ledger_reconciles_to_nothing(ledger: Ledger) -> None:
    month = reconciled()
    assert not month.sources
    assert not month.documents
    assert month.difference == 0
    assert month.as_json()["currency"] == "USD"
