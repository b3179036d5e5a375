"""The faults of the guide's first implementation, each a test named after its symptom."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from chargeback import invoice_status
from chargeback.errors import Invalid, Refused
from chargeback.ledger import quarantine, sync, usage_sources
from chargeback.ledger.database import transaction
from chargeback.periods import Period
from chargeback.settings import settings
from models.enums import InvoiceStatus, SourceRole
from tests.ledger.books import ACTOR, Books

TO_TEAMS = {"allocation_metadata": {"entity_type": "team"}}


def fixed(**percentages: str) -> dict[str, object]:
    return {
        "rule_id": "fixed", "rule_type": "fixed_split", "split_percentages": percentages, **TO_TEAMS
    }  # fmt: skip


def test_two_rules_that_match_thirty_dollars_bill_thirty_and_not_sixty(books: Books) -> None:
    books.rule(
        {
            "rule_id": "first",
            "rule_type": "equal_split",
            "entity_ids": ["etl", "search"],
            **TO_TEAMS,
        }
    )
    books.rule(
        {"rule_id": "second", "rule_type": "equal_split", "entity_ids": ["support"], **TO_TEAMS}
    )
    run = books.use("search", "ana", "30.00").run()
    assert {drafted.payer.team_id: drafted.total for drafted in run} == {"etl": 15, "search": 15}


def test_by_user_bills_the_cost_of_those_it_does_not_list_too(books: Books) -> None:
    books.rule({"rule_id": "alone", "rule_type": "by_user", "user_ids": ["ana"]})
    books.use("search", "ana", "10.00").use("search", "bob", "50.00").allocate()
    assert books.total_by_payer() == {(None, "ana"): Decimal(10), ("search", "bob"): Decimal(50)}


def test_an_equal_split_with_users_only_allocates_to_them(books: Books) -> None:
    books.rule({"rule_id": "equal", "rule_type": "equal_split", "user_ids": ["ana", "bob"]})
    books.use("search", "cat", "30.00").allocate()
    assert books.total_by_payer() == {(None, "ana"): Decimal(15), (None, "bob"): Decimal(15)}


@pytest.mark.parametrize(
    "instant", ["2026-10-31T23:59:59.5Z", "2026-10-31T23:59:59.999999Z", "2026-10-01T00:00:00Z"]
)
def test_usage_in_the_last_second_of_the_month_is_billed(books: Books, instant: str) -> None:
    assert books.use("search", "ana", "1.25", instant).run()[0].total == Decimal("1.25")


def test_a_period_whose_end_is_written_23_59_59_holds_that_whole_day(books: Books) -> None:
    period, is_widened = Period.between(
        "2026-10-01T00:00:00", "2026-10-31T23:59:59Z", settings().zone
    )
    assert (period, is_widened) == (Period.month("2026-10"), False)


def test_the_same_team_and_period_is_not_invoiced_twice(books: Books) -> None:
    (number,) = books.use("search", "ana", "30.00").bill()
    assert (books.draft("search").outcome, books.bill()) == ("issued", [])
    assert [row.number for row in books.query("SELECT number FROM invoices")] == [number]


def test_percentages_of_99_995_lose_nothing(books: Books) -> None:
    books.rule(fixed(etl="49.995", search="50")).use("search", "ana", "60.00").allocate()
    shares = books.total_by_payer()
    assert sum(shares.values()) == Decimal(60)
    # 60 × 49.995 / 99.995, to the last digit.
    assert shares["etl", None] == Decimal("29.998499924996249812")


def test_three_times_33_33_per_cent_of_100_is_100(books: Books) -> None:
    books.rule(fixed(etl="33.33", search="33.33", support="33.33")).use(cost="100.00").allocate()
    third = Decimal("33.333333333333333333")
    # The odd 10⁻¹⁸ goes to the smaller id.
    assert books.total_by_payer() == {
        ("etl", None): Decimal("33.333333333333333334"), ("search", None): third, ("support", None): third
    }  # fmt: skip


@pytest.mark.parametrize(
    ("etl", "total"), [("49.98", "99.98"), ("50.02", "100.02"), ("99.98", "149.98")]
)
def test_percentages_further_off_than_a_hundredth_are_refused_with_their_sum(
    etl: str, total: str, books: Books
) -> None:
    with pytest.raises(Invalid, match=f"the percentages sum to {total}; make it 100"):
        books.rule(fixed(etl=etl, search="50"))


def test_percentages_below_zero_are_refused(books: Books) -> None:
    with pytest.raises(Invalid, match="'etl' is -50; write one from 0 to 100"):
        books.rule(fixed(etl="-50", search="150"))


def test_a_word_that_is_no_status_is_refused(books: Books) -> None:
    number = books.use("search", "ana", "1.00").draft("search").number
    with pytest.raises(
        Invalid, match="'zzz' is no invoice status; write one of draft, pending, sent"
    ):
        invoice_status.parse("zzz")
    with pytest.raises((Refused, IntegrityError)):
        books.query("UPDATE invoices SET status = 'zzz' WHERE number = :number", number=number)


def test_a_paid_invoice_does_not_go_back_to_draft(books: Books) -> None:
    (number,) = books.use("search", "ana", "1.00").bill()
    books.pay(number)
    with pytest.raises(
        Refused, match=f"{number} is paid and cannot become draft; it stays as it is"
    ):
        books.move(number, InvoiceStatus.DRAFT)
    with pytest.raises(Refused, match="cannot move from paid to draft"):
        books.query("UPDATE invoices SET status = 'draft' WHERE number = :number", number=number)


@pytest.mark.parametrize("cost", ["NaN", "Infinity", "-Infinity", '"nan"'])
def test_a_cost_that_is_no_number_is_quarantined_and_the_rest_is_booked(
    books: Books, tmp_path: Path, cost: str
) -> None:
    call = {"provider": "p", "model": "m", "agent_id": "a", "prompt_tokens": 1, "completion_tokens": 1,
            "total_tokens": 2, "operation_type": "query", "timestamp": "2026-10-05T12:00:00Z"}  # fmt: skip
    good = json.dumps({**call, "call_id": "good", "cost_usd": 1})
    bad = json.dumps({**call, "call_id": "bad", "cost_usd": 0}).replace(
        '"cost_usd": 0', f'"cost_usd": {cost}'
    )
    (tmp_path / "export.json").write_text(f"[{good}, {bad}]")
    with transaction() as connection:
        config = {"path": str(tmp_path / "export.json"), "form": "json"}
        usage_sources.put(connection, "file", "cost_tracker", SourceRole.ALLOCATE, config, ACTOR)
    counts = sync.sync("file", datetime(2026, 11, 1, tzinfo=UTC))
    assert (counts.received, counts.new, counts.quarantined, counts.new_cost) == (
        2,
        1,
        1,
        Decimal(1),
    )
    with transaction() as connection:
        (refused,) = quarantine.rows(connection)
    assert (refused.external_id, refused.code, refused.raw_cost) == ("bad", "cost_invalid", None)


def test_the_ledger_itself_refuses_nan(books: Books) -> None:
    books.use("search", "ana", "1.00").draft("search")
    with pytest.raises(IntegrityError, match="amount_check"):
        books.query("UPDATE allocations SET cost = 'NaN'")


def test_a_period_that_ends_before_it_starts_is_refused(books: Books) -> None:
    with pytest.raises(Invalid, match="starts at '2026-10-31' and ends at '2026-10-01'"):
        books.draft("search", period="2026-10-31/2026-10-01")


def test_times_without_a_zone_are_utc_and_meet_a_period_that_has_one(books: Books) -> None:
    period, _ = Period.between("2026-10-01T00:00:00Z", "2026-10-31T23:59:59", settings().zone)
    assert period == Period.month("2026-10")


def test_three_times_ten_cents_is_thirty_cents(books: Books) -> None:
    for _ in range(3):
        books.use("search", "ana", "0.1")
    books.allocate()
    assert books.total_by_payer() == {("search", "ana"): Decimal("0.3")}
