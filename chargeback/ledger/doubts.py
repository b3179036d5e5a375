"""What ties out and looks wrong all the same: days on which a source says another total than ours, one call recorded
twice, usage with tokens that costs nothing. Owns listing it; nothing is changed or left out because of it.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from chargeback.ledger.drift import Drift, drifts
from chargeback.ledger.twins import Twins, twins
from chargeback.ledger.zero_cost import FreeUsage, free_usage
from chargeback.money import exact_sum, written
from chargeback.periods import Period

MOST_LISTED = 50


@dataclass(frozen=True)
class Doubts:
    """All of a period's, each list by what matters most; twins are cut at 50, their sum and count are of all."""

    drifts: tuple[Drift, ...]
    twins: Twins
    free: tuple[FreeUsage, ...]

    @property
    def drift(self) -> Decimal:
        """What sources say beyond what we hold, all days together."""
        return exact_sum(one.difference for one in self.drifts)

    def as_json(self) -> dict[str, Any]:
        """The lists, exact decimals as text."""
        return {
            "drift": [one.as_json() for one in self.drifts],
            "twins": self.twins.as_json(),
            "free": [one.as_json() for one in self.free],
            "sentences": self.sentences,
        }

    @property
    def sentences(self) -> list[str]:
        """One for each kind of doubt there is, for whoever reads a run's page."""
        said = [one.sentence for one in self.drifts if one.is_gap]
        if self.twins.count:
            said.append(
                f"{self.twins.count} calls look recorded twice ({written(self.twins.cost)}); see `chargeback reconcile`"
            )
        return said + [one.sentence for one in self.free if one.zero_cost is None]


NO_DOUBTS = Doubts((), Twins((), 0, Decimal(0)), ())


def doubts(connection: Connection, period: Period) -> Doubts:
    """What of the period's usage somebody should look at."""
    return Doubts(
        drifts(connection, period),
        twins(connection, period, MOST_LISTED),
        free_usage(connection, period),
    )
