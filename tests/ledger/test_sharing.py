"""The weights that divided a pool are kept with the shares they gave."""

from decimal import Decimal

from tests.conftest import Ledger
from tests.ledger.books import Books


def weights(books: Books) -> dict[str, Decimal]:
    rows: list[tuple[str, Decimal]] = books.query(
        "SELECT team_id, weight FROM allocations WHERE weight IS NOT NULL"
    )
    return dict(rows)


def split(percentages: dict[str, object]) -> dict[str, object]:
    return {
        "rule_id": "r", "name": "R", "rule_type": "fixed_split", "match": {"resource_types": ["tokens"]},
        "split_percentages": percentages, "allocation_metadata": {"entity_type": "team"},
    }  # fmt: skip


def test_a_split_of_everything_to_one_payer_is_booked(ledger: Ledger) -> None:
    """As units of 10⁻¹⁸ the weight of 100 % did not fit its column."""
    books = Books(ledger).rule(split({"care": 100})).use("support", "ana", "3")
    books.allocate()
    assert books.total_by_payer() == {("care", None): 3}
    assert weights(books) == {"care": 100}


def test_percentages_are_kept_as_percentages(ledger: Ledger) -> None:
    books = Books(ledger).rule(split({"a": "66.5", "b": "33.5"})).use("support", "ana", "2")
    books.allocate()
    assert books.total_by_payer() == {("a", None): Decimal("1.33"), ("b", None): Decimal("0.67")}
    assert weights(books) == {"a": Decimal("66.5"), "b": Decimal("33.5")}
