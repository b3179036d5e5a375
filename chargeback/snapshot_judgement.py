"""Whether a delivered snapshot may replace what is held, or waits for a person.

Owns the reasons. A delivery that was cut off or is half bad looks like one whose rows were withdrawn, and
booking it would take real cost back from everybody who bore it.
"""

from decimal import Decimal
from typing import NamedTuple

from chargeback import money


class Extent(NamedTuple):
    """How many rows a scope has and what they cost together, in the ledger's currency."""

    rows: int
    cost: Decimal


def objections(
    delivered: Extent, held: Extent, refused: int, unplaced: int, most_fall_percent: Decimal
) -> list[str]:
    """Why a person has to look before the delivery replaces what is held; none: it may.

    `refused` rows of it could not be read, `unplaced` rows of the whole delivery do not say which scope
    they belong to. Count and cost may fall by less than `most_fall_percent` of what is held.
    """
    found = []
    if refused:
        found.append(f"{_rows(refused)} of it {_were(refused)} refused")
    if unplaced:
        found.append(f"{_rows(unplaced)} of the delivery {_which(unplaced)}")
    if held.rows:
        if _falls(Decimal(delivered.rows), Decimal(held.rows), most_fall_percent):
            found.append(f"it has {_rows(delivered.rows)} where {held.rows:,} are held")
        if _falls(delivered.cost, held.cost, most_fall_percent):
            found.append(f"it costs {_plain(delivered.cost)} where {_plain(held.cost)} is held")
    return found


def _falls(now: Decimal, before: Decimal, most_percent: Decimal) -> bool:
    """Whether `now` is below `before` by that share of it, or by more."""
    fall = money.EXACT.subtract(before, now)
    most = money.EXACT.multiply(before.copy_abs(), most_percent)
    return fall > 0 and money.EXACT.multiply(fall, Decimal(100)) >= most


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


def _were(count: int) -> str:
    return "was" if count == 1 else "were"


def _which(count: int) -> str:
    does_not = "does not say which scope it belongs to"
    return does_not if count == 1 else "do not say which scope they belong to"


def _plain(amount: Decimal) -> str:
    return f"{money.EXACT.normalize(amount):,f}"
