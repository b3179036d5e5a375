from datetime import date
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from chargeback.attribution import Unowned, owners_wanted
from models.enums import OwnedKind

DAY = date(2026, 10, 1)
ACCOUNT, TAG, AGENT = OwnedKind.ACCOUNT, OwnedKind.TAG, OwnedKind.AGENT


def unowned(cost: str, *, account: str | None = None, tag: str | None = None, agent: str | None = None,
            day: date = DAY) -> Unowned:  # fmt: skip
    return Unowned("tracker", account, tag, agent, Decimal(cost), 1, day, day)


def named(*found: Unowned) -> list[tuple[Any, ...]]:
    return [(one.kind, one.key, one.cost) for one in owners_wanted(found)]


def test_the_owner_that_clears_most_comes_first() -> None:
    assert named(unowned("3", agent="a"), unowned("5", agent="b"), unowned("4", agent="a")) == [
        (AGENT, "a", 7),
        (AGENT, "b", 5),
    ]


def test_the_list_ends_where_nine_tenths_are_cleared() -> None:
    """90 of 100 are enough; 89 of 100 are not."""
    assert named(unowned("90", agent="a"), unowned("10", agent="b")) == [(AGENT, "a", 90)]
    assert len(named(unowned("89", agent="a"), unowned("11", agent="b"))) == 2


def test_one_account_over_three_agents_is_one_owner() -> None:
    groups = [unowned("1", account="acc", agent=agent) for agent in "xyz"]
    assert named(*groups) == [(ACCOUNT, "acc", 3)]


def test_what_an_owner_before_it_cleared_counts_no_more() -> None:
    """Account acc clears 8 + 4; of agent a only the 3 outside the account are left."""
    found = named(
        unowned("8", account="acc", agent="a"),
        unowned("4", account="acc", agent="b"),
        unowned("3", agent="a"),
    )
    assert found == [(ACCOUNT, "acc", 12), (AGENT, "a", 3)]


def test_a_tie_goes_to_what_attribution_asks_first_and_then_to_the_smaller_name() -> None:
    assert named(unowned("1", account="z", tag="a", agent="a"))[0][:2] == (ACCOUNT, "z")
    assert [key for _, key, _ in named(unowned("1", agent="b"), unowned("1", agent="a"))] == [
        "a",
        "b",
    ]


def test_cost_without_any_name_asks_for_no_owner() -> None:
    assert named(unowned("100")) == []
    assert named(unowned("100"), unowned("1", tag="team=x")) == [(TAG, "team=x", 1)]


def test_credits_count_by_their_size() -> None:
    assert named(unowned("-9", agent="a"), unowned("1", agent="b"))[0] == (AGENT, "a", -9)


def test_the_days_tell_from_when_an_owner_is_needed() -> None:
    first, last = date(2026, 10, 3), date(2026, 10, 9)
    (owner,) = owners_wanted(
        [unowned("1", agent="a", day=last), unowned("1", agent="a", day=first)]
    )
    assert (owner.first_date, owner.last_date, owner.record_count) == (first, last, 2)


GROUPS = st.lists(
    st.builds(
        unowned,
        st.integers(-50, 50).map(str),
        account=st.sampled_from([None, "p", "q"]),
        tag=st.sampled_from([None, "t=1"]),
        agent=st.sampled_from([None, "a", "b", "c"]),
    )
)


@given(GROUPS)
def test_what_the_list_clears_and_what_is_left_is_all_there_was(groups: list[Unowned]) -> None:
    wanted = owners_wanted(groups)
    keys = {(one.kind, one.key) for one in wanted}
    cleared = [one for one in groups if keys & set(one.keys)]
    assert sum(one.cost for one in wanted) == sum(one.cost for one in cleared)
    every = sum(abs(one.cost) for one in groups if one.keys)
    assert sum(abs(one.cost) for one in cleared) >= Decimal("0.9") * every
    assert len(keys) == len(wanted)
