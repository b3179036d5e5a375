"""The pages of a report site drawn in numbers, by every core.

Owns what a page's order is: figures, and of all pages and PDFs those that it links.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from chargeback.documents import drawing_process, pages, site_names
from chargeback.documents.report_csv import csv_bytes
from chargeback.site_views import InvoiceFigures, PayerFigures, RuleFigures

Figures = PayerFigures | InvoiceFigures | RuleFigures


class PageOrder(NamedTuple):
    """A page to draw: `pdfs` says where each document's PDF lies, `links` which of the pages it names there are."""

    figures: Figures
    pdfs: dict[str, str]
    links: frozenset[str]


class Drawn(NamedTuple):
    """A file of the site: what it is, about what, its name in the edition, whose viewers may read it, its bytes."""

    kind: str
    subject: str
    name: str
    team_id: str | None
    data: bytes


def order(figures: Figures, pdfs: Mapping[str, str], there: frozenset[str]) -> PageOrder:
    """The order of a page, with no more of what there is than it may link: orders go through pipes."""
    named, numbers = _named(figures)
    return PageOrder(
        figures,
        {number: pdfs[number] for number in numbers if number in pdfs},
        frozenset(there.intersection(named)),
    )


def _named(figures: Figures) -> tuple[set[str], list[str]]:
    """The pages that a page could link, and the documents whose PDFs it could."""
    if isinstance(figures, PayerFigures):
        report = figures.report
        numbers = [row.number for row in report.invoices]
        named = {site_names.invoice_page(number) for number in numbers}
        for share in report.allocations:
            named.add(site_names.rule_page(share.rule_id, share.rule_version))
            if share.user_id is not None:
                named.add(site_names.payer_page("user", share.user_id))
        return named, numbers
    if isinstance(figures, RuleFigures):
        teams = (one.team_id for one in figures.payers if one.team_id is not None)
        return {site_names.payer_page("team", team) for team in teams}, []
    view = figures.invoice
    others = filter(None, (view.credits_number, view.credited_by_number))
    named = {site_names.invoice_page(number) for number in others}
    for kind, payer_id in (("team", view.team_id), ("user", view.user_id)):
        if payer_id is not None:
            named.add(site_names.payer_page(kind, payer_id))
    for lineage in figures.lineages:
        named |= {site_names.rule_page(part.rule_id, part.rule_version) for part in lineage.parts}
    return named, [view.number]


def draw_one(wanted: PageOrder) -> list[Drawn]:
    """The files of an order: a page, and beside a payer's its CSV."""
    figures = wanted.figures
    if isinstance(figures, PayerFigures):
        report = figures.report
        name = site_names.payer_page(report.subject, report.subject_id)
        about = f"{report.subject} {report.subject_id} {report.period.label}"
        page = pages.payer_page(figures, wanted.pdfs, wanted.links)
        return [
            Drawn("report", about, name, figures.team_id, page),
            Drawn("report-csv", about, f"{name[:-4]}csv", figures.team_id, csv_bytes(report)),
        ]
    if isinstance(figures, RuleFigures):
        name = site_names.rule_page(figures.rule_id, figures.version)
        about = f"{figures.rule_id} v{figures.version} {figures.period.label}"
        return [Drawn("rule-page", about, name, None, pages.rule_page(figures, wanted.links))]
    view = figures.invoice
    page = pages.invoice_page(figures, wanted.pdfs.get(view.number, ""), wanted.links)
    name = site_names.invoice_page(view.number)
    return [Drawn("invoice-page", view.number, name, view.team_id, page)]


def draw_all(orders: list[PageOrder]) -> list[list[Drawn]]:
    """The files of these orders, drawn by this process."""
    return [draw_one(order) for order in orders]


def draw_many(orders: Iterable[PageOrder], processes: int) -> Iterator[Drawn]:
    """The files of all orders, in their order; many are drawn by `processes` at once."""
    module = "chargeback.documents.site_drawing"
    for files in drawing_process.draw_many(orders, processes, module, draw_all):
        yield from files


if __name__ == "__main__":
    # As the module that parents import: what goes through the pipe has its types' names in it.
    from chargeback.documents import site_drawing

    drawing_process.serve(site_drawing.draw_all)
