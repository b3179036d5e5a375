"""The catalogue of bad files, of those that are Parquet or packed: FOCUS exports."""

import gzip
import io
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pyarrow
import pyarrow.parquet

from tests.benchmarks.focus_export import COLUMNS as FOCUS
from tests.sources.bad_files import BadFile

FOCUS_CONFIG = {"kind": "focus"}
BILLED = {
    "BilledCost": "1.25", "EffectiveCost": "1.25", "ListCost": "1.25", "ContractedCost": "1.25",
    "BillingCurrency": "USD",
    "BillingPeriodStart": "2026-10-01T00:00:00Z", "BillingPeriodEnd": "2026-11-01T00:00:00Z",
    "ChargePeriodStart": "2026-10-05T00:00:00Z", "ChargePeriodEnd": "2026-10-06T00:00:00Z", "ChargeCategory": "Usage",
    "SubAccountId": "acme", "BillingAccountId": "b", "ServiceName": "Storage",
    "ConsumedQuantity": "3", "ConsumedUnit": "GB",
    "ProviderName": "Cloud", "Tags": "{}",
}  # fmt: skip


def bill(**changed: Any) -> list[dict[str, Any]]:
    return [{**dict.fromkeys(FOCUS), **BILLED, **changed}]


def parquet(columns: dict[str, Any], compression: str = "snappy") -> bytes:
    target = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), target, compression=compression)
    return target.getvalue()


def columns(**changed: Any) -> dict[str, Any]:
    every = {name: pyarrow.array([value], pyarrow.string()) for name, value in bill()[0].items()}
    return every | changed


def parquet_files() -> Iterator[BadFile]:
    """What Parquet files, and packed ones, hold."""
    whole, cost = parquet(columns()), "EffectiveCost"
    double = pyarrow.array([0.1], pyarrow.float64())
    digits = pyarrow.array([Decimal("1.0000000000000000000000000000000001")])
    instant = pyarrow.array([1_791_158_400_000_000_999], pyarrow.timestamp("ns", "UTC"))
    without = {name: column for name, column in columns().items() if name != cost}
    third = len(whole) // 3
    damaged = whole[:40] + bytes(third) + whole[40 + third :]
    bomb = gzip.compress(b"x" * (64 << 20))
    yield refused(161, "Parquet without its magic", b"PAR0" + whole[4:], "no FOCUS export")
    yield refused(161, "Parquet that is cut", whole[: len(whole) // 2], "export it again")
    yield right(162, "a double", columns(**{cost: double}), cost=Decimal("0.1"))
    yield right(163, "38 digits", columns(**{cost: digits}), cost=Decimal(1))
    yield right(165, "nanoseconds", columns(ChargePeriodStart=instant), charge_date="2026-10-05")
    yield refused(167, "a column is missing", parquet(without), cost)
    yield refused(168, "a damaged page", damaged, "export it again")
    yield refused(157, "a bomb of gzip", bomb, "longer than")


def refused(number: int, what: str, content: bytes, says: str) -> BadFile:
    """A file that is refused whole."""
    return BadFile(number, what, FOCUS_CONFIG, content, "delivery_invalid", says)


def right(number: int, what: str, table: dict[str, Any], **booked: Any) -> BadFile:
    """A file that is odd and right."""
    return BadFile(number, what, FOCUS_CONFIG, parquet(table), booked=booked)
