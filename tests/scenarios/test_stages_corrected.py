"""What was passed on and billed, then corrected: it goes back the way it went, and on the way of today."""

from decimal import Decimal
from typing import Any

import pytest

from tests.ledger.books import Books

TEAMS: dict[str, Any] = {"allocation_metadata": {"entity_type": "team"}}


def passes(team: str, stage: int, percentages: dict[str, int], **more: Any) -> dict[str, Any]:
    return {"rule_id": team, "rule_type": "fixed_split", "stage": stage, "team_id": team,
            "split_percentages": percentages, **TEAMS, **more}  # fmt: skip


def teams(books: Books) -> dict[str | None, Decimal]:
    """What each team bears, without what it no longer does."""
    found: dict[str | None, Decimal] = {}
    for (team, _), cost in books.total_by_payer().items():
        found[team] = found.get(team, Decimal(0)) + cost
    return {team: cost for team, cost in found.items() if cost}


def use(books: Books, cost: str) -> Books:
    return books.use("platform", None, cost, external_id="row")


def late(books: Books) -> dict[str | None, Decimal]:
    """Bill November; what of October is on its invoices."""
    numbers = books.bill("2026-11", on="2026-12-01")
    return {books.view(number).team_id: books.view(number).total for number in numbers}


def test_a_correction_goes_back_as_it_was_passed_on_and_on_as_it_is_today(books: Books) -> None:
    """10 billed as 6 and 4; all of the corrected 5 is etl's today."""
    use(books.rule(passes("platform", 2, {"search": 60, "etl": 40})), "10").bill()
    books.rule(passes("platform", 2, {"etl": 100}))
    use(books, "5").allocate()
    assert teams(books) == {"etl": Decimal(5)}
    assert late(books) == {"search": Decimal(-6), "etl": Decimal(1)}


def test_where_nobody_passes_it_on_today_the_team_keeps_what_is_left(books: Books) -> None:
    use(books.rule(passes("platform", 2, {"search": 60, "etl": 40})), "10").bill()
    books.delete_rule("platform")
    use(books, "5").allocate()
    assert teams(books) == {"platform": Decimal(5)}
    assert late(books) == {"search": Decimal(-6), "etl": Decimal(-4), "platform": Decimal(5)}


def test_what_was_billed_to_the_team_goes_back_to_the_team(books: Books) -> None:
    use(books, "10").bill()
    books.rule(passes("platform", 2, {"search": 100}))
    use(books, "4").allocate()
    assert teams(books) == {"search": Decimal(4)}
    assert late(books) == {"platform": Decimal(-10), "search": Decimal(4)}


def test_a_correction_goes_back_through_every_stage(books: Books) -> None:
    """40 billed: platform's to data and search by halves, data's 20 to etl; then 8, of which data keeps its half."""
    books.rule(passes("platform", 2, {"data": 50, "search": 50})).rule(
        passes("data", 3, {"etl": 100})
    )
    use(books, "40").bill()
    books.delete_rule("data")
    use(books, "8").allocate()
    assert teams(books) == {"search": Decimal(4), "data": Decimal(4)}
    assert late(books) == {"search": Decimal(-16), "etl": Decimal(-20), "data": Decimal(4)}


def test_a_correction_of_what_is_not_billed_yet_vanishes(books: Books) -> None:
    use(books.rule(passes("platform", 2, {"search": 60, "etl": 40})), "10").allocate()
    use(books, "5").allocate()
    assert teams(books) == {"search": Decimal(3), "etl": Decimal(2)}


@pytest.mark.parametrize("is_billed_again", [False, True])
def test_a_reallocation_follows_a_rule_that_passes_on_otherwise(
    books: Books, is_billed_again: bool
) -> None:
    """6 and 4 were billed; by halves search gets 1 back and etl bears 1 more; done again nothing moves."""
    use(books.rule(passes("platform", 2, {"search": 60, "etl": 40})), "10").bill()
    books.rule(passes("platform", 2, {"search": 50, "etl": 50}))
    moved = {str(share.payer): share.difference for share in books.reallocate().shares}
    assert moved == {"team search": Decimal(-1), "team etl": Decimal(1)}
    if is_billed_again:
        assert late(books) == {"search": Decimal(-1), "etl": Decimal(1)}
    assert books.reallocate().cells == 0
    assert teams(books) == {"search": Decimal(5), "etl": Decimal(5)}


def test_a_reallocation_passes_on_what_was_billed_to_the_team(books: Books) -> None:
    use(books, "10").bill()
    books.rule(passes("platform", 2, {"data": 100})).rule(passes("data", 3, {"search": 100}))
    books.reallocate()
    assert teams(books) == {"search": Decimal(10)}
    assert late(books) == {"platform": Decimal(-10), "search": Decimal(10)}


def test_a_reallocation_follows_a_later_stage_too(books: Books) -> None:
    books.rule(passes("platform", 2, {"data": 50, "search": 50})).rule(
        passes("data", 3, {"etl": 100})
    )
    use(books, "40").bill()
    books.rule(passes("data", 3, {"care": 100})).reallocate()
    assert teams(books) == {"search": Decimal(20), "care": Decimal(20)}
    assert late(books) == {"etl": Decimal(-20), "care": Decimal(20), "search": Decimal(0)}


def test_where_the_rules_pass_on_as_they_did_nothing_is_reallocated(books: Books) -> None:
    use(books.rule(passes("platform", 2, {"search": 60, "etl": 40})), "10").bill()
    books.rule(passes("platform", 2, {"search": 60, "etl": 40}, name="Another name"))
    assert books.reallocate().cells == 0


def test_what_was_written_off_and_passed_on_is_taken_back_from_nobody(books: Books) -> None:
    """search's 6 are written off, etl's 4 are billed; of the corrected 5 search's 3 stay written off."""
    use(books.rule(passes("platform", 2, {"search": 60, "etl": 40})), "10")
    for number in books.bill():
        if books.view(number).team_id == "search":
            books.cancel(number, is_rebillable=False)
    use(books, "5").allocate()
    assert late(books) == {"etl": Decimal(-2)}
