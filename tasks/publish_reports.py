"""Publish the report site of a period: a folder of pages, whole or not at all, and the list of the periods held."""

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection

from chargeback.documents import pages, site_drawing, site_names
from chargeback.documents.edition import Edition
from chargeback.documents.file_store import FileStore
from chargeback.documents.pages import Entry, Shelved
from chargeback.documents.publishing import folder_of
from chargeback.documents.site_drawing import Figures, PageOrder
from chargeback.ledger import invoices, publications, rule_figures, site_figures
from chargeback.ledger.database import snapshot, transaction
from chargeback.ledger.line_lineage import lineages
from chargeback.ledger.publications import Publication
from chargeback.ledger.reports import Subject
from chargeback.periods import Period
from chargeback.settings import settings
from chargeback.site_views import InvoiceFigures, MonthFigures, RuleFigures
from tasks.progress import progress
from tasks.steps import step

Item = TypeVar("Item")
# So many payers or documents are read at once: a few statements for some hundred pages, and bounded memory.
CHUNK = 500
# With one the reader would wait wherever pages take longer to draw than to read.
AHEAD = 2
SUBJECTS: tuple[Subject, ...] = ("team", "user")
_UP = "../../../../"


@step("publish reports of {period}")
def publish_reports(period: str) -> dict[str, Any]:
    """Publish the site of a period: its overview, a page and a CSV per team and user, a page per document and rule.

    Rerun: the same figures give the same folder; figures that changed give another one, and what was published stays.
    """
    asked, store = Period.parse(period), FileStore(settings().files)
    shared = _shared_files(store)
    with Edition(store, folder_of(site_names.SITE, asked)) as edition:
        with snapshot() as connection, progress("reports") as show:
            site = Site(connection, asked)
            for at, file in enumerate(site_drawing.draw_many(site.orders(), _processes()), 1):
                edition.add(*file)
                if at % 500 == 0:
                    show("report files written", at, len(site.there) * 2)
        overview = pages.overview(site.month(), site.entries)
        edition.add("overview", asked.label, site_names.OVERVIEW, None, overview)
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


class Site:
    """The pages of a period: which there are, and their orders in the order they are drawn."""

    def __init__(self, connection: Connection, period: Period) -> None:
        self._connection, self._period = connection, period
        self._ids = {one: site_figures.payer_ids(connection, one, period) for one in SUBJECTS}
        self._rules: list[RuleFigures] = rule_figures.rule_figures(connection, period)
        self._documents = invoices.published_ids(connection, period)
        self._pdfs = {
            number: f"{_UP}{pdf.uri}"
            for number, pdf in publications.newest(connection, "invoice").items()
        }
        self._month: MonthFigures | None = None
        self.entries: list[Entry] = []
        self.there = frozenset(self._names())

    def _names(self) -> Iterator[str]:
        for subject, ids in self._ids.items():
            yield from (site_names.payer_page(subject, payer_id) for payer_id in ids)
        for rule in self._rules:
            yield site_names.rule_page(rule.rule_id, rule.version)
        for number in invoices.published_numbers(self._connection, self._period):
            yield site_names.invoice_page(number)

    def orders(self) -> Iterator[PageOrder]:
        """What is to be drawn, read some hundred at a time: the next ones while those before are drawn."""
        coming: deque[Future[list[PageOrder]]] = deque()
        with ThreadPoolExecutor(1) as reader:
            for read in self._reads():
                coming.append(reader.submit(read))
                if len(coming) > AHEAD:
                    yield from coming.popleft().result()
            while coming:
                yield from coming.popleft().result()

    def _reads(self) -> Iterator[Callable[[], list[PageOrder]]]:
        yield lambda: [self._order(rule) for rule in self._rules]
        for subject, ids in self._ids.items():
            for chunk in _chunks(ids):
                yield partial(self._payers, subject, chunk)
        yield self._overview
        for documents in _chunks(self._documents):
            yield partial(self._invoices, documents)

    def _payers(self, subject: Subject, ids: list[str]) -> list[PageOrder]:
        """Pages of payers; the overview's entries come by the way."""
        payers = site_figures.payers(self._connection, subject, self._period, ids)
        self.entries += [pages.entry(payer) for payer in payers]
        return [self._order(payer) for payer in payers]

    def _overview(self) -> list[PageOrder]:
        """The overview's figures, which are read here so that pages are drawn meanwhile; it is drawn the last."""
        self._month = site_figures.month(self._connection, self._period)
        return []

    def month(self) -> MonthFigures:
        """The overview's figures, once all orders were given."""
        assert self._month is not None, "the orders come first"
        return self._month

    def _invoices(self, ids: list[int]) -> list[PageOrder]:
        # What each user used is on the PDF, and not on the page.
        views = invoices.views(self._connection, ids, with_annex=False, with_splits=True)
        found = lineages(self._connection, ids)
        return [
            self._order(InvoiceFigures(view, found.get(invoice_id, ())))
            for invoice_id, view in zip(ids, views, strict=True)
        ]

    def _order(self, figures: Figures) -> PageOrder:
        return site_drawing.order(figures, self._pdfs, self.there)


def _chunks(whole: list[Item]) -> Iterator[list[Item]]:
    return (whole[start : start + CHUNK] for start in range(0, len(whole), CHUNK))


def _processes() -> int:
    return settings().document_processes or os.cpu_count() or 1


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
