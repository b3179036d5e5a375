"""How much a delivery brought, by day and currency: rows and raw cost, as manifests keep them."""

from dataclasses import dataclass, field, fields
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from chargeback import money


@dataclass
class Tally:
    """Rows and their raw cost; raw sums keep every digit."""

    count: int = 0
    raw: Decimal = Decimal(0)

    def add(self, raw: Decimal, count: int = 1) -> None:
        """Count rows in."""
        self.count += count
        self.raw = money.EXACT.add(self.raw, raw)

    def __sub__(self, other: "Tally") -> "Tally":
        return Tally(self.count - other.count, money.EXACT.subtract(self.raw, other.raw))


@dataclass
class DayTally:
    """What a batch received of one day in one currency, what of it is in no other tally being new.

    `reversed` is what the batch took back. Units: raw costs in that currency.
    """

    received: Tally = field(default_factory=Tally)
    unchanged: Tally = field(default_factory=Tally)
    changed: Tally = field(default_factory=Tally)
    quarantined: Tally = field(default_factory=Tally)
    reversed: Tally = field(default_factory=Tally)

    @property
    def new(self) -> Tally:
        """Rows of ids that are not held, or were taken back."""
        return self.received - self.unchanged - self.changed - self.quarantined

    def include(self, other: "DayTally") -> None:
        """Count what another part of the same batch received."""
        for mine in fields(self):
            counted = getattr(other, mine.name)
            getattr(self, mine.name).add(counted.raw, counted.count)


class ManifestLine(NamedTuple):
    """What one line of a manifest is of: a day (None: unknown), a currency (None: the ledger's) and its rate."""

    usage_date: date | None
    currency: str | None = None
    exchange_rate: Decimal = Decimal(1)
