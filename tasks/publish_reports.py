"""Publish the report site of a period: a folder of pages, whole or not at all, and the list of the periods held."""

from contextlib import closing
from functools import partial
from typing import Any

from chargeback.documents import drawing_process, pages, site_names, site_shares
from chargeback.documents.edition import Drawn, Edition
from chargeback.documents.file_store import FileStore
from chargeback.documents.pages import Entry, Shelved
from chargeback.documents.publishing import folder_of
from chargeback.ledger import publications
from chargeback.ledger.database import snapshot, transaction
from chargeback.ledger.publications import Publication
from chargeback.periods import Period
from chargeback.settings import settings
from chargeback.site_views import MonthFigures
from tasks.progress import progress
from tasks.steps import step


@step("publish reports of {period}")
def publish_reports(period: str) -> dict[str, Any]:
    """Publish the site of a period: its overview, a page and a CSV per team and user, a page per document and rule.

    Rerun: the same figures give the same folder; figures that changed give another one, and what was published stays.
    """
    asked, store = Period.parse(period), FileStore(settings().files)
    shared = _shared_files(store)
    with Edition(store, folder_of(site_names.SITE, asked)) as edition:
        overview = _write_pages(edition, asked)
        drawn = Drawn("overview", asked.label, site_names.OVERVIEW, None, overview)
        edition.add(edition.spool.write([drawn]))
        files = [*shared, *edition.publish()]
    with transaction() as connection:
        new = publications.keep(connection, files)
    _shelve(store)
    return {
        "published": len(files),
        "new": new,
        "overview": files[-1].uri,
        "index": site_names.SHELF,
    }


def _write_pages(edition: Edition, period: Period) -> bytes:
    """Have every page written, by every core; the overview of them, which is drawn the last."""
    months: list[MonthFigures] = []
    entries: list[Entry] = []
    written = 0
    with snapshot() as connection, progress("reports") as show:
        site, of = site_shares.begun(connection, period, edition.spool)
        processes = drawing_process.worth(len(site.there), settings().document_processes)
        here, shares = partial(site.write, connection), of.shares(processes)
        with closing(drawing_process.draw_many(shares, processes, here, site)) as parts:
            for part in parts:
                edition.add(part.pieces)
                entries += part.entries
                months += part.months
                written += len(part.pieces)
                show("report files written", written, of.file_count)
    return pages.overview(months[0], entries)


def _shared_files(store: FileStore) -> list[Publication]:
    """The files that all pages share, put where they are not yet."""
    files = []
    for asset in site_names.assets().values():
        placed = store.publish(f"{site_names.ASSETS}/{asset.name}", asset.data)
        files.append(Publication("asset", asset.name, placed.uri, placed.bytes, placed.sha256))
    return files


def _shelve(store: FileStore) -> None:
    """Write the list of the periods held anew. It is no document: it only leads to the newest of them."""
    with snapshot() as connection:
        overviews = publications.newest(connection, "overview")
    shelved = [
        Shelved(Period.parse(label), kept.uri.removeprefix(f"{site_names.SITE}/"), "")
        for label, kept in overviews.items()
    ]
    shelved.sort(key=lambda one: (one.period.start, one.period.end), reverse=True)
    store.publish(site_names.SHELF, pages.shelf(shelved))
