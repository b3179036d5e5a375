"""Usage that has tokens and costs nothing, as it was booked: free because somebody accepted it, or not decided on."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, text

from chargeback.money import written
from chargeback.periods import Period
from models.enums import ZeroCost


@dataclass(frozen=True)
class FreeUsage:
    """What of one source and model was booked at nothing; `zero_cost` None: nobody decided that it is free."""

    source: str
    zero_cost: ZeroCost | None
    model: str | None
    rows: int
    tokens: Decimal

    @property
    def sentence(self) -> str:
        """It in words."""
        return (
            f"{self.rows} rows of {self.source} have tokens of {self.model or 'no model'} and cost nothing; "
            f"decide with `chargeback sources zero-cost {self.source}`"
        )

    def as_json(self) -> dict[str, Any]:
        """The figures, exact decimals as text."""
        return {
            "source": self.source,
            "zero_cost": self.zero_cost.value if self.zero_cost else None,
            "model": self.model,
            "rows": self.rows,
            "tokens": written(self.tokens),
        }


def free_usage(connection: Connection, period: Period) -> tuple[FreeUsage, ...]:
    """By source and model, the most tokens first. A cell adds up many calls: it counts where all are free."""
    rows = connection.execute(_FREE, {"start": period.start, "end": period.end})
    return tuple(
        FreeUsage(name, ZeroCost(decided) if decided else None, model, count, tokens)
        for name, decided, model, count, tokens in rows
    )


# Read from the records, whose partitions are by instant: a day begins up to 14 hours from its UTC midnight.
_FREE = text("""
    SELECT s.name, s.zero_cost, r.sku, CAST(sum(r.record_count) AS bigint), sum(r.quantity)
    FROM usage_records r JOIN usage_sources s USING (source_id)
    WHERE r.usage_date >= :start AND r.usage_date < :end
      AND r.usage_at >= CAST(:start AS date) - 2 AND r.usage_at < CAST(:end AS date) + 2
      AND s.role = 'allocate' AND r.cost = 0 AND r.residual = 0 AND r.quantity <> 0 AND lower(r.unit) = 'tokens'
    GROUP BY s.name, s.zero_cost, r.sku HAVING sum(r.record_count) > 0
    ORDER BY sum(r.quantity) DESC, s.name COLLATE "C", r.sku COLLATE "C"
""")
