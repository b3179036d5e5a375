"""A thousand invoices of a little more than a dollar: each is rounded once, and the books know by how much."""

from decimal import Decimal

from chargeback.ledger.database import snapshot
from chargeback.ledger.reconcile import reconcile
from chargeback.periods import Period
from tests.ledger.books import Books


def test_a_thousand_invoices_of_1_004_print_1_00_and_book_four_dollars_of_rounding(
    books: Books,
) -> None:
    for team in range(1000):
        books.use(f"team-{team:03}", cost="1.004")
    numbers = books.bill()
    assert (len(numbers), numbers[0], numbers[-1]) == (
        1000,
        "INV-20261101-0001",
        "INV-20261101-1000",
    )
    with snapshot() as connection:
        found = reconcile(connection, Period.month("2026-10"))
    assert found.rounding_difference == Decimal("-4.000")
    assert {document.rounding_difference for document in found.documents} == {Decimal("-0.004")}
    assert found.sources[0].invoiced == Decimal("1004.000")
    assert sum(books.view(number).total for number in numbers[:3]) == Decimal("3.00")


def test_lines_of_fractions_of_a_cent_add_up_to_the_total(books: Books) -> None:
    for resource_type in ("audio", "image", "text"):
        books.use("search", "ana", "0.334", resource_type=resource_type)
    view = books.view(books.draft("search").number)
    # 1.002 is 1.00; of three equal thirds the first takes the odd cent.
    assert (view.total, [line.amount for line in view.lines]) == (
        Decimal("1.00"), [Decimal("0.34"), Decimal("0.33"), Decimal("0.33")]
    )  # fmt: skip


def test_what_six_hundred_users_used_is_all_on_the_teams_invoice(books: Books) -> None:
    """No limit cuts a document and lets the rest slide into the next month."""
    for user in range(600):
        books.use("search", f"user-{user:03}", "0.01")
    assert [drafted.total for drafted in books.run()] == [Decimal("6.00")]
