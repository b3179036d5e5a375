"""Read usage from the cost trackers."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from chargeback.clock import now
from chargeback.ledger import usage_sources
from chargeback.ledger.database import transaction
from chargeback.ledger.sync import sync, window_of
from chargeback.periods import Period
from tasks.progress import progress
from tasks.secret_blocks import open_block
from tasks.steps import step


@step("list sources")
def list_sources(only: str | None) -> dict[str, Any]:
    """The names of the sources to read: one, or all. Rerun: only reads."""
    with transaction() as connection:
        if only is not None:
            return {"sources": [usage_sources.find(connection, only).name]}
        return {"sources": [source.name for source in usage_sources.sources(connection)]}


@step("sync {source}")
def sync_source(source: str, period: str | None, as_of: datetime | None = None) -> dict[str, Any]:
    """Load what one source has: of a period, or since it was last read.

    Rerun: rows already held are counted unchanged; nothing is loaded twice.
    """
    window = window_of(Period.parse(period)) if period else None
    with progress(f"sync-{source.replace('_', '-')}") as show:
        return asdict(
            sync(
                source,
                as_of or now(),
                window,
                lambda c: show(f"{c.received:,} rows read", 0, 0),
                block=open_block,
            )
        )
