"""Allocate the cost of the days that need it."""

from dataclasses import asdict
from datetime import date
from typing import Any

from chargeback.ledger.allocation import allocate
from tasks.progress import progress
from tasks.steps import step


@step("allocate until {end}")
def allocate_costs(end: date, start: date = date.min) -> dict[str, Any]:
    """Bring every day in `start <= day < end` up to date. Rerun: days with nothing new are untouched."""
    with progress("allocation") as show:
        return asdict(
            allocate(
                end, start, lambda month, done, of: show(f"months, now {month:%Y-%m}", done, of)
            )
        )
