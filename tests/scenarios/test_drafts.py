"""Drafts: refreshed as often as one likes, sent only while they are true."""

from decimal import Decimal

import pytest

from chargeback.errors import Refused
from models.enums import InvoiceStatus
from tests.ledger.books import Books


def test_a_draft_made_stale_by_new_usage_is_sent_only_after_it_is_refreshed(books: Books) -> None:
    first = books.use("search", "ana", "10.00").draft("search")
    assert books.use("search", "bob", "2.50").allocate().stale_drafts == 1
    with pytest.raises(Refused, match=f"{first.number} is stale.*refresh"):
        books.send(first.number)
    again = books.draft("search")
    assert (again.invoice_id, again.number, again.outcome) == (
        first.invoice_id,
        "INV-20261101-0001",
        "refreshed",
    )
    assert (again.total, books.view(again.number).revision) == (Decimal("12.50"), 2)
    assert books.send(again.number)[0].status is InvoiceStatus.SENT


def test_a_stale_draft_cannot_become_pending_either(books: Books) -> None:
    number = books.use("search", "ana", "10.00").draft("search").number
    books.use("search", "ana", "2.50").allocate()
    with pytest.raises(Refused, match="refresh"):
        books.move(number, InvoiceStatus.PENDING)


def test_one_stale_draft_keeps_a_whole_run_from_being_sent(books: Books) -> None:
    run = books.use("search", "ana", "10.00").use("etl", "fay", "4.00").run()
    books.use("search", "ana", "2.50").allocate()
    with pytest.raises(Refused, match="INV-20261101-0002 is stale"):
        books.send(*(drafted.number for drafted in run))
    assert {books.view(drafted.number).status for drafted in run} == {InvoiceStatus.DRAFT}


def test_drafting_again_with_nothing_new_changes_nothing(books: Books) -> None:
    run = books.use("search", "ana", "10.00").use("etl", "fay", "4.00").run()
    again = books.run()
    assert [drafted.outcome for drafted in again] == ["unchanged", "unchanged"]
    assert [(d.number, d.total) for d in again] == [(d.number, d.total) for d in run]
    assert {books.view(drafted.number).revision for drafted in again} == {1}


def test_usage_of_another_day_joins_the_draft_when_it_is_refreshed(books: Books) -> None:
    number = books.use("search", "ana", "10.00", "2026-10-05").draft("search").number
    again = books.use("search", "ana", "1.00", "2026-10-06").draft("search")
    assert (again.number, again.total) == (number, Decimal("11.00"))


def test_a_draft_whose_usage_went_to_another_team_is_refreshed_to_nothing(books: Books) -> None:
    books.import_yaml("owners: {agent: {crawler: [{team: search}]}}")
    books.use(agent="crawler", cost="3.00").use("etl", "fay", "4.00").run()
    books.import_yaml("owners: {agent: {crawler: [{team: etl}]}}")
    assert {d.payer.team_id: d.total for d in books.run()} == {
        "etl": Decimal("7.00"),
        "search": Decimal(0),
    }


def test_a_corrected_tax_rate_reaches_the_draft_that_is_drafted_again(books: Books) -> None:
    number = books.use("search", "ana", "100.00").draft("search").number
    books.import_yaml("teams: [{id: search, name: Search, tax_rate: '0.21', net_days: 14}]")
    books.draft("search")
    view = books.view(number)
    assert (view.revision, view.tax, view.total) == (2, Decimal("21"), Decimal("121"))
    assert (view.bill_to.name, str(view.due_date)) == ("Search", "2026-11-15")


def test_pending_freezes_like_sent_and_back_to_draft_frees(books: Books) -> None:
    number = books.use("search", "ana", "10.00").draft("search").number
    books.move(number, InvoiceStatus.PENDING)
    assert books.use("search", "ana", "2.50").allocate().stale_drafts == 0
    with pytest.raises(Refused, match=f"{number} of team search for 2026-10 is pending"):
        books.draft("search")
    books.move(number, InvoiceStatus.DRAFT)
    assert books.draft("search").total == Decimal("12.50")


def test_a_cancelled_draft_keeps_its_number_and_frees_what_it_claimed(books: Books) -> None:
    number = books.use("search", "ana", "10.00").draft("search").number
    assert books.cancel(number).credit_note is None
    again = books.draft("search")
    assert (again.number, again.total) == ("INV-20261101-0002", Decimal("10.00"))
