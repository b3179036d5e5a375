"""What a draft says: lines, totals, tax, due date, whom it is for; and how it is drafted again."""

from datetime import date
from decimal import Decimal

import pytest

from chargeback.errors import Refused
from chargeback.settings import settings
from models.enums import LineKind, Scope
from tests.ledger.books import Books


def test_there_is_one_line_per_resource_type_and_unit(books: Books) -> None:
    books.use("search", "ana", "1.00", resource_type="tokens", unit="tokens", quantity="10")
    books.use(
        "search", "bob", "2.00", "2026-10-06", resource_type="tokens", unit="tokens", quantity="5"
    )
    books.use("search", "ana", "4.00", resource_type="tokens", unit="calls", quantity="2")
    books.use("search", "ana", "8.00", resource_type="image", unit="images", quantity="1")
    lines = books.view(books.draft("search").number).lines
    assert [(n.position, n.resource_type, n.unit, n.quantity, n.amount) for n in lines] == [
        (1, "image", "images", Decimal(1), Decimal(8)),
        (2, "tokens", "calls", Decimal(2), Decimal(4)),
        (3, "tokens", "tokens", Decimal(15), Decimal(3)),
    ]
    assert {(line.kind, line.description) for line in lines[:1]} == {
        (LineKind.USAGE, "Usage of image, 2026-10")
    }


def test_the_subtotal_is_rounded_half_away_from_zero_once(books: Books) -> None:
    for resource_type in ("a", "b", "c"):
        books.use("search", "ana", "0.005", resource_type=resource_type)
    view = books.view(books.draft("search").number)
    # 0.015 is 0.02, not three times 0.01.
    assert (view.exact_total, view.subtotal, view.rounding_difference) == (
        Decimal("0.015"), Decimal("0.02"), Decimal("0.005")
    )  # fmt: skip
    assert [line.amount for line in view.lines] == [Decimal("0.01"), Decimal("0.01"), Decimal(0)]


def test_tax_is_taken_once_on_the_subtotal_and_due_after_the_payers_net_days(books: Books) -> None:
    books.import_yaml(
        "teams: [{id: search, name: Search, cost_center: CC-1, contact: a@b, net_days: 14, tax_rate: '0.21'}]"
    )
    view = books.view(books.use("search", "ana", "10.10").draft("search").number)
    # 21 % of 10.10 is 2.121.
    assert (view.subtotal, view.tax, view.total) == (
        Decimal("10.1"),
        Decimal("2.12"),
        Decimal("12.22"),
    )
    assert (view.issue_date, view.due_date) == (date(2026, 11, 1), date(2026, 11, 15))
    assert (view.bill_to.id, view.bill_to.name, view.bill_to.cost_center) == (
        "search",
        "Search",
        "CC-1",
    )


def test_a_payer_without_net_days_has_those_of_the_installation(books: Books) -> None:
    view = books.view(books.use("search", "ana", "1.00").draft("search").number)
    assert view.due_date == date(2026, 12, 1)


def test_an_amount_of_38_digits_is_billed_to_the_last(books: Books) -> None:
    largest = "12345678901234567890.123456789012345678"
    view = books.view(books.use("search", "ana", largest, quantity=largest).draft("search").number)
    assert (view.exact_total, view.lines[0].quantity) == (Decimal(largest), Decimal(largest))
    assert view.total == Decimal("12345678901234567890.12")
    assert view.rounding_difference == Decimal("-0.003456789012345678")


@pytest.mark.parametrize(
    ("team", "user", "scope", "total"),
    [
        ("search", None, Scope.TEAM, "7.00"),
        (None, "ana", Scope.USER, "13.00"),
        ("search", "ana", Scope.TEAM_USER, "1.00"),
        (None, None, Scope.ALL, "31.00"),
    ],
)
def test_a_scope_claims_what_its_payer_bears(
    books: Books, team: str | None, user: str | None, scope: Scope, total: str
) -> None:
    books.rule({"rule_id": "alone", "rule_type": "by_user", "user_ids": ["ana"], "team_id": "own"})
    books.use("search", "ana", "1.00").use("search", "bob", "2.00").use("search", None, "4.00")
    books.use("own", "ana", "8.00").use("etl", "ana", "4.00").use("etl", "bob", "12.00").use(
        cost="32.00"
    )
    drafted = books.draft(team, user)
    assert (books.view(drafted.number).scope, drafted.total) == (scope, Decimal(total))


