"""The synthetic company's three months: late usage, a credit note, nothing new when told again."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from chargeback import money
from chargeback.ledger import digest, invoices, issuing
from chargeback.ledger.database import snapshot
from chargeback.ledger.reconcile import reconcile
from chargeback.periods import Period
from examples.synthetic_company.generator import LATE_CALLS, MONTHS, write
from examples.synthetic_company.story import tell
from models.enums import LineKind
from tests.ledger.books import Books


def exported(path: Path) -> list[dict[str, object]]:
    records: list[dict[str, object]] = json.loads(path.read_text(), parse_float=Decimal)["records"]
    return records


def test_the_same_seed_exports_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first, second = write(tmp_path / "a"), write(tmp_path / "b")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_forty_calls_of_september_are_delivered_in_october(tmp_path: Path) -> None:
    october = exported(write(tmp_path)[2])
    assert sum(str(call["timestamp"]) < "2026-10" for call in october) == LATE_CALLS


def test_its_three_months_tie_out_and_telling_them_again_changes_nothing(
    books: Books, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARGEBACK_FILE_STORE", str(tmp_path / "files"))
    told = tmp_path / "company"
    tell(told)
    sent = [
        Decimal(str(call["cost_usd"]))
        for month in MONTHS
        for call in exported(told / f"usage-{month:%Y-%m}.json")
    ]
    with snapshot() as connection:
        held = [reconcile(connection, Period.month(f"{month:%Y-%m}")) for month in MONTHS]
        september = invoices.rows(connection, Period.month("2026-09"))
        october = invoices.rows(connection, Period.month("2026-10"))
        views = invoices.views(
            connection, [issuing.find(connection, row.number) for row in october]
        )
        before = digest.digest(connection)
    received = money.exact_sum(source.received.amount for month in held for source in month.sources)
    assert received == money.exact_sum(sent)
    late = [line for view in views for line in view.lines if line.kind is LineKind.LATE]
    assert late
    assert all("2026-09" in line.description for line in late)
    marketing = sorted(row.total for row in september if row.team_id == "team-marketing")
    assert len(marketing) == 3
    assert marketing[0] == -marketing[1] == -marketing[2]
    tell(told)
    with snapshot() as connection:
        assert digest.digest(connection) == before
