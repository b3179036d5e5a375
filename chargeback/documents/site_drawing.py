"""The pages of a report site drawn from their figures: each with its name, and whose viewers may read it."""

from collections.abc import Iterable, Mapping

from chargeback.documents import pages, site_names
from chargeback.documents.edition import Drawn
from chargeback.documents.report_csv import csv_bytes
from chargeback.site_views import InvoiceFigures, PayerFigures, RuleFigures

Figures = PayerFigures | InvoiceFigures | RuleFigures


def draw(figures: Figures, pdfs: Mapping[str, str], there: frozenset[str]) -> list[Drawn]:
    """A page, and beside a payer's its CSV.

    `pdfs` says where each document's PDF lies, `there` which pages there are to link.
    """
    if isinstance(figures, PayerFigures):
        report = figures.report
        name = site_names.payer_page(report.subject, report.subject_id)
        about = f"{report.subject} {report.subject_id} {report.period.label}"
        page = pages.payer_page(figures, pdfs, there)
        return [
            Drawn("report", about, name, figures.team_id, page),
            Drawn("report-csv", about, f"{name[:-4]}csv", figures.team_id, csv_bytes(report)),
        ]
    if isinstance(figures, RuleFigures):
        name = site_names.rule_page(figures.rule_id, figures.version)
        about = f"{figures.rule_id} v{figures.version} {figures.period.label}"
        return [Drawn("rule-page", about, name, None, pages.rule_page(figures, there))]
    view = figures.invoice
    page = pages.invoice_page(figures, pdfs.get(view.number, ""), there)
    name = site_names.invoice_page(view.number)
    return [Drawn("invoice-page", view.number, name, view.team_id, page)]


def draw_all(
    figures: Iterable[Figures], pdfs: Mapping[str, str], there: frozenset[str]
) -> list[Drawn]:
    """The files of many pages."""
    return [file for one in figures for file in draw(one, pdfs, there)]