def test_a_run_bills_teams_first_and_then_users_charged_alone(books: Books) -> None:
    books.rule(
        {
            "rule_id": "alone",
            "rule_type": "by_user",
            "user_ids": ["ana"],
            "match": {"resource_types": ["image"]},
        }
    )
    books.use("search", "ana", "1.00").use("search", "ana", "2.00", resource_type="image").use(
        "Z", "bob", "4.00"
    )
    assert [(str(d.payer), d.number, d.total) for d in books.run()] == [
        ("team Z", "INV-20261101-0001", Decimal(4)),
        ("team search", "INV-20261101-0002", Decimal(1)),
        ("user ana", "INV-20261101-0003", Decimal(2)),
    ]


def test_a_run_repeated_is_the_same_run(books: Books) -> None:
    books.rule(
        {
            "rule_id": "alone",
            "rule_type": "by_user",
            "user_ids": ["ana"],
            "match": {"resource_types": ["image"]},
        }
    )
    books.use("search", "ana", "1.00").use("search", "ana", "2.00", resource_type="image")
    first = books.run()
    assert [(d.number, d.outcome) for d in books.run()] == [(d.number, "unchanged") for d in first]


def test_a_run_takes_over_the_draft_somebody_made_for_a_team(books: Books) -> None:
    by_hand = books.use("search", "ana", "1.00").draft("search")
    (drafted,) = books.run()
    assert (drafted.number, drafted.outcome) == (by_hand.number, "unchanged")
    assert books.query("SELECT is_from_run FROM invoices")[0].is_from_run


def test_a_run_without_usage_makes_nothing(books: Books) -> None:
    assert books.run() == []


def test_the_annex_says_what_each_user_added_through_each_agent(books: Books) -> None:
    books.use("search", "ana", "1.00", agent="crawler").use("search", "ana", "2.00").use(
        "search", None, "4.00", agent="crawler"
    )
    annex = books.view(books.draft("search").number).annex
    assert [(row.user_id, row.agent_id, row.cost) for row in annex] == [
        ("ana", "crawler", Decimal(1)), ("ana", None, Decimal(2)), (None, "crawler", Decimal(4))
    ]  # fmt: skip


def test_the_annex_of_a_share_names_no_user_of_another_team(books: Books) -> None:
    books.rule({"rule_id": "r", "rule_type": "equal_split", "entity_ids": ["etl", "search"],
                "allocation_metadata": {"entity_type": "team"}})  # fmt: skip
    books.use("search", "ana", "4.00", agent="crawler")
    (row,) = books.view(books.draft("etl").number).annex
    assert (row.user_id, row.agent_id, row.cost) == (None, None, Decimal(2))


def test_a_draft_refreshed_when_nothing_is_left_of_it_is_an_invoice_of_nothing(
    books: Books,
) -> None:
    books.rule(
        {
            "rule_id": "all",
            "rule_type": "equal_split",
            "user_ids": ["bob"],
            "valid_from": "2027-01-01",
        }
    )
    number = books.use("search", "ana", "1.00").draft("search").number
    books.rule(
        {
            "rule_id": "all",
            "rule_type": "equal_split",
            "user_ids": ["bob"],
            "valid_from": "2026-01-01",
        }
    )
    drafted = books.draft("search")
    assert (drafted.number, drafted.outcome, drafted.total) == (number, "refreshed", Decimal(0))
    assert books.view(number).lines == ()


def test_every_drafting_is_told_in_the_audit_log(books: Books) -> None:
    number = books.use("search", "ana", "1.00").draft("search").number
    books.use("search", "ana", "1.00").draft("search")
    books.draft("search")
    told = books.query(
        "SELECT action, after ->> 'total' AS total FROM audit_log WHERE subject_id = :number ORDER BY seq",
        number=number,
    )
    assert told == [("invoice.drafted", "1"), ("invoice.refreshed", "2")]


def test_a_number_for_a_period_that_was_issued_is_refused_rather_than_ignored(books: Books) -> None:
    books.use("search", "ana", "1.00").bill()
    with pytest.raises(Refused, match="nothing is left for MINE-1") as refused:
        books.draft("search", number="MINE-1")
    assert refused.value.code == "number_kept"


def test_a_ledger_in_one_currency_is_not_billed_in_another(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    books.use("search", "ana", "5.00").load()
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("CHARGEBACK_CURRENCY", "JPY")
        settings.cache_clear()
        with pytest.raises(Refused, match="CURRENCY is JPY but this ledger was begun with USD"):
            books.draft("search")
    settings.cache_clear()
