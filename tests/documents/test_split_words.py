"""How a shared cost was split, said in words."""

from dataclasses import replace
from decimal import Decimal

import pytest

from chargeback.documents.split_words import split_sentence, together
from chargeback.views import SplitRow
from models.enums import RuleType
from tests.documents.samples import EQUAL, make_split


@pytest.mark.parametrize(
    ("split", "said"),
    [
        (EQUAL, "The gateway: 411.19 USD in equal parts among 11 payers; your part is 37.38 USD."),
        (
            make_split(RuleType.BY_TEAM, "9", "3"),
            "The cluster: 9.00 USD in equal parts among 3 members; your part is 3.00 USD.",
        ),
        (
            make_split(
                RuleType.FIXED_SPLIT, "200", "66.66", weight=Decimal("33.33"), weights=Decimal(100)
            ),
            (
                "The cluster: 200.00 USD by fixed percentages among 3 payers, 33.33% for this payer; "
                "your part is 66.66 USD."
            ),
        ),
        (
            make_split(RuleType.FIXED_SPLIT, "200", "66.66"),
            "The cluster: 200.00 USD by fixed percentages among 3 payers; your part is 66.66 USD.",
        ),
        (
            make_split(RuleType.PROPORTIONAL, "80", "20"),
            (
                "The cluster: 80.00 USD in proportion to what each used among 3 payers, 25% for this payer; "
                "your part is 20.00 USD."
            ),
        ),
        (
            make_split(RuleType.EQUAL_SPLIT, "0.004", "0.002", payers=2),
            "The cluster: 0.004 USD in equal parts among 2 payers; your part is 0.002 USD.",
        ),
    ],
)  # fmt: skip
def test_a_split_is_said_in_one_sentence(split: SplitRow, said: str) -> None:
    assert split_sentence(split, "USD") == said


def test_what_lines_of_several_resource_types_bear_of_one_rule_is_told_once() -> None:
    other = replace(EQUAL, position=2, shared=Decimal(11), cost=Decimal(1))
    (one,) = together([EQUAL, other])
    assert (one.shared, one.cost) == (Decimal("422.18988"), Decimal("38.380898181818181821"))


def test_versions_of_a_rule_are_told_apart_the_dearest_first() -> None:
    newer = replace(EQUAL, rule_version=2, cost=Decimal(50))
    assert [one.rule_version for one in together([EQUAL, newer])] == [2, 1]
