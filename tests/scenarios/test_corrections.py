"""Costs that change after they were billed: each difference is a late line of its own, and the sums are right."""

from decimal import Decimal
from typing import Any

import pytest

from tests.ledger.books import Books

HELPDESK: dict[str, Any] = {
    "rule_id": "helpdesk", "rule_type": "fixed_split", "match": {"agent_ids": ["helpdesk"]},
    "allocation_metadata": {"entity_type": "team"},
}  # fmt: skip


def shares(search: str, etl: str) -> dict[str, Any]:
    return HELPDESK | {"split_percentages": {"search": search, "etl": etl}}


def lines(books: Books, number: str) -> list[tuple[str, Decimal]]:
    return [(line.description, line.amount) for line in books.view(number).lines]


def test_a_row_billed_to_a_team_whose_account_is_anothers_now_vanishes_from_the_team_it_was_billed_to(
    books: Books,
) -> None:
    books.import_yaml("owners: {account: {acme: [{team: etl}]}}")
    books.use(cost="100.00", account="acme", quantity="5", external_id="call-1").bill()
    books.import_yaml("owners: {account: {acme: [{team: search}]}}")
    books.withdraw("call-1")
    (number,) = books.bill("2026-11", "2026-12-01")
    assert lines(books, number) == [
        ("Correction for 2026-10: tokens, billed on INV-20261101-0001; its usage changed since",
         Decimal("-100.00"))
    ]  # fmt: skip
    assert books.billed_by_payer() == {("etl", None): Decimal(0)}


def test_a_corrected_row_goes_back_to_whom_it_was_billed_and_on_to_whom_it_belongs(
    books: Books,
) -> None:
    books.import_yaml("owners: {account: {acme: [{team: etl}]}}")
    books.use(cost="100.00", account="acme", external_id="call-1").bill()
    books.import_yaml("owners: {account: {acme: [{team: search}]}}")
    books.use(cost="70.00", account="acme", external_id="call-1")
    etl, search = books.bill("2026-11", "2026-12-01")
    assert lines(books, etl)[0][1] == Decimal("-100.00")
    assert lines(books, search) == [
        ("Correction for 2026-10: tokens; its usage changed since", Decimal("70.00"))
    ]
    assert books.billed_by_payer() == {("etl", None): Decimal(0), ("search", None): Decimal(70)}


def test_shares_billed_wrong_are_reallocated_and_then_the_usage_itself_is_corrected(
    books: Books,
) -> None:
    books.rule(shares("60", "40")).use(agent="helpdesk", cost="100.00", external_id="call-1").bill()
    books.rule(shares("50", "50"))
    moved = books.reallocate(reason="the helpdesk serves both alike")
    # Of 100.00: search gives 60 back and takes 50 on, etl gives 40 back and takes 50 on.
    assert [(str(s.payer), s.gives_back, s.takes_on) for s in moved.shares] == [
        ("team search", Decimal(-60), Decimal(50)), ("team etl", Decimal(-40), Decimal(50))
    ]  # fmt: skip
    assert books.reallocate(reason="again").cells == 0
    etl, search = books.bill("2026-11", "2026-12-01")
    assert lines(books, etl) == [
        ("Reallocation for 2026-10: tokens, billed on INV-20261101-0001; the helpdesk serves both alike",
         Decimal("10.00"))
    ]  # fmt: skip
    assert lines(books, search)[0][1] == Decimal("-10.00")
    # 80.00 is right: half of it each, although the split is 70 to 30 by now.
    books.use(agent="helpdesk", cost="80.00", external_id="call-1")
    etl, search = books.bill("2026-12", "2027-01-01")
    assert lines(books, etl) == [
        ("Correction for 2026-10: tokens, billed on INV-20261201-0003; its usage changed since",
         Decimal("-10.00"))
    ]  # fmt: skip
    assert lines(books, search)[0][1] == Decimal("-10.00")
    assert books.billed_by_payer() == {("etl", None): Decimal(40), ("search", None): Decimal(40)}


