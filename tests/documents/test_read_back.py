"""Our own CSVs, read back: whatever the names and the amounts, each cell says what it was made from."""

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from random import Random

import pytest

from chargeback.documents.journal_csv import journal_csv, profile
from chargeback.documents.report_csv import COLUMNS, Cell, csv_bytes, original, rows
from chargeback.journal import Posting, journal
from chargeback.views import PostedLine, ReportView, UsageRow
from tests.chargeback.test_journal import ACCOUNTS, document
from tests.documents.samples import LATE, make_listed, make_report, make_share
from tests.scenarios.hostile_names import NAMES

Record = Callable[[str, object], None]
CASES = [300, pytest.param(10_000, marks=pytest.mark.prove)]


def any_amount(random: Random) -> Decimal:
    return Decimal(random.randint(-(10**22), 10**22)).scaleb(-random.choice((0, 2, 18, 30)))


def any_name(random: Random) -> str:
    return "".join(random.choice(NAMES) for _ in range(random.choice((1, 1, 1, 2))))


def any_report(random: Random) -> ReportView:
    def used() -> tuple[UsageRow, ...]:
        return tuple(
            UsageRow(any_name(random), any_amount(random), any_amount(random), random.randint(0, 9))
            for _ in range(random.randint(0, 3))
        )

    amount = str(any_amount(random))
    return make_report(
        subject_id=any_name(random), by_agent=used(), by_resource_type=used(), total_cost=any_amount(random),
        allocations=(make_share(any_name(random), amount),), invoices=(make_listed(number=any_name(random)),),
        adjustments=(replace(LATE, description=any_name(random), exact=any_amount(random)),),
    )  # fmt: skip


def reread(written: str, cell: Cell) -> Cell:
    """The cell as the kind of thing it was."""
    if cell is None or cell == "":
        return cell if written == "" else written
    if isinstance(cell, Decimal | int):
        return type(cell)(written)
    return original(written)


@pytest.mark.parametrize("cases", CASES)
def test_a_report_read_back_says_what_it_was_made_from(cases: int, record_property: Record) -> None:
    random = Random(5)
    for _ in range(cases):
        report = any_report(random)
        table = csv.DictReader(io.StringIO(csv_bytes(report).decode(), newline=""))
        for found, row in zip(table, rows(report), strict=True):
            cells = {column: row.get(column) for column in COLUMNS}
            assert {c: reread(found[c], cells[c]) for c in COLUMNS} == cells
    record_property("proof", ("reports read back", cases))


def any_postings(random: Random) -> list[Posting]:
    amounts = [Decimal(random.randint(-(10**9), 10**9)).scaleb(-2) for _ in range(3)]
    lines = [
        PostedLine(n, any_name(random), any_name(random), any_name(random), None, None, Decimal(1), amount, amount)
        for n, amount in enumerate(amounts, 1)
    ]  # fmt: skip
    billed = replace(
        document(*lines, tax=f"{sum(amounts, Decimal(0)):.2f}"),
        number=any_name(random), payer=any_name(random), cost_center=any_name(random),
        issue_date=date(2000, 1, 1) + timedelta(days=random.randint(0, 11_000)),
    )  # fmt: skip
    return journal([billed], ACCOUNTS, {})


@pytest.mark.parametrize("cases", CASES)
def test_a_journal_read_back_says_what_it_was_made_from(
    cases: int, record_property: Record
) -> None:
    random, columns = Random(6), profile("neutral")
    fields = {title: words.strip("{}") for title, words in columns.columns.items()}
    for _ in range(cases):
        postings = any_postings(random)
        table = list(
            csv.DictReader(io.StringIO(journal_csv(postings, columns).decode(), newline=""))
        )
        assert len(table) == len(postings)
        for found, posting in zip(table, postings, strict=True):
            for title, name in fields.items():
                held = getattr(posting, name)
                if isinstance(held, Decimal):
                    assert Decimal(found[title] or "0") == held
                else:
                    assert original(found[title]) == str(held)
    record_property("proof", ("journals read back", cases))
