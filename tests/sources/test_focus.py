"""FOCUS exports as files: CSV, CSV.gz and Parquet say the same, and what is damaged says so."""

import gzip
import sys
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.csv
import pyarrow.parquet
import pytest

from chargeback.errors import Invalid, NotFound, Unavailable
from chargeback.sources import open_source
from chargeback.sources.contract import Refusal, Scoped, Usage, Window
from chargeback.sources.focus import Focus

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "examples" / "focus_sample_1000.csv"
EXAMPLES = Path(__file__).parent / "focus" / "spec_1.2_examples"
ALWAYS = Window(None, None)


def read(path: Path, **config: Any) -> list[Scoped]:
    source = open_source("focus", {"path": str(path), **config})
    assert isinstance(source, Focus)
    return [found for found in source.read_scopes(ALWAYS) if isinstance(found, Scoped)]


def facts(rows: list[Scoped]) -> list[Any]:
    """What the rows say, wherever they stood and however they were written."""
    return [(scoped.scope, *scoped.row[1:]) for scoped in rows]


def total(rows: list[Scoped]) -> Decimal:
    found = [scoped.row for scoped in rows]
    assert not [one for one in found if isinstance(one, Refusal)]
    return sum((one.cost for one in found if isinstance(one, Usage)), Decimal(0))


def test_the_source_is_known_by_its_kind_and_read_whole() -> None:
    source = open_source("focus", {"path": "x.csv"})
    assert (source.kind, source.contract) == ("focus", "snapshots")
    assert source.plan(Window(datetime(2026, 10, 1, tzinfo=UTC), None)) == ALWAYS


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({}, "path"),
        ({"path": "http://x/y"}, "a path names a file"),
        ({"path": "x", "cost_metric": "AmortizedCost"}, "write BilledCost, EffectiveCost, ContractedCost or ListCost"),
        ({"path": "x", "dates": "m/d/y"}, "month/day/year or day/month/year"),
        ({"path": "x", "numbers": "de"}, "plain for 1234.50 or us for"),
        ({"path": "x", "scope": "Tenant"}, "SubAccountId, or BillingAccountId where"),
        ({"path": "x", "team_tag": "a=b"}, "the key of a tag, without '='"),
        ({"path": "x", "resource_type": "Service Name"}, "the name of a FOCUS column"),
        ({"path": "x", "currency": "euro"}, "a code like USD"),
        ({"path": "x", "form": "csv"}, "form"),
    ],
)  # fmt: skip
def test_a_wrong_configuration_is_refused_saying_what_to_write(
    config: dict[str, Any], said: str
) -> None:
    with pytest.raises(Invalid, match=r"^The focus source's .* its settings are .*\.$") as refusal:
        open_source("focus", config)
    assert refusal.value.code == "source_config_invalid"
    assert said in refusal.value.message


# Σ EffectiveCost and Σ BilledCost of each of the specification's worked examples, as its text derives them.
WORKED = {
    "commitment_discount_purchase_scenario_1": ("0", "8760"),
    "commitment_discount_purchase_scenario_2": ("0", "3"),
    "commitment_discount_purchase_scenario_3": ("0", "4381.5"),
    "commitment_discount_usage_scenario_1": ("1", "0"),
    "commitment_discount_usage_scenario_2": ("1", "0"),
    "commitment_discount_usage_scenario_3": ("1", "0"),
    "commitment_discount_usage_scenario_4": ("1.5", "0.5"),
    "one_hundred_percent_utilization_with_commitment_discount_flexibility_with_1_resource": ("2.75", "2.75"),
    "one_hundred_percent_utilization_with_commitment_discount_flexibility_with_2_resources": ("2", "2"),
    "one_hundred_percent_utilization_without_commitment_discount_flexibility": ("1.5", "1.5"),
    "zero_percent_utilization_without_commitment_discount_flexibility": ("3.5", "3.5"),
    "saas_spend_agreements_a1": ("1200", "1200"),
    "saas_spend_agreements_a2": ("1200", "1200"),
    "saas_spend_agreements_b1": ("1200", "1200"),
    "saas_spend_agreements_b2": ("1200", "1200"),
    "simple_saas_agreements_a1": ("10000", "10000"),
    "simple_saas_agreements_a2": ("50000", "50000"),
    "simple_saas_agreements_a3": ("1000", "1000"),
    "simple_saas_agreements_b": ("50000", "50000"),
    "simple_saas_agreements_c": ("35800", "35800"),
    "virtual_currency_pricing_model_a1": ("0", "200000"),
    "virtual_currency_pricing_model_a2": ("1230", "0"),
    "virtual_currency_pricing_model_b1": ("0", "100000"),
    "virtual_currency_pricing_model_b2": ("615", "0"),
    "virtual_currency_pricing_model_b3": ("495", "0"),
    "virtual_currency_pricing_model_c": ("0", "53000"),
}  # fmt: skip