def test_a_cost_raised_three_times_and_then_withdrawn_leaves_nothing(books: Books) -> None:
    books.use("search", "ana", "10.00", external_id="call-1").bill()
    for month, cost in (("2026-11", "20.00"), ("2026-12", "40.00"), ("2027-01", "70.00")):
        books.use("search", "ana", cost, external_id="call-1")
        (number,) = books.bill(month, f"{month}-28")
        assert len(lines(books, number)) == 1
    # 10 + 10 + 20 + 30.
    assert books.billed_by_payer() == {("search", None): Decimal(70)}
    books.withdraw("call-1")
    (last,) = books.bill("2027-02", "2027-03-01")
    ((said, amount),) = lines(books, last)
    assert said == (
        "Correction for 2026-10: tokens, billed on INV-20270128-0004; its usage changed since"
    )
    assert (amount, books.billed_by_payer()) == (Decimal(-70), {("search", None): Decimal(0)})


def test_a_cost_that_changed_before_it_was_billed_is_one_line_of_what_it_is(books: Books) -> None:
    books.use("search", "ana", "10.00", external_id="call-1").allocate()
    books.use("search", "ana", "40.00", external_id="call-1")
    (number,) = books.bill()
    assert lines(books, number) == [("Usage of tokens, 2026-10", Decimal("40.00"))]


def test_part_of_a_divided_pool_is_taken_back_to_the_last_digit(books: Books) -> None:
    thirds = {"rule_id": "thirds", "rule_type": "equal_split", "user_ids": ["ana", "bob", "cat"]}
    books.rule(thirds)
    for number in range(3):
        books.use("search", cost="0.01", external_id=f"call-{number}")
    books.bill()
    books.rule({**thirds, "user_ids": ["ana"]})
    # 0.02, then 0.01, then nothing is left: by thirds each, with no unit lost on the way.
    for number, left in ((0, "0.02"), (1, "0.01"), (2, "0")):
        books.withdraw(f"call-{number}")
        books.bill("2026-11" if number == 0 else f"2027-0{number}", f"2027-0{number + 1}-01")
        borne = books.total_by_payer()
        assert sum(borne.values()) == Decimal(left)
        assert max(borne.values()) - min(borne.values()) <= Decimal("1e-18")
    assert set(books.billed_by_payer().values()) == {Decimal(0)}


def test_a_cancelled_invoice_of_usage_corrected_meanwhile_is_billed_again_as_it_was_shared(
    books: Books,
) -> None:
    books.rule(shares("60", "40")).use(agent="helpdesk", cost="100.00", external_id="call-1")
    etl, search = books.bill()
    books.use(agent="helpdesk", cost="50.00", external_id="call-1").rule(shares("50", "50"))
    books.bill("2026-11", "2026-12-01")
    for number in (etl, search):
        books.cancel(number)
    # The correction is billed, so what it takes back is billed again in the shares that it takes back.
    again = books.bill(on="2026-12-02")
    assert [view.total for view in map(books.view, again)] == [Decimal(40), Decimal(60)]
    assert books.billed_by_payer() == {("etl", None): Decimal(25), ("search", None): Decimal(25)}


def test_a_cancelled_invoice_of_usage_corrected_but_not_billed_since_is_billed_as_it_is_now(
    books: Books,
) -> None:
    books.rule(shares("60", "40")).use(agent="helpdesk", cost="100.00", external_id="call-1")
    wrong = books.bill()
    books.use(agent="helpdesk", cost="50.00", external_id="call-1").rule(
        shares("50", "50")
    ).allocate()
    for number in wrong:
        books.cancel(number)
    right = books.bill(on="2026-11-03")
    assert [lines(books, number) for number in right] == [
        [("Usage of tokens, 2026-10", Decimal("25.00"))]
    ] * 2
    assert books.billed_by_payer() == {("etl", None): Decimal(25), ("search", None): Decimal(25)}


def test_a_reallocation_not_billed_yet_is_gone_with_the_invoice_it_corrects(books: Books) -> None:
    books.import_yaml("owners: {account: {acme: [{team: etl}]}}")
    (wrong,) = books.use(cost="100.00", account="acme").bill()
    books.import_yaml("owners: {account: {acme: [{team: search}]}}")
    books.reallocate()
    books.cancel(wrong)
    (right,) = books.bill(on="2026-11-03")
    assert lines(books, right) == [("Usage of tokens, 2026-10", Decimal("100.00"))]
    assert books.view(right).team_id == "search"


