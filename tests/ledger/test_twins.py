"""One call recorded twice is listed, and stays booked: a person decides."""

from typing import Any

import pytest

from chargeback.ledger.database import snapshot
from chargeback.ledger.twins import Twins, twins
from chargeback.periods import Period
from models.enums import SourceRole
from tests.conftest import Ledger
from tests.ledger.books import Books

CALL: dict[str, Any] = {"agent": "a", "sku": "gpt", "quantity": "1500", "unit": "Tokens"}


def listed(most: int = 50) -> Twins:
    with snapshot() as connection:
        return twins(connection, Period.month("2026-10"), most)


def pairs() -> list[tuple[str, str]]:
    return sorted((one.other_external_id, one.external_id) for one in listed().pairs)


def at(second: str) -> str:
    return f"2026-10-05T12:00:{second}+00:00"


def test_one_call_under_two_ids_is_listed_and_both_stay_booked(books: Books) -> None:
    books.use("search", "ana", "2", at("00"), **CALL, external_id="x")
    books.use("search", "ana", "2", at("01.9"), **CALL, external_id="y").allocate()
    found = listed()
    assert pairs() == [("x", "y")]
    assert found.count == 1
    assert found.cost == 2
    assert books.total_by_payer() == {("search", "ana"): 4}


@pytest.mark.parametrize(
    "change",
    [
        {"agent": "b"},
        {"sku": "claude"},
        {"quantity": "1501"},
        {"cost": "3"},
        {"user": "bob"},
        {"day": at("02.1")},
    ],
    ids=str,
)
def test_what_differs_is_another_call(books: Books, change: dict[str, str]) -> None:
    same = {"team": "search", "user": "ana", "cost": "2", **CALL}
    books.use(**same, day=at("00")).use(**({"day": at("01")} | same | change)).load()
    assert pairs() == []


def test_what_has_no_tokens_is_not_looked_at(books: Books) -> None:
    for _ in range(2):
        books.use("search", "ana", "2", at("00"), quantity="1", unit="requests", sku="gpt")
    books.load()
    assert pairs() == []


@pytest.fixture
def gateway(books: Books) -> Books:
    return Books(books.ledger, "gateway")


def test_a_call_that_two_sources_recorded_is_listed(books: Books, gateway: Books) -> None:
    """The second source prices it otherwise and knows no agent."""
    books.use("search", "ana", "2", at("00"), **CALL, external_id="x").load()
    gateway.use("search", None, "2.1", at("01"), **(CALL | {"agent": None}), external_id="y").load()
    (pair,) = listed().pairs
    assert (pair.other_source, pair.source) == ("tracker", "gateway")


def test_the_same_id_from_two_sources_is_listed_whenever_it_was(
    books: Books, gateway: Books
) -> None:
    books.use("search", "ana", "2", "2026-10-05", external_id="x").load()
    gateway.use("search", "ana", "7", "2026-10-09", external_id="x").load()
    assert pairs() == [("x", "x")]


def test_two_sources_with_two_agents_recorded_two_calls(books: Books, gateway: Books) -> None:
    books.use("search", "ana", "2", at("00"), **CALL).load()
    gateway.use("search", "ana", "2", at("01"), **(CALL | {"agent": "b"}), external_id="y").load()
    assert pairs() == []


def test_a_source_that_is_only_compared_has_no_twins(ledger: Ledger, books: Books) -> None:
    bill = Books(ledger, "bill", SourceRole.RECONCILE_ONLY)
    books.use("search", "ana", "2", at("00"), **CALL, external_id="x").load()
    bill.use("search", "ana", "2", at("00"), **CALL, external_id="x").load()
    assert pairs() == []


def test_a_record_and_what_took_its_place_are_no_twins(books: Books) -> None:
    for cost in "2", "3", "2":
        books.use("search", "ana", cost, at("00"), **CALL, external_id="x").load()
    assert pairs() == []


def test_one_that_was_withdrawn_is_no_twin_any_more(books: Books) -> None:
    books.use("search", "ana", "2", at("00"), **CALL, external_id="x")
    books.use("search", "ana", "2", at("01"), **CALL, external_id="y").load()
    books.withdraw("y")
    assert pairs() == []


def test_the_most_costly_are_shown_and_all_are_counted(books: Books) -> None:
    for place in range(3):
        for copy in "xy":
            books.use("search", "ana", str(place + 1), at(f"{place * 10:02}"), **CALL,
                      external_id=f"{copy}{place}")  # fmt: skip
    books.load()
    found = listed(2)
    assert [one.cost for one in found.pairs] == [3, 2]
    assert found.count == 3
    assert found.cost == 6
