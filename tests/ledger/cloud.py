"""A cloud that delivers FOCUS exports to a ledger: rows, deliveries and what becomes of them, in one line each."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from chargeback.ledger import usage_sources, waiting_snapshots
from chargeback.ledger.database import snapshot, transaction
from chargeback.ledger.digest import digest, parts
from chargeback.ledger.sync import SyncCounts, sync
from models.enums import SourceRole
from tests.ledger.books import ACTOR, Books

AS_OF = datetime(2026, 11, 22, tzinfo=UTC)
NEXT = {"2026-09": "2026-10", "2026-10": "2026-11", "2026-11": "2026-12"}
Row = dict[str, str]


def row(
    cost: str = "1.00",
    resource: str = "r-1",
    account: str = "a-1",
    day: str = "2026-10-05",
    period: str = "2026-10",
    **more: str,
) -> Row:
    """One row of an export: what a resource in a sub account cost on a day."""
    return {
        "BillingAccountId": "company", "SubAccountId": account, "BillingCurrency": "USD",
        "BillingPeriodStart": f"{period}-01T00:00:00Z", "BillingPeriodEnd": f"{NEXT[period]}-01T00:00:00Z",
        "ChargePeriodStart": f"{day}T00:00:00Z", "ChargeCategory": "Usage", "ServiceName": "Compute",
        "ResourceId": resource, "ConsumedQuantity": "2", "ConsumedUnit": "Hours", "EffectiveCost": cost,
        "ChargeDescription": "an hour of it",
    } | more  # fmt: skip


@dataclass
class Cloud:
    """A source of kind `focus`: `cloud.deliver([row("1.50")])`."""

    books: Books
    folder: Path
    name: str = "cloud"

    def __post_init__(self) -> None:
        self.file = self.folder / f"{self.name}.csv"
        self.configure(path=str(self.file))

    def configure(self, **config: Any) -> "Cloud":
        """Configure the source; it is read from the beginning."""
        with transaction() as connection:
            usage_sources.put(connection, self.name, "focus", SourceRole.ALLOCATE, config, ACTOR)
        return self

    def deliver(self, rows: Sequence[Row]) -> SyncCounts:
        """Write an export of these rows, and sync."""
        columns = list(dict.fromkeys(column for each in rows for column in each))
        with self.file.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(rows)
        return self.sync()

    def sync(self) -> SyncCounts:
        """Read what lies there."""
        return sync(self.name, AS_OF)

    def held(self) -> dict[str, tuple[int, Decimal]]:
        """What is held per resource: how many rows, less those taken back, and their cost."""
        return {
            found.agent_id: (found.rows, found.cost.normalize())
            for found in self.books.query(
                """SELECT agent_id, sum(record_count)::int AS rows, sum(cost) AS cost FROM usage_records
                   JOIN usage_sources USING (source_id) WHERE name = :name GROUP BY agent_id
                   HAVING sum(record_count) <> 0 ORDER BY agent_id""",
                name=self.name,
            )
        }

    def waiting(self, state: str | None = "waiting") -> list[Any]:
        """Deliveries that were refused whole."""
        with snapshot() as connection:
            return waiting_snapshots.rows(connection, state)

    def usage_digest(self) -> str:
        """What the ledger says of usage, and of nothing else."""
        with snapshot() as connection:
            return parts(connection)["usage"]

    def digest(self) -> str:
        """What the ledger says."""
        with snapshot() as connection:
            return digest(connection)
