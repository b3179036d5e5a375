"""Publish what finance takes from a period."""

from typing import Any

from chargeback.documents.file_store import FileStore
from chargeback.documents.finance_files import FILES, PUBLISHED, Finance, postings_of
from chargeback.documents.publishing import folder_of, put
from chargeback.journal import without_cost_center
from chargeback.ledger import exports, publications
from chargeback.ledger.database import snapshot, transaction
from chargeback.ledger.reconcile import reconcile
from chargeback.periods import Period
from chargeback.settings import settings
from tasks.steps import step


@step("publish finance files of {period}")
def publish_finance(period: str) -> dict[str, Any]:
    """Publish the journal, the workbook and the FOCUS exports of the period.

    Rerun: the same figures give the same files; figures that changed are published beside the old ones.
    """
    asked = Period.parse(period)
    figures = finance_of(asked)
    store, folder = FileStore(settings().files), folder_of("finance", asked)
    files = []
    for name in PUBLISHED:
        suffix, made = FILES[name]
        data = made(figures, settings())
        files.append(put(store, name, asked.label, folder, (name, asked.label), suffix, data))
    with transaction() as connection:
        new = publications.keep(connection, files)
    return {
        "published": len(files),
        "new": new,
        "journal": next(file.uri for file in files if file.kind == "journal"),
        "without_cost_center": without_cost_center(figures.postings),
    }


def finance_of(period: Period) -> Finance:
    """The period's figures, of one moment."""
    with snapshot() as connection:
        documents = exports.posted_documents(connection, period)
        charges = exports.charges(connection, period)
        reconciled = reconcile(connection, period)
        centers = exports.team_cost_centers(connection)
    came_in = [
        (f"{name} {source.source}", amount)
        for source in reconciled.sources
        for name, amount in (
            ("Received from", source.received.amount),
            ("In the ledger from", source.ledger.amount),
            ("Difference of", source.difference),
        )
    ]
    postings = postings_of(documents, centers, settings())
    return Finance(period, settings().currency, documents, charges, came_in, postings)
