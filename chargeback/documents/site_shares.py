"""The report site cut into shares, each read, drawn and written by one process.

Owns what a share is. All of them read one snapshot of the ledger, so whoever writes a page, it is of the same moment;
only what an overview says of its pages comes back, and the pages themselves go through no pipe.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection

from chargeback.documents import pages, site_drawing, site_names
from chargeback.documents.drawing_process import cut
from chargeback.documents.edition import Piece, Spool
from chargeback.documents.pages import Entry
from chargeback.documents.site_drawing import Figures
from chargeback.ledger import invoices, publications, rule_figures, site_figures
from chargeback.ledger.database import export, snapshot
from chargeback.ledger.line_lineage import lineages
from chargeback.periods import Period
from chargeback.site_views import InvoiceFigures, MonthFigures, PayerFigures

# So many payers or documents are read at once: a few statements for some hundred pages, and bounded memory.
MOST_PAGES = 250
_UP = "../../../../"
Kind = Literal["overview", "team", "user", "rule", "invoice"]


class Share(NamedTuple):
    """Pages that are written together: of which kind, and of whom, by id; all rules, or the figures of the overview."""

    kind: Kind
    of: Sequence[Any] = ()


class Pages(NamedTuple):
    """Which pages there are: of whom, by id, and of which rule versions."""

    teams: Sequence[str]
    users: Sequence[str]
    rules: Sequence[tuple[str, int]]
    documents: Sequence[int]

    @property
    def file_count(self) -> int:
        """How many files they are: payers have a CSV each."""
        return 2 * (len(self.teams) + len(self.users)) + len(self.rules) + len(self.documents)

    def shares(self, processes: int) -> Iterator[Share]:
        """All of them and the overview, so that so many processes are done at about the same time."""
        yield Share("overview")
        yield from (Share("team", some) for some in cut(self.teams, MOST_PAGES))
        yield from (Share("user", some) for some in cut(self.users, MOST_PAGES))
        yield Share("rule")
        yield from (Share("invoice", some) for some in cut(self.documents, MOST_PAGES, processes))


class Written(NamedTuple):
    """What became of a share: its files, its payers in the overview's lists, the overview's figures."""

    pieces: list[Piece]
    entries: list[Entry]
    months: list[MonthFigures]


@dataclass(frozen=True)
class Site:
    """The site of a period: where its pages are written, which there are (`there`), and where each document's PDF lies.

    It may be sent to other processes, which read the ledger's snapshot of that name.
    """

    period: Period
    spool: Spool
    there: frozenset[str]
    pdfs: dict[str, str]
    snapshot_name: str

    def __call__(self, share: Share) -> Written:
        """Write a share of its pages, reading the snapshot."""
        with snapshot(of=self.snapshot_name) as connection:
            return self.write(connection, share)

    def write(self, connection: Connection, share: Share) -> Written:
        """Write a share of its pages as this connection sees the ledger."""
        if share.kind == "overview":
            return Written([], [], [site_figures.month(connection, self.period)])
        figures = self.figures(connection, share)
        files = site_drawing.draw_all(figures, self.pdfs, self.there)
        entries = [pages.entry(one) for one in figures if isinstance(one, PayerFigures)]
        return Written(self.spool.write(files), entries, [])

    def figures(self, connection: Connection, share: Share) -> Sequence[Figures]:
        """What the pages of the share say."""
        if share.kind == "invoice":
            return _documents(connection, share.of)
        if share.kind == "team" or share.kind == "user":
            return site_figures.payers(connection, share.kind, self.period, share.of)
        return rule_figures.rule_figures(connection, self.period)


def _documents(connection: Connection, ids: Sequence[int]) -> list[InvoiceFigures]:
    # What each user used is on the PDF, and not on the page.
    views = invoices.views(connection, ids, with_annex=False, with_splits=True)
    found = lineages(connection, ids)
    return [
        InvoiceFigures(view, found.get(invoice_id, ()))
        for invoice_id, view in zip(ids, views, strict=True)
    ]


def begun(connection: Connection, period: Period, spool: Spool) -> tuple[Site, Pages]:
    """The site of the period as this connection sees the ledger, and its pages."""
    teams, users = site_figures.payer_ids(connection, period)
    rules = rule_figures.rule_versions(connection, period)
    numbers = invoices.published_numbers(connection, period)
    there = frozenset([
        *(site_names.payer_page("team", team_id) for team_id in teams),
        *(site_names.payer_page("user", user_id) for user_id in users),
        *(site_names.rule_page(*rule) for rule in rules),
        *(site_names.invoice_page(number) for number in numbers),
    ])  # fmt: skip
    newest = publications.newest(connection, "invoice")
    pdfs = {number: f"{_UP}{pdf.uri}" for number, pdf in newest.items()}
    documents = invoices.published_ids(connection, period)
    return Site(period, spool, there, pdfs, export(connection)), Pages(
        teams, users, rules, documents
    )
