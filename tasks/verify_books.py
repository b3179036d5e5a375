"""Prove that the books tie out."""

from typing import Any

from chargeback.documents.file_store import FileStore
from chargeback.errors import ChargebackError
from chargeback.ledger.database import snapshot
from chargeback.ledger.reconcile import reconcile
from chargeback.ledger.verify import verify
from chargeback.periods import Period
from chargeback.settings import settings
from tasks.steps import step


class BooksBroken(ChargebackError):
    """An invariant does not hold: nothing more may be issued until somebody has looked."""


@step("verify {period}")
def verify_books(period: str | None) -> dict[str, Any]:
    """Run the invariants on the days and documents of the period, or on everything. Rerun: only reads.

    Raises BooksBroken, naming the first thing that is wrong and how many there are.
    """
    asked = Period.parse(period) if period else None
    with snapshot() as connection:
        broken = verify(connection, asked, FileStore(settings().files))
    if broken:
        raise BooksBroken(
            "books_broken",
            f"{len(broken)} findings, the first: {broken[0].sentence}; run `chargeback verify` for all",
        )
    return {"invariants": "hold", "period": asked.label if asked else "everything"}


@step("reconcile {period}")
def reconcile_period(period: str) -> dict[str, Any]:
    """What came in beside what became of it, per source and exact. Rerun: only reads."""
    with snapshot() as connection:
        return reconcile(connection, Period.parse(period)).as_json()