@pytest.mark.parametrize("example", WORKED)
def test_the_specifications_worked_examples_have_their_totals(example: str) -> None:
    file, spoken = EXAMPLES / f"{example}.csv", {"dates": "month/day/year", "numbers": "us"}
    effective, billed = WORKED[example]
    assert total(read(file, cost_metric="EffectiveCost", **spoken)) == Decimal(effective)
    assert total(read(file, cost_metric="BilledCost", **spoken)) == Decimal(billed)


def test_every_worked_example_is_read() -> None:
    assert {file.stem for file in EXAMPLES.glob("*.csv")} == set(WORKED)


def test_unused_commitments_of_the_examples_are_a_cost_of_their_own() -> None:
    (row,) = read(EXAMPLES / "commitment_discount_usage_scenario_2.csv")
    assert isinstance(row.row, Usage)
    assert row.row.resource_type == "Usage, unused commitment"


def test_a_byte_order_mark_hides_no_column(tmp_path: Path) -> None:
    marked = tmp_path / "marked.csv"
    marked.write_bytes(b"\xef\xbb\xbf" + SAMPLE.read_bytes())
    assert facts(read(marked)) == facts(read(SAMPLE))


def test_a_gzipped_export_says_the_same(tmp_path: Path) -> None:
    packed = tmp_path / "export.csv.gz"
    packed.write_bytes(gzip.compress(SAMPLE.read_bytes()))
    assert facts(read(packed)) == facts(read(SAMPLE))


def test_a_gzipped_export_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    packed = tmp_path / "export.csv.gz"
    packed.write_bytes(gzip.compress(SAMPLE.read_bytes())[:-2000])
    with pytest.raises(Invalid, match=r"is cut off or damaged .* export it again"):
        read(packed)


def as_table(**types: Any) -> Any:
    """The sample as a table of text, its columns cast to these types."""
    header = SAMPLE.read_text(encoding="utf-8").splitlines()[0].replace('"', "")
    options = pyarrow.csv.ConvertOptions(
        column_types=dict.fromkeys(header.split(","), pyarrow.string()),
        null_values=["NULL"],
        strings_can_be_null=True,
        quoted_strings_can_be_null=True,
    )
    table = pyarrow.csv.read_csv(SAMPLE, convert_options=options)
    for name, kind in types.items():
        place = table.schema.get_field_index(name)
        if pyarrow.types.is_timestamp(kind):  # text without a zone is no instant to pyarrow
            naive = table.column(name).cast(pyarrow.timestamp(kind.unit))
            table = table.set_column(place, name, naive)
        table = table.set_column(place, name, table.column(name).cast(kind))
    return table


@pytest.mark.parametrize(
    "types",
    [
        {},
        {"BilledCost": pyarrow.float64(), "ConsumedQuantity": pyarrow.float64()},
        {"BilledCost": pyarrow.decimal128(30, 11), "ChargePeriodStart": pyarrow.timestamp("us")},
        {"ChargePeriodStart": pyarrow.timestamp("ms", "UTC"), "BillingPeriodStart": pyarrow.timestamp("ns")},
        {"ServiceName": pyarrow.dictionary(pyarrow.int32(), pyarrow.string())},
    ],
)  # fmt: skip
def test_parquet_says_the_same_whatever_its_types(tmp_path: Path, types: dict[str, Any]) -> None:
    file = tmp_path / "export.parquet"
    pyarrow.parquet.write_table(as_table(**types), file)
    config = {"cost_metric": "BilledCost", "owner_tag": "application"}
    assert facts(read(file, **config)) == facts(read(SAMPLE, **config))


