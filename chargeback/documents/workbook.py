"""A period as one workbook: documents, their lines, who bears what, the reconciliation, the journal.

Owns the sheets. Amounts as printed are numbers that add up in a spreadsheet; what is exact beyond the
sixteen digits a spreadsheet keeps stands beside them as text. Text is never a formula or a link.
"""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from xlsxwriter import Workbook
from xlsxwriter.worksheet import Worksheet

from chargeback import money
from chargeback.journal import Posting
from chargeback.periods import Period
from chargeback.views import ChargeRow, PostedDocument

Cell = str | Decimal | int | date | None
_SAFE = {
    "in_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}
_MOST_CHARACTERS = 32_767
_WIDEST = 48


@dataclass(frozen=True)
class Sheet:
    """One sheet: its title, the columns and the rows; columns named in `money` are amounts as printed."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[Cell, ...]]
    money: frozenset[str] = frozenset()


def workbook(
    period: Period,
    currency: str,
    documents: Sequence[PostedDocument],
    charges: Sequence[ChargeRow],
    came_in: Sequence[tuple[str, Decimal]],
    postings: Sequence[Posting],
) -> bytes:
    """The workbook's bytes, the same for the same figures. `came_in` are the reconciliation's figures by name."""
    sheets = (
        _summary(period, currency, documents, charges, came_in),
        _documents(documents),
        _lines(documents),
        _charges(charges, currency),
        _journal(postings),
    )
    target = io.BytesIO()
    book = Workbook(target, _SAFE)
    # The day it was made would make every file another one.
    made = datetime.combine(period.end, time())
    book.set_properties({"title": f"Chargeback {period.label}", "created": made})
    styles = _styles(book, currency)
    for sheet in sheets:
        _write(book.add_worksheet(sheet.title), sheet, styles)
    book.close()
    return target.getvalue()


def _styles(book: Any, currency: str) -> dict[str, Any]:
    decimals = "0" * money.minor_digits(currency)
    form = f"#,##0.{decimals}" if decimals else "#,##0"
    return {
        "head": book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"}),
        "money": book.add_format({"num_format": form}),
        "date": book.add_format({"num_format": "yyyy-mm-dd"}),
        "text": book.add_format({"num_format": "@"}),
    }


def _write(sheet: Worksheet, wanted: Sheet, styles: dict[str, Any]) -> None:
    sheet.freeze_panes(1, 0)
    if wanted.rows:
        sheet.autofilter(0, 0, len(wanted.rows), len(wanted.columns) - 1)
    for place, title in enumerate(wanted.columns):
        longest = max((len(_shown(row[place])) for row in wanted.rows), default=0)
        sheet.set_column(place, place, min(max(len(title), longest) + 2, _WIDEST))
        sheet.write_string(0, place, title, styles["head"])
        is_money = title in wanted.money
        for number, row in enumerate(wanted.rows, 1):
            _cell(sheet, number, place, row[place], styles, is_money)


def _shown(cell: Cell) -> str:
    return f"{cell:,f}" if isinstance(cell, Decimal) else str(cell or "")


def _cell(
    sheet: Worksheet, row: int, column: int, cell: Cell, styles: dict[str, Any], is_money: bool
) -> None:
    if cell is None or cell == "":
        return
    if isinstance(cell, Decimal) and is_money:
        sheet.write_number(row, column, cell, styles["money"])
    elif isinstance(cell, Decimal):
        sheet.write_string(row, column, f"{cell:f}", styles["text"])
    elif isinstance(cell, int):
        sheet.write_number(row, column, cell)
    elif isinstance(cell, date):
        sheet.write_datetime(row, column, cell, styles["date"])
    else:
        sheet.write_string(row, column, cell[:_MOST_CHARACTERS], styles["text"])


def _summary(
    period: Period,
    currency: str,
    documents: Sequence[PostedDocument],
    charges: Sequence[ChargeRow],
    came_in: Sequence[tuple[str, Decimal]],
) -> Sheet:
    billed = money.exact_sum(document.total for document in documents)
    rows: list[tuple[Cell, ...]] = [
        ("Period", period.label, None),
        ("Currency", currency, None),
        *((name, None, amount) for name, amount in came_in),
        ("Borne by payers and unattributed", None, money.exact_sum(c.cost for c in charges)),
        ("Documents", str(len(documents)), None),
        ("Billed less credited, with tax", None, billed),
    ]
    return Sheet("Summary", ("What", "Value", "Exact amount"), rows)


def _documents(documents: Iterable[PostedDocument]) -> Sheet:
    return Sheet(
        "Documents",
        ("Number", "Kind", "Status", "Payer", "Name", "Cost centre", "From", "To", "Issued", "Due",
         "Currency", "Subtotal", "Tax", "Total", "Credits"),
        [(d.number, d.title, d.status.value, d.payer_id, d.payer, d.cost_center, d.period.start, d.period.last_day,
          d.issue_date, d.due_date, d.currency, d.subtotal, d.tax, d.total, d.credits_number) for d in documents],
        frozenset({"Subtotal", "Tax", "Total"}),
    )  # fmt: skip


def _lines(documents: Iterable[PostedDocument]) -> Sheet:
    return Sheet(
        "Lines",
        ("Number", "Line", "Description", "Late month", "Resource type", "Unit", "Quantity", "Amount", "Exact amount"),
        [(d.number, line.position, line.description, line.late_month, line.resource_type, line.unit, line.quantity,
          line.amount, line.exact) for d in documents for line in d.lines],
        frozenset({"Amount"}),
    )  # fmt: skip


def _charges(charges: Iterable[ChargeRow], currency: str) -> Sheet:
    return Sheet(
        "Allocations",
        ("Day", "Source", "Rule", "Version", "Team", "User", "Resource type", "Unit", "Quantity", "Cost",
         "Exact cost", "Document"),
        [(c.usage_date, c.source, c.rule_id, c.rule_version, c.team_id, c.user_id, c.resource_type, c.unit,
          c.quantity, money.to_money(c.cost, currency), c.cost, c.number) for c in charges],
        frozenset({"Cost"}),
    )  # fmt: skip


def _journal(postings: Sequence[Posting]) -> Sheet:
    return Sheet(
        "Journal",
        Posting._fields,
        [tuple(posting) for posting in postings],
        frozenset({"debit", "credit"}),
    )
