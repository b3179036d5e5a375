"""Prove that the books tie out."""

from typing import Any

from chargeback.documents.file_store import FileStore
from chargeback.errors import ChargebackError
from chargeback.ledger import closing
from chargeback.ledger.database import snapshot
from chargeback.ledger.reconcile import reconcile
from chargeback.ledger.verify import verify
from chargeback.periods import Period
from chargeback.settings import settings
from tasks.progress import progress
from tasks.steps import step

MOST_SHOWN = 100


class BooksBroken(ChargebackError):
    """An invariant does not hold: nothing more may be issued until somebody has looked."""


@step("verify {period}")
def verify_books(period: str | None) -> dict[str, Any]:
    """Run the invariants on the days and documents of the period, or on everything. Rerun: only reads.

    Raises BooksBroken, naming the first thing that is wrong and how many there are.
    """
    asked = Period.parse(period) if period else None
    with snapshot() as connection, progress("verification") as show:
        broken = verify(connection, asked, FileStore(settings().files), show)
    if broken:
        raise BooksBroken(
            "books_broken",
            f"{len(broken)} findings, the first: {broken[0].sentence}; run `chargeback verify` for all",
        )
    return {"invariants": "hold", "period": asked.label if asked else "everything"}


@step("reconcile {period}")
def look_at_period(period: str) -> dict[str, Any]:
    """What came in beside what became of it, per source and exact; what is refused, what is open.

    Rerun: only reads.
    """
    asked = Period.parse(period)
    with snapshot() as connection:
        found = reconcile(connection, asked).as_json()
        return found | {
            "quarantine": closing.refused(connection, asked, MOST_SHOWN),
            "open": closing.what_is_open(connection, asked),
        }
