"""Splitting, rounding, apportioning, entering: tens of thousands of amounts, in whole numbers and fractions.

`test_money` looks for the one counterexample; here the sheer number counts.
"""

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from random import Random

import pytest

from chargeback import money

Record = Callable[[str, object], None]
CENT = 10**16
CASES = [4_000, pytest.param(150_000, marks=pytest.mark.prove)]


def any_amount(random: Random) -> int:
    """Units of 10⁻¹⁸: tiny, ordinary, just beside half a cent, or enormous; a third of them credits."""
    size = random.choice((40, 10**6, 10**18, 10**22, 10**37))
    amount = random.choice(
        (random.randint(0, size), random.randint(0, 10**6) * CENT // 2 + random.randint(-1, 1))
    )
    return amount * random.choice((1, 1, -1))


def any_weights(random: Random) -> dict[str, int]:
    most = random.choice((1, 3, 100, 10**18, 10**24))
    weights = {
        f"{random.randint(0, 99)}-{n}": random.randint(0, most)
        for n in range(random.randint(1, 12))
    }
    return weights | {"somebody": random.randint(1, most)}


@pytest.mark.parametrize("cases", CASES)
def test_a_split_loses_nothing_and_nobody_is_a_unit_off(
    cases: int, record_property: Record
) -> None:
    random = Random(1)
    for _ in range(cases):
        amount, weights = any_amount(random), any_weights(random)
        parts, whole = money.split(amount, weights), sum(weights.values())
        assert sum(parts.values()) == amount
        for key, weight in weights.items():
            assert abs(parts[key] * whole - amount * weight) < whole
            assert weight or parts[key] == 0
        assert money.split(-amount, dict(reversed(weights.items()))) == {
            k: -part for k, part in parts.items()
        }
    record_property("proof", ("splits", cases))


@pytest.mark.parametrize("cases", CASES)
def test_what_enters_is_rounded_half_even_and_the_rest_is_kept(
    cases: int, record_property: Record
) -> None:
    random = Random(2)
    for _ in range(cases):
        decimals = random.randint(18, 40)
        digits = random.randint(-(10 ** (decimals + 12)), 10 ** (decimals + 12))
        if random.random() < 0.3:
            # Ties: a half of the last unit that is kept.
            decimals, digits = 19, random.randint(-(10**20), 10**20) * 10 + 5
        kept, residual = money.enter(money.EXACT.scaleb(Decimal(digits), -decimals))
        unit = 10 ** (decimals - 18)
        units, rest = divmod(digits, unit)
        units += 2 * rest > unit or (2 * rest == unit and units % 2 == 1)
        assert money.units(kept) == units
        assert Fraction(residual) == Fraction(digits - units * unit, 10**decimals)
    record_property("proof", ("amounts entered", cases))


@pytest.mark.parametrize("cases", CASES)
def test_lines_on_paper_add_up_and_none_is_a_cent_off(cases: int, record_property: Record) -> None:
    random = Random(3)
    for _ in range(cases // 4):
        lines = [any_amount(random) for _ in range(random.randint(1, 20))]
        exact = sum(lines)
        subtotal = (2 * abs(exact) + CENT) // (2 * CENT) * (1 if exact >= 0 else -1)
        total = money.to_money(money.amount(exact), "USD")
        assert money.units(total) == subtotal * CENT
        printed = [
            money.units(paper)
            for paper in money.apportion([money.amount(n) for n in lines], total, "USD")
        ]
        assert sum(printed) == subtotal * CENT
        for line, paper in zip(lines, printed, strict=True):
            assert abs(paper - line) < CENT
            assert paper % CENT == 0
            assert line % CENT or paper == line
    record_property("proof", ("documents whose lines were apportioned", cases // 4))
