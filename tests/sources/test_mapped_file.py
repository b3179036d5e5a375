"""Any table can be billed: what is read through a map is what the dedicated reader reads."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from chargeback.errors import ChargebackError, Invalid
from chargeback.sources import open_source
from chargeback.sources.contract import Refusal, Usage
from tests.sources.conftest import ALWAYS, SAMPLE
from tests.sources.fake_tracker import body_of

TRACKER = {
    "external_id": "Call ID", "usage_at": "Timestamp", "cost": "Cost (USD)", "quantity": "Total Tokens",
    "resource_type": "Operation Type", "sku": "Model", "agent_id": "Agent ID",
}  # fmt: skip
SMALL: dict[str, Any] = {
    "columns": {"external_id": "id", "usage_at": "at", "cost": "cost", "team_id": "team"},
    "fixed": {"resource_type": "storage", "unit": "GB"},
}
Read = Callable[..., list[Usage | Refusal]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def reading(content: str, form: str = "csv", **config: Any) -> list[Usage | Refusal]:
        path = tmp_path / "table"
        path.write_text(content, encoding="utf-8", newline="")
        return list(
            open_source("mapped_file", {"path": str(path), "form": form, **SMALL, **config}).read(
                ALWAYS
            )
        )

    return reading


def usage(rows: list[Usage | Refusal]) -> list[Usage]:
    assert all(isinstance(row, Usage) for row in rows), rows
    return [row for row in rows if isinstance(row, Usage)]


def test_the_trackers_csv_through_a_map_is_what_its_own_reader_reads(tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    path.write_bytes(body_of(json.loads(SAMPLE.read_text())["records"], "csv"))
    own = list(open_source("cost_tracker", {"path": str(path), "form": "csv"}).read(ALWAYS))
    config = {"path": str(path), "form": "csv", "columns": TRACKER, "fixed": {"unit": "Tokens"}}
    mapped = list(open_source("mapped_file", config).read(ALWAYS))
    assert mapped == [row._replace(tokens=()) if isinstance(row, Usage) else row for row in own]
    assert len(own) == 438


def test_a_cloud_bill_can_be_read_through_a_map(read: Read) -> None:
    (row,) = usage(read(
        "BillingAccountId,ChargePeriodStart,BilledCost,ConsumedQuantity,ServiceName,SkuId,SubAccountId\n"
        "a-1,2024-09-01 00:00:00,1.5E-7,NULL,EC2,NULL,sub-7\n",
        columns={"external_id": ["BillingAccountId", "ChargePeriodStart", "ServiceName"], "sku": "SkuId",
                 "usage_at": "ChargePeriodStart", "cost": "BilledCost", "quantity": "ConsumedQuantity",
                 "resource_type": "ServiceName", "account_id": "SubAccountId"},
        fixed={"unit": "Units"}, null_words=["", "NULL"],
    ))  # fmt: skip
    assert row[1:13] == (
        "a-1/2024-09-01 00:00:00/EC2", datetime(2024, 9, 1, tzinfo=UTC), None, None, None, "sub-7", None, "EC2",
        None, "Units", Decimal(0), Decimal("0.00000015"),
    )  # fmt: skip


def test_facts_stand_in_columns_or_are_the_same_in_every_row(read: Read) -> None:
    (row,) = usage(read("team,id,cost,note,at\nsearch,r-1,1.25,ignored,2026-10-05 12:00\n"))
    assert (row.external_id, row.team_id, row.cost) == ("r-1", "search", Decimal("1.25"))
    assert (row.resource_type, row.unit, row.quantity) == ("storage", "GB", Decimal(0))
    assert row.usage_at == datetime(2026, 10, 5, 12, tzinfo=UTC)


def test_json_lines_are_read_along_paths(read: Read) -> None:
    record = {"id": "r-1", "at": "2026-10-05T12:00:00Z", "meta": {"team": "search"}, "cost": 0.1}
    (row,) = usage(read(
        json.dumps(record) + "\n\n", "json_lines",
        columns={"external_id": "id", "usage_at": "at", "cost": "cost", "team_id": "meta.team", "sku": "meta.x.y"},
    ))  # fmt: skip
    assert (row.team_id, row.sku, row.cost) == ("search", None, Decimal("0.1"))


def test_an_id_of_several_columns_tells_rows_apart(read: Read) -> None:
    columns = {"external_id": ["id", "team"], "usage_at": "at", "cost": "cost"}
    rows = read(
        "id,team,at,cost\na/b,c,2026-10-05T00:00Z,1\na,b/c,2026-10-05T00:00Z,1\n", columns=columns
    )
    assert [row.external_id for row in rows] == ["a%2Fb/c", "a/b%2Fc"]


def test_a_row_that_lacks_a_part_of_its_id_is_refused(read: Read) -> None:
    columns = {"external_id": ["id", "team"], "usage_at": "at", "cost": "cost"}
    (row,) = read("id,team,at,cost\na,,2026-10-05T00:00Z,1\n", columns=columns)
    assert isinstance(row, Refusal)
    assert row.reason == "id and team is missing; give every call one."


def test_words_for_nothing_are_nothing(read: Read) -> None:
    (row,) = usage(read("id,at,cost,team\nr-1,2026-10-05T00:00Z,1,NULL\n", null_words=["", "NULL"]))
    assert row.team_id is None


def test_cents_become_the_currency_exactly(read: Read) -> None:
    (row,) = usage(read("id,at,cost,team\nr-1,2026-10-05T00:00Z,123.45,t\n", cost_factor="0.01"))
    assert row.cost == Decimal("1.2345")


def test_times_can_have_a_form_of_their_own(read: Read) -> None:
    content = "id,at,cost,team\nr-1,31.10.2026,1,t\nr-2,10/31/2026,1,t\n"
    first, second = read(content, time_format="%d.%m.%Y")
    assert isinstance(first, Usage)
    assert first.usage_at == datetime(2026, 10, 31, tzinfo=UTC)
    assert isinstance(second, Refusal)
    assert "10/31/2026 (not like %d.%m.%Y)" in second.reason


def test_a_currency_in_a_column_is_kept(read: Read) -> None:
    columns = SMALL["columns"] | {"currency": "money"}
    rows = usage(
        read(
            "id,at,cost,team,money\n1,2026-10-05T00:00Z,1,t,EUR\n2,2026-10-05T00:00Z,1,t,USD\n",
            columns=columns,
        )
    )
    assert [row.currency for row in rows] == ["EUR", None]


def test_a_broken_line_spoils_itself_only(read: Read) -> None:
    good = '{"id": "r-1", "at": "2026-10-05T00:00Z", "cost": 1}'
    rows = read(f"{good}\n{{broken\n7\n{good.replace('r-1', 'r-2')}\n", "json_lines")
    assert [row.external_id for row in rows] == ["r-1", None, None, "r-2"]
    assert [row.position for row in rows] == [1, 2, 3, 4]
    assert [row.code for row in rows if isinstance(row, Refusal)] == [
        "record_invalid",
        "record_invalid",
    ]


def test_a_row_of_another_width_is_refused(read: Read) -> None:
    (row,) = read("id,at,cost,team\nr-1,2026-10-05T00:00Z,1\n")
    assert isinstance(row, Refusal)
    assert row.code == "row_short"


def test_a_column_that_is_not_there_refuses_the_file(read: Read) -> None:
    with pytest.raises(ChargebackError, match="lacks the column 'team'"):
        read("id,at,cost\nr-1,2026-10-05T00:00Z,1\n")


@pytest.mark.parametrize(
    ("config", "says"),
    [
        (
            {"columns": {"usage_at": "a", "cost": "b"}},
            "`columns` does not say where external_id stands",
        ),
        ({"columns": {"external_id": "i", "usage_at": "a"}}, "does not say where cost stands"),
        (
            {"columns": SMALL["columns"] | {"colour": "c"}},
            "'colour' is no fact; the facts are external_id",
        ),
        ({"columns": SMALL["columns"] | {"unit": "u"}}, "unit is both in `columns` and in `fixed`"),
        ({"columns": SMALL["columns"] | {"sku": ["a", "b"]}}, "sku stands in one column"),
        ({"columns": SMALL["columns"] | {"external_id": []}}, "name the column"),
        ({"cost_factor": "1/100"}, "cost_factor cannot be used"),
        ({"form": "xml"}, "form cannot be used"),
        ({"path": "http://x/y"}, "an address belongs in `url`"),
    ],
)
def test_a_map_that_cannot_work_is_refused_with_what_to_change(
    config: dict[str, Any], says: str
) -> None:
    with pytest.raises(Invalid) as refusal:
        open_source("mapped_file", {"path": "a", "form": "csv", **SMALL, **config})
    assert says in refusal.value.message