def test_tags_of_parquet_may_be_a_map(tmp_path: Path) -> None:
    table = as_table().slice(1, 1)
    tags = pyarrow.array([[("team", "search")]], pyarrow.map_(pyarrow.string(), pyarrow.string()))
    table = table.set_column(table.schema.get_field_index("Tags"), "Tags", tags)
    pyarrow.parquet.write_table(table, tmp_path / "export.parquet")
    (row,) = read(tmp_path / "export.parquet", team_tag="team")
    assert isinstance(row.row, Usage)
    assert row.row.team_id == "search"


def test_parquet_without_pyarrow_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "export.parquet"
    pyarrow.parquet.write_table(as_table(), file)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(
        Invalid, match=r"needs pyarrow; install it with pip install 'chargeback\[parquet\]'"
    ):
        read(file)
    assert len(read(SAMPLE)) == 1000


def test_damaged_parquet_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "export.parquet"
    pyarrow.parquet.write_table(as_table(), file)
    file.write_bytes(file.read_bytes()[:-500])
    with pytest.raises(Invalid, match="is cut off or damaged"):
        read(file)


def test_the_parts_of_a_folder_are_one_delivery(tmp_path: Path) -> None:
    lines = SAMPLE.read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / "part-1.csv").write_text("".join(lines[:501]), encoding="utf-8")
    (tmp_path / "deeper").mkdir()
    rest = "".join([lines[0], *lines[501:]]).encode()
    (tmp_path / "deeper" / "part-2.csv.gz").write_bytes(gzip.compress(rest))
    (tmp_path / "manifest.json").write_text("{}")
    key = str
    assert sorted(facts(read(tmp_path)), key=key) == sorted(facts(read(SAMPLE)), key=key)


@pytest.mark.parametrize(("readers", "rows"), [(1, 7), (2, 70), (3, 400), (4, 5_000)])
def test_readers_that_take_turns_read_together_what_one_reads(
    tmp_path: Path, readers: int, rows: int
) -> None:
    lines = SAMPLE.read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / "1.csv").write_text("".join(lines[:412]), encoding="utf-8")
    (tmp_path / "2.csv.gz").write_bytes(gzip.compress("".join([lines[0], *lines[412:]]).encode()))
    pyarrow.parquet.write_table(pyarrow.csv.read_csv(SAMPLE), tmp_path / "3.parquet")
    source = open_source("focus", {"path": str(tmp_path)})
    assert isinstance(source, Focus)
    whole = list(source.read_scopes(ALWAYS))
    shares = [share.read_scopes(ALWAYS) for share in source.shares(readers, rows)]
    turns = [list(islice(shares[turn % readers], rows)) for turn in range(2_000 // rows + readers)]
    assert len(whole) == 2_000
    assert [found for block in turns for found in block] == whole
    assert not [found for share in shares for found in share]


def test_every_reader_refuses_a_delivery_that_is_not_what_was_shared_out(tmp_path: Path) -> None:
    file = tmp_path / "export.csv"
    file.write_bytes(SAMPLE.read_bytes())
    source = open_source("focus", {"path": str(file)})
    assert isinstance(source, Focus)
    shares = source.shares(2, 100)
    assert len(list(shares[0].read_scopes(ALWAYS))) == 500
    file.write_bytes(SAMPLE.read_bytes() + SAMPLE.read_bytes().splitlines(keepends=True)[1])
    with pytest.raises(Unavailable, match="changed while it was read"):
        list(shares[1].read_scopes(ALWAYS))


def test_a_folder_without_a_table_and_a_missing_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"holds no file ending in \.csv, \.csv\.gz, \.parquet"):
        read(tmp_path)
    with pytest.raises(NotFound, match="is not there"):
        read(tmp_path / "export.csv")


def test_a_row_with_too_few_cells_says_nothing_of_its_scope(tmp_path: Path) -> None:
    file = tmp_path / "export.csv"
    lines = SAMPLE.read_text(encoding="utf-8").splitlines(keepends=True)
    file.write_text("".join(lines[:3]) + "NULL,1.00\n", encoding="utf-8")
    *_, short = read(file)
    assert short.scope is None
    assert isinstance(short.row, Refusal)
    assert (short.row.code, short.row.position) == ("row_short", 4)
