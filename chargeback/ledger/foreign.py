"""What came in other currencies, in those currencies, beside what it became in the ledger's."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, text

from chargeback.money import written
from chargeback.periods import Period


@dataclass(frozen=True)
class ForeignCost:
    """What one source delivered in one currency and stands booked at one rate, or was refused (no rate).

    Units: `booked` and `refused` in `currency`; `converted` in the ledger's, booked times rate exactly.
    """

    source: str
    currency: str
    rate: Decimal | None
    rows: int
    booked: Decimal
    converted: Decimal
    refused: Decimal

    def as_json(self) -> dict[str, Any]:
        """The figures, exact decimals as text."""
        return {
            "source": self.source,
            "currency": self.currency,
            "rate": None if self.rate is None else written(self.rate),
            "rows": self.rows,
            "booked": written(self.booked),
            "converted": written(self.converted),
            "refused": written(self.refused),
        }


def foreign_costs(connection: Connection, period: Period) -> tuple[ForeignCost, ...]:
    """By source, currency and rate; refused is what waits in quarantine or was waived."""
    rows = connection.execute(_FOREIGN, {"start": period.start, "end": period.end})
    return tuple(ForeignCost(*row) for row in rows)


_FOREIGN = text("""
    SELECT s.name, currency, rate, CAST(sum(rows) AS bigint), sum(booked), sum(booked * coalesce(rate, 0)), sum(refused)
    FROM (
        SELECT source_id, currency, exchange_rate AS rate,
            new_count + changed_count - reversed_count AS rows, new_raw + changed_raw - reversed_raw AS booked,
            0 AS refused
        FROM usage_manifests JOIN usage_batches USING (batch_id)
        WHERE currency IS NOT NULL AND usage_date >= :start AND usage_date < :end
          AND new_count + changed_count + reversed_count > 0
        UNION ALL
        SELECT source_id, currency, NULL, 1, 0, coalesce(raw_cost, 0) FROM usage_quarantine
        WHERE currency IS NOT NULL AND state <> 'replaced'
          AND (usage_date IS NULL OR (usage_date >= :start AND usage_date < :end))
    ) counted JOIN usage_sources s USING (source_id)
    GROUP BY s.name, currency, rate HAVING sum(rows) <> 0 OR sum(booked) <> 0 OR sum(refused) <> 0
    ORDER BY s.name COLLATE "C", currency COLLATE "C", rate NULLS LAST
""")
