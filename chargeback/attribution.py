"""Which owners to name so that most of the cost that nobody owns finds its team.

Pure: what is unattributed is given, grouped by what it bears; the answer is a short list.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from chargeback import money
from models.enums import OwnedKind

MOST_OF_IT = Decimal("0.9")
MOST_OWNERS = 20
_ASKED = (OwnedKind.ACCOUNT, OwnedKind.TAG, OwnedKind.AGENT)


@dataclass(frozen=True)
class Unowned:
    """Cost that nobody owns and that bears the same names; None where it bears none.

    Units: `cost` in the ledger's currency, exact; `first_date` and `last_date` both have some of it.
    """

    source: str
    account_id: str | None
    owner_tag: str | None
    agent_id: str | None
    cost: Decimal
    record_count: int
    first_date: date
    last_date: date

    @property
    def keys(self) -> list[tuple[OwnedKind, str]]:
        """What an owner can be named for, as attribution asks: account, tag, agent."""
        named = (
            (OwnedKind.ACCOUNT, self.account_id),
            (OwnedKind.TAG, self.owner_tag),
            (OwnedKind.AGENT, self.agent_id),
        )
        return [(kind, key) for kind, key in named if key is not None]


@dataclass(frozen=True)
class OwnerWanted:
    """Something to name an owner for; `cost` is what that clears beyond those before it in the list."""

    kind: OwnedKind
    key: str
    cost: Decimal
    record_count: int
    first_date: date
    last_date: date


def owners_wanted(unowned: Sequence[Unowned]) -> list[OwnerWanted]:
    """The owners whose naming clears nine tenths of what can be cleared, each time the one that clears most.

    Choosing the largest each time finds the shortest list where no cost bears two names, and one nearly as short
    where it does. What is below zero counts by its size. Ties go to the kind asked first, then to the smaller name.
    """
    left = [one for one in unowned if one.keys]
    wanted: list[OwnerWanted] = []
    goal = _size(left) * (1 - MOST_OF_IT)
    while left and len(wanted) < MOST_OWNERS and (not wanted or _size(left) > goal):
        kind, key = _largest(left)
        cleared = [one for one in left if (kind, key) in one.keys]
        left = [one for one in left if (kind, key) not in one.keys]
        wanted.append(_wanted(kind, key, cleared))
    return wanted


def _largest(left: Iterable[Unowned]) -> tuple[OwnedKind, str]:
    sizes: dict[tuple[OwnedKind, str], Decimal] = defaultdict(Decimal)
    for one in left:
        for named in one.keys:
            sizes[named] = money.EXACT.add(sizes[named], abs(one.cost))
    return min(sizes, key=lambda named: (-sizes[named], _ASKED.index(named[0]), named[1]))


def _size(unowned: Iterable[Unowned]) -> Decimal:
    return money.exact_sum(abs(one.cost) for one in unowned)


def _wanted(kind: OwnedKind, key: str, cleared: Sequence[Unowned]) -> OwnerWanted:
    return OwnerWanted(
        kind,
        key,
        money.exact_sum(one.cost for one in cleared),
        sum(one.record_count for one in cleared),
        min(one.first_date for one in cleared),
        max(one.last_date for one in cleared),
    )
