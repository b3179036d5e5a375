"""Circles of passed-on cost: found whatever the order, the shortest named, and only where there is one."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from chargeback.chains import Pass, circle
from tests.chargeback.test_rules import make_rule


def passes(*edges: str) -> list[Pass]:
    """`a>b` is a rule that passes the cost of a on to b."""
    return [
        Pass(make_rule(edge, "fixed_split", team_id=edge[0], stage=2), edge[2]) for edge in edges
    ]


def way(*edges: str) -> str:
    return " ".join(one.rule.rule_id for one in circle(passes(*edges)))


def test_a_chain_is_no_circle() -> None:
    assert way("a>b", "b>c", "a>c", "b>d", "c>d") == ""


def test_cost_that_a_team_gives_itself_is_the_shortest_circle() -> None:
    assert way("a>b", "b>c", "c>a", "b>b") == "b>b"


def test_the_shortest_way_round_is_named_from_its_smallest_team() -> None:
    assert way("d>c", "c>b", "b>a", "a>d", "c>d") == "c>d d>c"


def test_a_team_that_only_leads_into_a_circle_is_not_in_it() -> None:
    assert way("a>b", "b>c", "c>b") == "b>c c>b"


EDGES = st.lists(st.tuples(st.sampled_from("abcde"), st.sampled_from("abcde")), max_size=9)


@given(edges=EDGES, order=st.randoms(use_true_random=False))
def test_there_is_a_circle_where_not_every_team_can_be_put_before_those_it_passes_to(
    edges: list[tuple[str, str]], order: Random
) -> None:
    named = [f"{one}>{other}" for one, other in edges]
    found = way(*named)
    order.shuffle(named)
    assert way(*named) == found
    left = set(edges)
    while left and (free := {one for one, _ in left} - {other for _, other in left}):
        left = {(one, other) for one, other in left if one not in free}
    assert bool(found) == bool(left)
