"""What a source says its days come to, beside what we hold of them.

Owns keeping what was said, after each sync, and comparing. A difference is told and changes nothing.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, text

from chargeback import money
from chargeback.ledger.tallies import Tally
from chargeback.money import written
from chargeback.periods import ONE_DAY, Period, day_of, first_instant
from chargeback.settings import settings

if TYPE_CHECKING:
    # Whoever only reads a report of drift need not load every kind of source.
    from chargeback.ledger.chunks import Chunk
    from chargeback.sources.contract import Window


@dataclass(frozen=True)
class Drift:
    """One day of one source: what it said last, and what we hold, refused rows included.

    Units: `told` and `held` in `currency`, None for the ledger's; `held` of another currency is worked back from
    what was booked. `is_gap`: the difference is larger than the setting allows.
    """

    source: str
    usage_date: date
    currency: str | None
    told_rows: int
    held_rows: int
    told: Decimal
    held: Decimal

    @property
    def difference(self) -> Decimal:
        """What the source has beyond what we hold; below zero what it has no longer."""
        return money.EXACT.subtract(self.told, self.held)

    @property
    def is_gap(self) -> bool:
        """Whether somebody should look."""
        allowed = money.EXACT.multiply(abs(self.told), settings().drift_percent).scaleb(-2)
        return abs(self.difference) > allowed

    @property
    def sentence(self) -> str:
        """It in words."""
        unit = f" {self.currency}" if self.currency else ""
        return (
            f"{self.source} says {self.usage_date} comes to {written(self.told)}{unit} in {self.told_rows} rows, "
            f"the ledger has {written(self.held)}{unit} in {self.held_rows} rows: "
            f"{written(self.difference)} apart; find out why, or sync {self.usage_date} again"
        )

    def as_json(self) -> dict[str, Any]:
        """The figures, exact decimals as text."""
        return {
            "source": self.source,
            "day": self.usage_date.isoformat(),
            "currency": self.currency,
            "told_rows": self.told_rows,
            "held_rows": self.held_rows,
            "told": written(self.told),
            "held": written(self.held),
            "difference": written(self.difference),
            "is_gap": self.is_gap,
        }


@dataclass
class Told:
    """What a source says in the course of one sync, by day and currency."""

    days: dict[tuple[date, str | None], Tally] = field(default_factory=lambda: defaultdict(Tally))

    def hear(self, chunk: "Chunk") -> None:
        """Add what one chunk received, before it is loaded; a row that stands in it twice counts once."""
        for line, tally in chunk.tallies.items():
            if line.usage_date is not None:
                once = tally.received - tally.unchanged
                self.days[line.usage_date, line.currency].add(once.raw, once.count)


def keep(
    connection: Connection, source_id: int, told: Told, window: "Window", zone: ZoneInfo
) -> Period | None:
    """Write down what the source said of the days it was read whole, and which these are.

    A day of them that it did not name comes to nothing.

    Days that the window only touches are left out. A window without a bound ends where the usage does.
    """
    every = [day for day, _ in told.days]
    first = _first_whole_day(window, zone) or min(every, default=date.max)
    end = day_of(window.end, zone) if window.end else max(every, default=date.min) + ONE_DAY
    if first >= end:
        return None
    days = {"source": source_id, "first": first, "end": end}
    # Syncs of one source that end together write what they heard one after the other.
    connection.execute(text("SELECT FROM usage_sources WHERE source_id = :source FOR UPDATE"), days)
    connection.execute(
        text("""DELETE FROM source_totals
                WHERE source_id = :source AND usage_date >= :first AND usage_date < :end"""),
        days,
    )
    for (day, currency), tally in _in_days(told.days, first, end).items():
        connection.execute(
            text("""INSERT INTO source_totals (source_id, usage_date, currency, row_count, raw_cost)
                    VALUES (:source, :day, :currency, :rows, :raw)"""),
            {**days, "day": day, "currency": currency, "rows": tally.count, "raw": tally.raw},
        )
    connection.execute(_SILENT, days)
    return Period(first, end)


# A day of which we hold something and the source names nothing.
_SILENT = text("""
    INSERT INTO source_totals (source_id, usage_date, currency, row_count, raw_cost)
    SELECT DISTINCT source_id, usage_date, currency, 0, 0 FROM usage_cells
    WHERE source_id = :source AND usage_date >= :first AND usage_date < :end
    ON CONFLICT DO NOTHING
""")


def _first_whole_day(window: "Window", zone: ZoneInfo) -> date | None:
    if window.start is None:
        return None
    day = day_of(window.start, zone)
    return day if first_instant(day, zone) == window.start else day + ONE_DAY


def _in_days(
    told: Mapping[tuple[date, str | None], Tally], first: date, end: date
) -> dict[tuple[date, str | None], Tally]:
    return {key: tally for key, tally in told.items() if first <= key[0] < end}


def drifts(connection: Connection, period: Period, source: str | None = None) -> tuple[Drift, ...]:
    """The days of the period on which a source said another total than we hold; oldest first."""
    asked = {"start": period.start, "end": period.end, "source": source}
    found = (Drift(*row) for row in connection.execute(_DRIFTS, asked))
    return tuple(one for one in found if one.difference or one.told_rows != one.held_rows)


_DRIFTS = text("""
    SELECT s.name, t.usage_date, t.currency, t.row_count, coalesce(b.rows, 0) + coalesce(q.rows, 0), t.raw_cost,
        coalesce(b.raw, 0) + coalesce(q.raw, 0)
    FROM source_totals t JOIN usage_sources s USING (source_id)
    LEFT JOIN LATERAL (
        SELECT CAST(sum(new_count + changed_count - reversed_count) AS bigint) AS rows,
            sum(new_raw + changed_raw - reversed_raw) AS raw
        FROM usage_manifests m JOIN usage_batches USING (batch_id)
        WHERE source_id = t.source_id AND m.usage_date = t.usage_date AND m.currency IS NOT DISTINCT FROM t.currency) b
        ON true
    LEFT JOIN LATERAL (
        SELECT count(*) AS rows, sum(coalesce(raw_cost, 0)) AS raw FROM usage_quarantine k
        WHERE k.source_id = t.source_id AND k.usage_date = t.usage_date AND k.currency IS NOT DISTINCT FROM t.currency
          AND state <> 'replaced') q ON true
    WHERE t.usage_date >= :start AND t.usage_date < :end
      AND (CAST(:source AS text) IS NULL OR s.name = :source)
    ORDER BY s.name COLLATE "C", t.usage_date, t.currency COLLATE "C" NULLS FIRST
""")
