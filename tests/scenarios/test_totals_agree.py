"""Every total that leaves the system is the ledger's, to the last digit: read back from the files people get.

Over the synthetic company's three months and a month of the real export. What is expected is asked of the
ledger's own tables, in SQL that shares nothing with what writes the files.
"""

import csv
import io
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pypdf
import pytest
from openpyxl import load_workbook
from sqlalchemy import text

from chargeback import money
from chargeback.documents.finance_files import FILES, Finance
from chargeback.ledger import usage_sources
from chargeback.ledger.database import snapshot, transaction
from chargeback.ledger.sync import sync
from chargeback.periods import Period
from chargeback.settings import settings
from examples.synthetic_company.story import tell
from models.enums import SourceRole
from tasks.publish_finance import finance_of
from tests.conftest import Ledger
from tests.faults.month import MONTH, STEPS, open_books, write_export
from tests.ledger.books import Books


def tell_synthetic(folder: Path) -> list[str]:
    """Three months with late usage, a cancelled invoice and its credit note."""
    tell(folder / "company")
    return ["2026-08", "2026-09", "2026-10"]


def tell_real(folder: Path) -> list[str]:
    """October of the real export."""
    export = folder / "export.json"
    write_export(export, MONTH)
    open_books(export)
    for step in STEPS.values():
        step()
    return ["2026-10"]


@dataclass(frozen=True)
class Told:
    """A company whose months were billed and published."""

    books: Books
    folder: Path
    periods: list[Period]


