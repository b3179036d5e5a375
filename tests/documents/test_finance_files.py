"""What finance gets: read back as spreadsheets, accounting software and FinOps tools would."""

import csv
import io
import json
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from openpyxl import load_workbook

from chargeback.documents.focus_csv import COLUMNS, allocations_csv, invoices_csv
from chargeback.documents.journal_csv import PROFILES, journal_csv, profile
from chargeback.documents.workbook import workbook
from chargeback.errors import Invalid, NotFound, Refused
from chargeback.journal import Accounts, Posting, journal
from chargeback.periods import Period
from chargeback.views import ChargeRow, PostedDocument
from tests.chargeback.test_journal import ACCOUNTS, document, line
from tests.documents.samples import HOSTILE_NAMES

OCTOBER = Period.month("2026-10")


def charge(cost: str, team: str | None, rule: str = "shared", user: str | None = None) -> ChargeRow:
    return ChargeRow(
        date(2026, 10, 5), "tracker", rule, 2, "Shared", team, user, team or "Unattributed",
        "query", "Tokens", "INV-20261101-0001" if team else None, Decimal(cost), Decimal(3),
    )  # fmt: skip


def read(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8"), newline="")))


def postings(*documents: PostedDocument, accounts: Accounts = ACCOUNTS) -> list[Posting]:
    return journal(documents, accounts, {})


@pytest.mark.parametrize("name", PROFILES)
def test_every_column_map_keeps_the_entry_in_balance(name: str) -> None:
    rows = read(journal_csv(postings(document(line("10.00"), tax="2.10")), profile(name)))
    debit, credit = (
        next(c for c in rows[0] if c.lower() in names)
        for names in ({"debit", "entered_dr"}, {"credit", "entered_cr"})
    )
    assert [row[debit] for row in rows] == ["10.00", "2.10", "", ""]
    assert [row[credit] for row in rows] == ["", "", "10.00", "2.10"]


def test_netsuite_gets_its_dates_and_columns() -> None:
    first, _ = read(journal_csv(postings(document(line("1234.5"))), profile("netsuite")))
    assert first == {
        "External ID": "JE-INV-20261101-0001", "Date": "11/01/2026", "Subsidiary": "Acme", "Currency": "USD",
        "Account": "6500", "Debit": "1234.50", "Credit": "", "Department": "CC-41",
        "Memo": "Invoice INV-20261101-0001, Search, 2026-10",
    }  # fmt: skip


def test_a_map_of_ones_own_is_read(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text('columns: {Konto: "{account}", Soll: "{debit}", Art: "SA"}')
    rows = read(journal_csv(postings(document(line("1.00"))), profile(str(own))))
    assert rows[0] == {"Konto": "6500", "Soll": "1.00", "Art": "SA"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('columns: {Konto: "{acount}"}', "asks for {acount}; the fields are journal_id"),
        ("columns: {}", "columns"),
        ("rows: 3", "columns"),
        ("{", "is no YAML text"),
    ],
)
def test_a_wrong_map_is_refused_by_name(tmp_path: Path, text: str, sentence: str) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(text)
    with pytest.raises(Invalid, match=r"own\.yaml") as refused:
        profile(str(own))
    assert sentence in str(refused.value)


def test_an_unknown_map_is_not_found() -> None:
    with pytest.raises(NotFound, match="neutral, oracle, sap"):
        profile("datev")


def test_sap_refuses_an_entry_of_a_thousand_lines() -> None:
    teams = tuple(line("1.00", f"team-{n}") for n in range(999))
    everybody = document(*teams)
    whole = [p._replace(line=n) for n, p in enumerate(postings(everybody) * 500)]
    with pytest.raises(Refused, match="has 1000 lines and the importing software takes 999"):
        journal_csv(whole, profile("sap"))


def test_allocations_are_focus_rows_with_every_digit() -> None:
    rows = read(allocations_csv([charge("0.100000000000000001", "team-a")], "USD", "Acme"))
    (row,) = rows
    assert tuple(row)[: len(COLUMNS)] == COLUMNS
    assert row["BilledCost"] == row["EffectiveCost"] == "0.100000000000000001"
    assert row["ConsumedQuantity"] == "3.0"
    assert (row["BillingPeriodStart"], row["BillingPeriodEnd"]) == (
        "2026-10-01T00:00:00Z",
        "2026-11-01T00:00:00Z",
    )
    assert (row["ChargePeriodStart"], row["ChargePeriodEnd"]) == (
        "2026-10-05T00:00:00Z",
        "2026-10-06T00:00:00Z",
    )
    assert (row["SubAccountId"], row["SubAccountType"], row["InvoiceId"]) == (
        "team-a",
        "Team",
        "INV-20261101-0001",
    )
    assert row["ProviderName"] == row["PublisherName"] == row["InvoiceIssuerName"] == "Acme"


def test_the_ratios_of_one_origin_add_up_to_one() -> None:
    charges = [charge(cost, team) for cost, team in (("1", "a"), ("1", "b"), ("1", "c"))]
    rows = read(allocations_csv([*charges, charge("5", "a", "other")], "USD", "Acme", "1.3"))
    ratios = [
        Decimal(json.loads(r["AllocatedMethodDetails"])["Elements"][0]["AllocatedRatio"])
        for r in rows
    ]
    assert ratios == [Decimal("0.333333333333333334"), Decimal("0.333333333333333333"),
                      Decimal("0.333333333333333333"), Decimal(1)]  # fmt: skip
    assert rows[0]["AllocatedMethodId"] == "shared@2"


def test_invoices_are_focus_rows_that_add_up_to_their_totals() -> None:
    rows = read(invoices_csv([document(line("10.00"), line("-2.50"), tax="1.58")], "Acme"))
    assert sum(Decimal(row["BilledCost"]) for row in rows) == Decimal("9.08")
    assert [row["ChargeCategory"] for row in rows] == ["Usage", "Usage", "Tax"]


def sheets(
    *documents: PostedDocument, charges: tuple[ChargeRow, ...] = ()
) -> dict[str, list[tuple[object, ...]]]:
    data = workbook(
        OCTOBER,
        "USD",
        documents,
        charges,
        [("Received from tracker", Decimal("1.5"))],
        postings(*documents),
    )
    book = load_workbook(io.BytesIO(data))
    return {sheet.title: list(sheet.iter_rows(values_only=True)) for sheet in book}


def test_the_workbook_holds_amounts_as_numbers_and_exact_ones_as_text() -> None:
    found = sheets(
        document(line("10.00"), tax="2.10"), charges=(charge("0.100000000000000001", "team-a"),)
    )
    head, row = found["Documents"]
    assert dict(zip(head, row, strict=True))["Total"] == 12.1
    head, row = found["Allocations"]
    held = dict(zip(head, row, strict=True))
    assert (held["Cost"], held["Exact cost"]) == (0.1, "0.100000000000000001")


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_no_name_becomes_a_formula_or_a_link(name: str) -> None:
    data = workbook(OCTOBER, "USD", [replace(document(line("1.00")), payer=name)], [], [], [])
    cells = [
        cell for row in load_workbook(io.BytesIO(data))["Documents"].iter_rows() for cell in row
    ]
    assert not [cell for cell in cells if cell.data_type == "f" or cell.hyperlink]


def test_the_same_figures_give_the_same_workbook() -> None:
    made = [workbook(OCTOBER, "USD", [document(line("1.00"))], [], [], []) for _ in range(2)]
    assert made[0] == made[1]
