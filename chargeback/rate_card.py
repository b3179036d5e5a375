"""What tokens cost by our own prices: dated, per model and kind of token.

Owns looking a price up and the sum it makes. Which usage is priced so is its source's setting.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from chargeback import money
from chargeback.errors import Invalid

TOTAL = "total"
"""The kind of token of a price that holds for all tokens alike."""


@dataclass(frozen=True)
class Rate:
    """What `per_tokens` tokens of one kind of a model cost, on days `valid_from <= day < valid_to`.

    Units: `price` in the ledger's currency; `per_tokens` 1, 1,000 or 1,000,000.
    """

    model: str
    token_kind: str
    price: Decimal
    per_tokens: int
    valid_from: date = date.min
    valid_to: date = date.max

    @property
    def per_token(self) -> Decimal:
        """The price of one token, exact because `per_tokens` is a power of ten."""
        return money.EXACT.divide(self.price, Decimal(self.per_tokens))


class RateCard:
    """All prices there are, to be looked up by model, kind and day."""

    def __init__(self, rates: Iterable[Rate]) -> None:
        self._rates: dict[tuple[str, str], list[Rate]] = {}
        for rate in rates:
            self._rates.setdefault((rate.model, rate.token_kind), []).append(rate)

    def cost(
        self, model: str | None, day: date, tokens: Sequence[tuple[str, Decimal]], quantity: Decimal
    ) -> Decimal:
        """What the tokens cost that day, exactly.

        A price for `total` holds for all of `quantity`; else each kind in `tokens` needs a price of its own.
        Raises Invalid (`no_rate`) naming the model, the kind and the day that no price covers.
        """
        total = self._in_force(model, TOTAL, day)
        if total is not None:
            return money.EXACT.multiply(quantity, total.per_token)
        used: Mapping[str, Decimal] = {kind: count for kind, count in tokens if count}
        parts = []
        for kind, count in (used or {TOTAL: quantity}).items():
            rate = self._in_force(model, kind, day)
            if rate is None:
                raise Invalid(
                    "no_rate",
                    f"no rate covers {kind} tokens of {model or 'an unnamed model'} on {day}; "
                    "add one with `chargeback rates import`, and the row is replayed",
                )
            parts.append(money.EXACT.multiply(count, rate.per_token))
        return money.exact_sum(parts)

    def _in_force(self, model: str | None, kind: str, day: date) -> Rate | None:
        for rate in self._rates.get((model or "", kind), ()):
            if rate.valid_from <= day < rate.valid_to:
                return rate
        return None
