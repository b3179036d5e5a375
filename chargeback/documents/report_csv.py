"""A report as one tidy CSV: a row per figure, the same columns for all of them.

Owns the columns and how cells are written. Numbers stand in full and plain; text that a spreadsheet
would take for a formula gets a leading apostrophe, which `original` takes off again.
"""

import csv
import io
from collections.abc import Iterator
from decimal import Decimal

from chargeback.periods import Period
from chargeback.views import ReportView, UsageRow

COLUMNS = (
    "section",
    "subject",
    "subject_id",
    "period_start",
    "period_end",
    "currency",
    "key",
    "rule_id",
    "rule_version",
    "team_id",
    "user_id",
    "resource_type",
    "unit",
    "status",
    "issue_date",
    "due_date",
    "record_count",
    "quantity",
    "cost",
    "total",
    "description",
)
_FORMULA = tuple("=+-@\t\r\0＝＋－＠")

Cell = str | Decimal | int | None


def csv_bytes(report: ReportView) -> bytes:
    """The report as UTF-8 with CRLF. Units: `cost` unrounded; `total` as printed on the document, with tax."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\r\n")
    writer.writeheader()
    for row in rows(report):
        writer.writerow({column: written(cell) for column, cell in row.items()})
    return text.getvalue().encode("utf-8", "replace")


def written(cell: Cell) -> str:
    """A cell as it stands in the file: numbers plain, text inert, nothing for None."""
    if isinstance(cell, Decimal):
        return f"{cell:f}"
    if cell is None or isinstance(cell, int):
        return "" if cell is None else str(cell)
    return f"'{cell}" if _is_risky(cell) else cell


def original(cell: str) -> str:
    """The text that `written` wrote as `cell`."""
    return cell[1:] if cell.startswith("'") and _is_risky(cell) else cell


def _is_risky(text: str) -> bool:
    """Whether a spreadsheet may compute the text; apostrophes in front leave it as risky."""
    bare = text.lstrip("' \n\v\f")
    return bare.startswith(_FORMULA)


def rows(report: ReportView) -> Iterator[dict[str, Cell]]:
    """The figures of the report: totals, usage, allocations, documents and their adjustments, in that order."""
    yield _row(report, report.period, "total", cost=report.total_cost)
    yield _row(report, report.previous_period, "previous_total", cost=report.previous_total_cost)
    usage = UsageRow("", report.usage_cost, report.usage_quantity, report.record_count)
    yield _usage(report, "usage", usage)
    for section, found in (
        ("usage_by_resource_type", report.by_resource_type),
        ("usage_by_agent", report.by_agent),
        ("usage_by_day", report.by_day),
    ):
        for row in found:
            yield _usage(report, section, row)
    yield from _allocations(report)
    yield from _documents(report)
    yield from _adjustments(report)


def _row(report: ReportView, period: Period, section: str, **cells: Cell) -> dict[str, Cell]:
    return {
        "section": section,
        "subject": report.subject,
        "subject_id": report.subject_id,
        "period_start": period.start.isoformat(),
        "period_end": period.last_day.isoformat(),
        "currency": report.currency,
        **cells,
    }


def _usage(report: ReportView, section: str, row: UsageRow) -> dict[str, Cell]:
    return _row(
        report,
        report.period,
        section,
        key=row.key,
        record_count=row.record_count,
        quantity=row.quantity,
        cost=row.cost,
    )


def _allocations(report: ReportView) -> Iterator[dict[str, Cell]]:
    for share in report.allocations:
        yield _row(
            report,
            report.period,
            "allocation",
            rule_id=share.rule_id,
            rule_version=share.rule_version,
            team_id=share.team_id,
            user_id=share.user_id,
            resource_type=share.resource_type,
            unit=share.unit,
            quantity=share.quantity,
            cost=share.cost,
        )


def _documents(report: ReportView) -> Iterator[dict[str, Cell]]:
    for document in report.invoices:
        yield _row(report, document.period, str(document.kind)) | {
            "key": document.number,
            "currency": document.currency,
            "team_id": document.team_id,
            "user_id": document.user_id,
            "status": str(document.status),
            "issue_date": document.issue_date.isoformat(),
            "due_date": document.due_date.isoformat(),
            "total": document.total,
        }


def _adjustments(report: ReportView) -> Iterator[dict[str, Cell]]:
    for line in report.adjustments:
        yield _row(
            report,
            report.period,
            "adjustment",
            key=line.number,
            resource_type=line.resource_type,
            unit=line.unit,
            quantity=line.quantity,
            cost=line.exact,
            total=line.amount,
            description=line.description,
        )
