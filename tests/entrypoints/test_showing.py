"""What is shown: exact digits are aligned and never cut, JSON has every amount as text."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from chargeback.periods import Period
from entrypoints import showing
from models.enums import InvoiceStatus

ROWS = [
    {"what": "received", "USD": Decimal("0.754318700000000002909")},
    {"what": "residual", "USD": Decimal("-2.091E-18")},
    {"what": "difference", "USD": Decimal(0)},
]


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(showing, "WIDTH_WITHOUT_TERMINAL", 20)
    showing._screen_on.cache_clear()


def test_amounts_have_their_points_below_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    showing.table(ROWS, right=["USD"])
    received, residual, difference = [
        line for line in capsys.readouterr().out.splitlines() if "d" in line
    ][-3:]
    assert received.index(".") == residual.index(".")
    assert difference.rstrip().endswith("0")
    assert difference.rstrip()[-1:] == difference[received.index(".") - 1]


def test_no_digit_is_lost_in_a_narrow_terminal(
    narrow: None, capsys: pytest.CaptureFixture[str]
) -> None:
    showing.table(ROWS, right=["USD"])
    shown = capsys.readouterr().out
    assert "0.754318700000000002909" in shown
    assert "-0.000000000000000002091" in shown


def test_json_has_amounts_as_text_without_exponent() -> None:
    value = {
        "amount": Decimal("2.091E-18"), "day": date(2026, 10, 31), "at": datetime(2026, 10, 31, tzinfo=UTC),
        "period": Period.month("2026-10"), "status": InvoiceStatus.PAID, "none": None, "count": 3,
    }  # fmt: skip
    assert showing.plain(value) == {
        "amount": "0.000000000000000002091", "day": "2026-10-31", "at": "2026-10-31T00:00:00+00:00",
        "period": "2026-10", "status": "paid", "none": None, "count": 3,
    }  # fmt: skip