def test_usage_of_thirteen_months_ago_that_changes_is_late_as_any(books: Books) -> None:
    books.use("search", "ana", "5.00", "2025-10-05", external_id="call-1").bill(
        "2025-10", "2025-11-01"
    )
    books.use("search", "ana", "8.00", "2025-10-05", external_id="call-1")
    (number,) = books.bill("2026-11", "2026-12-01")
    assert lines(books, number) == [
        ("Correction for 2025-10: tokens, billed on INV-20251101-0001; its usage changed since",
         Decimal("3.00"))
    ]  # fmt: skip


def test_usage_that_moves_into_the_next_month_is_taken_back_from_one_and_billed_in_the_other(
    books: Books,
) -> None:
    books.use("search", "ana", "5.00", "2026-10-31", external_id="call-1").bill()
    books.use("search", "ana", "5.00", "2026-11-01", external_id="call-1")
    (number,) = books.bill("2026-11", "2026-12-01")
    assert lines(books, number) == [
        ("Correction for 2026-11: tokens, billed on INV-20261101-0001; its usage changed since",
         Decimal("5.00")),
        ("Correction for 2026-10: tokens, billed on INV-20261101-0001; its usage changed since",
         Decimal("-5.00")),
    ]  # fmt: skip


@pytest.mark.parametrize("cost", ["0", "-100.00", "0.000000000000000001"])
def test_a_cost_may_change_to_anything(books: Books, cost: str) -> None:
    books.rule(shares("60", "40")).use(agent="helpdesk", cost="100.00", external_id="call-1").bill()
    books.use(agent="helpdesk", cost=cost, external_id="call-1").bill("2026-11", "2026-12-01")
    assert sum(books.billed_by_payer().values()) == Decimal(cost)


def test_what_corrects_a_written_off_share_is_written_off_with_it(books: Books) -> None:
    books.rule(shares("60", "40")).use(agent="helpdesk", cost="100.00", external_id="call-1")
    _, search = books.bill()
    books.cancel(search, is_rebillable=False)
    books.use(agent="helpdesk", cost="50.00", external_id="call-1")
    (etl,) = books.bill("2026-11", "2026-12-01")
    # etl owes 20 instead of 40; what search was let off is now 30, and nobody is asked for it.
    assert lines(books, etl)[0][1] == Decimal("-20.00")
    assert books.billed_by_payer() == {("etl", None): Decimal(20), ("search", None): Decimal(0)}
    books.withdraw("call-1")
    books.bill("2026-12", "2027-01-01")
    assert set(books.billed_by_payer().values()) == {Decimal(0)}


def test_a_written_off_share_that_was_anothers_is_billed_to_the_other(books: Books) -> None:
    books.import_yaml("owners: {account: {acme: [{team: etl}]}}")
    wrong, _ = books.use(cost="100.00", account="acme").use("support", cost="1.00").bill()
    books.cancel(wrong, is_rebillable=False)
    books.import_yaml("owners: {account: {acme: [{team: search}]}}")
    moved = books.reallocate()
    assert [(str(s.payer), s.is_written_off, s.difference) for s in moved.shares] == [
        ("team search", False, Decimal(100)), ("team etl", True, Decimal(-100))
    ]  # fmt: skip
    books.bill("2026-11", "2026-12-01")
    billed = books.billed_by_payer()
    assert (billed["etl", None], billed["search", None]) == (Decimal(0), Decimal(100))


def test_a_reallocation_shown_first_books_nothing(books: Books) -> None:
    books.import_yaml("owners: {account: {acme: [{team: etl}]}}")
    books.use(cost="100.00", account="acme").bill()
    books.import_yaml("owners: {account: {acme: [{team: search}]}}")
    shown = books.reallocate(is_dry_run=True)
    assert books.query("SELECT count(*) AS n FROM reallocations")[0].n == 0
    assert books.bill("2026-11", "2026-12-01") == []
    assert books.reallocate() == shown
