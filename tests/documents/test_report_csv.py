"""What the CSV of a report holds, read back as a program would."""

import csv
import io
from decimal import Decimal

import pytest

from chargeback.documents.report_csv import COLUMNS, csv_bytes, original, written
from chargeback.views import ReportView, UsageRow
from tests.documents.samples import HOSTILE_NAMES, LATE, make_report


def read(report: ReportView) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(csv_bytes(report).decode("utf-8"), newline="")))


def cost_of(rows: list[dict[str, str]], section: str) -> Decimal:
    return sum((Decimal(row["cost"]) for row in rows if row["section"] == section), Decimal(0))


def test_the_file_reads_as_it_was_approved() -> None:
    lines = csv_bytes(make_report()).decode("utf-8").split("\r\n")
    assert lines[0] == ",".join(COLUMNS)
    assert lines[1] == "total,team,team-search,2026-10-01,2026-10-31,USD,,,,,,,,,,,,,25.00,,"
    assert lines[2] == "previous_total,team,team-search,2026-09-01,2026-09-30,USD,,,,,,,,,,,,,20,,"
    assert lines[-2] == (
        "invoice,team,team-search,2026-10-01,2026-10-31,USD,INV-20261101-0001,,,team-search,,,,"
        "sent,2026-11-01,2026-12-01,,,,25.00,"
    )
    assert lines[-1] == ""


def test_every_breakdown_adds_up_to_the_last_digit() -> None:
    report = make_report()
    rows = read(report)
    for section in ("usage", "usage_by_resource_type", "usage_by_agent", "usage_by_day"):
        assert cost_of(rows, section) == Decimal("30.000000000000000001")
    assert cost_of(rows, "allocation") == Decimal("25.00") == cost_of(rows, "total")


def test_an_adjustment_says_what_it_is_and_what_it_comes_to() -> None:
    (row,) = (r for r in read(make_report(adjustments=(LATE,))) if r["section"] == "adjustment")
    assert (row["key"], row["cost"], row["total"]) == ("INV-20261101-0001", "-1.005", "-1.01")
    assert row["description"].startswith("Correction for 2026-09: llm_tokens, billed on")


def test_the_same_report_gives_the_same_file() -> None:
    assert csv_bytes(make_report()) == csv_bytes(make_report())


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-5.00", "'-5.00"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("\0=1", "'\0=1"),
        ("＝1", "'＝1"),
        (" =1", "' =1"),
        ("'=1", "''=1"),
        ("'quoted'", "'quoted'"),
        ("team-search", "team-search"),
        (Decimal("-5.00"), "-5.00"),
        (Decimal("1E+3"), "1000"),
        (Decimal("1E-18"), "0.000000000000000001"),
        (-3, "-3"),
        (None, ""),
    ],
)
def test_text_is_inert_and_numbers_are_plain(cell: str | Decimal | None, expected: str) -> None:
    assert written(cell) == expected


@pytest.mark.parametrize(
    "text", [*HOSTILE_NAMES, "", "-5.00", "'=1", "''=1", "'", "\t\t=x", 'a,b\n"c"']
)
def test_a_program_reads_back_the_original_text(text: str) -> None:
    report = make_report(by_agent=(UsageRow(text, Decimal(1), Decimal(1), 1),))
    (row,) = (row for row in read(report) if row["section"] == "usage_by_agent")
    assert original(row["key"]) == text