@pytest.fixture(params=[tell_synthetic, tell_real], ids=["synthetic", "real"])
def told(
    request: pytest.FixtureRequest,
    ledger: Ledger,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Told:
    monkeypatch.setenv("CHARGEBACK_FILE_STORE", str(tmp_path / "files"))
    settings.cache_clear()
    months = request.param(tmp_path)
    return Told(Books(ledger), tmp_path, [Period.month(month) for month in months])


def total(amounts: Iterable[Any]) -> Decimal:
    return money.exact_sum(Decimal(str(amount)) for amount in amounts)


def read_csv(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def made(name: str, figures: Finance) -> bytes:
    return FILES[name][1](figures, settings())


def billed(told: Told, period: Period) -> dict[str, Decimal]:
    """What each document that was issued for days of the period comes to."""
    rows = told.books.query(
        """SELECT number, total FROM invoices WHERE period_start >= :start AND period_end <= :end
           AND content_hash IS NOT NULL AND status NOT IN ('draft', 'pending')""",
        start=period.start,
        end=period.end,
    )
    return {row.number: row.total for row in rows}


def cost(told: Told, period: Period) -> Decimal:
    """What was used in the period."""
    rows = told.books.query(
        """SELECT sum(cost) AS cost FROM usage_records WHERE usage_date >= :start AND usage_date < :end""",
        start=period.start,
        end=period.end,
    )
    return Decimal(rows[0].cost)


def test_every_total_that_leaves_the_system_is_the_ledgers(
    told: Told, another_ledger: Callable[[], Ledger]
) -> None:
    what_finance_gets(told)
    what_is_printed(told)
    what_a_browser_shows(told)
    what_another_ledger_reads(told, another_ledger)


def what_finance_gets(told: Told) -> None:
    """The journal, the workbook, the FOCUS exports."""
    for period in told.periods:
        figures, expected = finance_of(period), billed(told, period)
        assert journal_totals(made("journal", figures)) == {
            number: amount for number, amount in expected.items() if amount
        }
        assert workbook_totals(made("workbook", figures)) == expected
        assert focus_totals(made("focus-invoices", figures)) == expected
        for version in ("focus-allocations", "focus-allocations-1.3"):
            rows = read_csv(made(version, figures))
            assert total(row["EffectiveCost"] for row in rows) == cost(told, period)


def journal_totals(data: bytes) -> dict[str, Decimal]:
    """What the consumers' accounts are charged for each document; what the provider's get is the same."""
    charged: dict[str, Decimal] = defaultdict(Decimal)
    for row in read_csv(data):
        amount = Decimal(row["debit"] or 0) - Decimal(row["credit"] or 0)
        charged[row["reference"]] += amount * (row["account"] == "6500")
        charged["both sides"] += amount
    assert charged.pop("both sides") == 0
    return charged


def workbook_totals(data: bytes) -> dict[str, Decimal]:
    """The documents' sheet; its numbers are what a spreadsheet adds up."""
    book = load_workbook(io.BytesIO(data), read_only=True)
    head, *rows = book["Documents"].iter_rows(values_only=True)
    number, amount = head.index("Number"), head.index("Total")
    return {str(row[number]): Decimal(str(row[amount])) for row in rows if row[number]}


def focus_totals(data: bytes) -> dict[str, Decimal]:
    billed: dict[str, Decimal] = defaultdict(Decimal)
    for row in read_csv(data):
        billed[row["InvoiceId"]] += Decimal(row["BilledCost"])
    return billed


def what_is_printed(told: Told) -> None:
    """The invoices' PDFs."""
    for period in told.periods:
        printed = {
            row.subject: pdf_total(told.folder / "files" / row.uri.rpartition("files/")[2])
            for row in told.books.query("SELECT subject, uri FROM documents WHERE kind = 'invoice'")
        }
        expected = billed(told, period)
        assert {number: printed[number] for number in expected} == expected


def pdf_total(path: Path) -> Decimal:
    """The one total that stands on the paper."""
    paper = "\n".join(page.extract_text() for page in pypdf.PdfReader(path).pages)
    (found,) = re.findall(r"^Total USD ([-−]?[\d,]+\.\d\d)$", paper, re.MULTILINE)
    return Decimal(found.replace(",", "").replace("−", "-"))


def what_a_browser_shows(told: Told) -> None:
    """The site's pages and CSVs: every document, what is in all, what the teams bear."""
    for period in told.periods:
        documents = {
            about: re.findall(r'<data value="([^"]+)">', page.rpartition(">Total</th>")[2])[0]
            for about, page in published(told, "invoice-page").items()
        }
        expected = billed(told, period)
        assert {number: Decimal(documents[number]) for number in expected} == expected
        overview = published(told, "overview")[period.label]
        shown = [Decimal(one) for one in re.findall(r'<data value="([^"]+)">', overview)]
        assert shown[0] == cost(told, period)
        rows = [row for about, data in published(told, "report-csv").items()
                if about.startswith("team ") and about.endswith(period.label)
                for row in csv.DictReader(io.StringIO(data, newline="")) if row["section"] == "total"]  # fmt: skip
        borne = told.books.query(
            """SELECT sum(a.cost) AS cost FROM allocations a JOIN cost_pools p USING (pool_id)
               WHERE p.retired_at IS NULL AND a.team_id IS NOT NULL
                 AND a.usage_date >= :start AND a.usage_date < :end""",
            start=period.start,
            end=period.end,
        )
        assert total(row["cost"] for row in rows) == Decimal(borne[0].cost)


def published(told: Told, kind: str) -> dict[str, str]:
    """The newest file of that kind of each subject."""
    rows = told.books.query(
        "SELECT subject, uri FROM documents WHERE kind = :kind ORDER BY document_id", kind=kind
    )
    return {row.subject: (told.folder / "files" / row.uri).read_text("utf-8") for row in rows}


def what_another_ledger_reads(told: Told, another_ledger: Callable[[], Ledger]) -> None:
    """Our own source of FOCUS reads every row of what we export, to the last digit."""
    names = [name for name in FILES if name.startswith("focus")]
    files = {
        (name, period): made(name, finance_of(period)) for period in told.periods for name in names
    }
    another_ledger()
    for (name, period), data in files.items():
        file = told.folder / f"{name}-{period.label}.csv"
        file.write_bytes(data)
        source = f"{name}-{period.label}".replace(".", "-")
        with transaction() as connection:
            config = {"path": str(file), "cost_metric": "BilledCost", "team_tag": "team"}
            usage_sources.put(connection, source, "focus", SourceRole.ALLOCATE, config, "test")
        counts = sync(source, datetime(2026, 12, 1, tzinfo=UTC))
        rows = read_csv(data)
        assert (counts.received, counts.new) == (len(rows), len(rows))
        with snapshot() as connection:
            held = connection.execute(
                text("""SELECT sum(cost + residual) FROM usage_records JOIN usage_sources USING (source_id)
                        WHERE name = :name"""),
                {"name": source},
            ).scalar_one()
        assert held == total(row["BilledCost"] for row in rows)
