"""Periods that overlap, and scopes that do: nothing is billed twice, and every document says what others hold."""

from decimal import Decimal

from chargeback.ledger import claims
from chargeback.ledger.database import transaction
from chargeback.periods import Period
from models.enums import InvoiceStatus
from tests.ledger.books import Books


def test_a_team_billed_for_ten_days_and_then_for_the_month_pays_every_day_once(
    books: Books,
) -> None:
    books.use("search", "ana", "10.00", "2026-10-10").use("search", "ana", "4.00", "2026-10-11")
    early = books.draft("search", period="2026-10-01/2026-10-10", on="2026-10-11")
    books.send(early.number, on="2026-10-11")
    (month,) = books.run()
    assert (early.total, month.total) == (Decimal("10.00"), Decimal("4.00"))
    assert books.view(month.number).held_elsewhere == ((early.number, Decimal(10)),)


def test_late_usage_of_days_billed_before_is_on_the_invoice_of_the_month(books: Books) -> None:
    books.use("search", "ana", "10.00", "2026-10-10")
    books.send(books.draft("search", period="2026-10-01/2026-10-10").number)
    (month,) = books.use("search", "ana", "1.00", "2026-10-10").run()
    (line,) = books.view(month.number).lines
    assert (line.description, line.exact) == ("Usage of tokens, 2026-10", Decimal("1.00"))


def test_the_same_period_invoiced_twice_claims_nothing_twice(books: Books) -> None:
    first = books.use("search", "ana", "30.00").draft("search")
    books.send(first.number)
    again = books.draft("search")
    assert (again.number, again.outcome) == (first.number, "issued")
    assert books.run() == []


def test_late_usage_of_a_period_already_invoiced_gets_a_second_invoice_of_its_own(
    books: Books,
) -> None:
    first = books.use("search", "ana", "30.00").draft("search")
    books.send(first.number)
    second = books.use("search", "ana", "2.00").draft("search")
    assert (second.number, second.total) == ("INV-20261101-0002", Decimal("2.00"))
    assert books.view(second.number).held_elsewhere == ((first.number, Decimal(30)),)


def test_a_user_in_three_teams_is_billed_whole_or_inside_each_team(books: Books) -> None:
    for team, cost in {"etl": "1.00", "search": "2.00", "support": "4.00"}.items():
        books.use(team, "ana", cost).use(team, "bob", "0.50")
    inside = books.draft("search", "ana")
    assert inside.total == Decimal("2.00")
    whole = books.draft(user="ana")
    assert whole.total == Decimal("5.00")
    assert books.view(whole.number).held_elsewhere == ((inside.number, Decimal(2)),)
    assert [(d.payer.team_id, d.total) for d in books.run()] == [
        ("etl", Decimal("0.50")), ("search", Decimal("0.50")), ("support", Decimal("0.50"))
    ]  # fmt: skip
    assert books.view(whole.number).total == Decimal("5.00")


def test_a_run_leaves_a_draft_made_by_hand_for_a_user_to_that_person(books: Books) -> None:
    alone = {
        "rule_id": "alone",
        "rule_type": "by_user",
        "user_ids": ["ana"],
        "match": {"resource_types": ["image"]},
    }
    by_hand = books.rule(alone).use("search", "ana", "2.00").draft(user="ana")
    books.use("search", "ana", "1.00", resource_type="image").use(
        "search", "bob", "0.50", "2026-10-06"
    )
    assert [(str(d.payer), d.total) for d in books.run()] == [("team search", Decimal("0.50"))]
    assert books.view(by_hand.number).total == Decimal("2.00")
    with transaction() as connection:
        assert claims.foreign_drafts(connection, Period.month("2026-10")) == [by_hand.number]
    assert books.draft(user="ana").total == Decimal("3.00")


def test_a_run_bills_a_user_of_three_teams_through_the_teams_only(books: Books) -> None:
    for team in ("etl", "search", "support"):
        books.use(team, "ana", "1.00")
    assert [str(drafted.payer) for drafted in books.run()] == [
        "team etl",
        "team search",
        "team support",
    ]


def test_a_consolidated_invoice_then_a_users_then_the_teams_share_the_month(books: Books) -> None:
    books.use("search", "ana", "6.00", "2026-10-05").use("search", "bob", "4.00", "2026-10-05")
    books.use("search", "ana", "3.00", "2026-10-20").use("search", "bob", "2.00", "2026-10-20")
    books.use(cost="9.00", day="2026-10-05")
    everybody = books.draft(period="2026-10-01/2026-10-10")
    user = books.draft(user="ana")
    team = books.draft("search")
    assert [drafted.total for drafted in (everybody, user, team)] == [
        Decimal(10),
        Decimal(3),
        Decimal(2),
    ]
    assert books.view(user.number).held_elsewhere == ((everybody.number, Decimal(6)),)
    assert books.view(team.number).held_elsewhere == (
        (everybody.number, Decimal(10)), (user.number, Decimal(3))
    )  # fmt: skip


def test_a_draft_lists_what_another_document_came_to_hold_when_it_is_drafted_again(
    books: Books,
) -> None:
    team = books.use("search", "ana", "6.00", "2026-10-05").draft("search")
    user = books.use("search", "ana", "1.00", "2026-10-06").draft(user="ana")
    books.draft("search")
    assert books.view(team.number).held_elsewhere == ((user.number, Decimal(1)),)


def test_a_run_makes_no_second_invoice_for_who_waits_for_approval(books: Books) -> None:
    books.use("search", "ana", "6.00").use("etl", "fay", "1.00")
    books.move(books.draft("search").number, InvoiceStatus.PENDING)
    assert [drafted.payer.team_id for drafted in books.run()] == ["etl"]
