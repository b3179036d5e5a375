"""Each row is usage or is refused for the first thing that is wrong with it."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargeback.sources.contract import Refusal, Usage
from chargeback.sources.tracker_checks import FIELDS, checked
from chargeback.sources.tracker_rows import TrackerRows

GOOD: dict[str, Any] = {
    "call_id": "call-1",
    "timestamp": "2026-10-08T09:02:44Z",
    "provider": "anthropic",
    "model": "claude-sonnet-5",
    "agent_id": "agent-support",
    "prompt_tokens": 111,
    "completion_tokens": 118,
    "total_tokens": 229,
    "cost_usd": Decimal("0.002103"),
    "operation_type": "query",
    "metadata": {"query_length": 11, "team_id": "team-search", "user_id": "u-fay"},
}
MISSING = object()


def make_record(**changes: Any) -> dict[str, Any]:
    record = {**GOOD, **changes}
    return {key: value for key, value in record.items() if value is not MISSING}


def with_metadata(**changes: Any) -> dict[str, Any]:
    return make_record(metadata={**GOOD["metadata"], **changes})


def refused(record: Any) -> Refusal:
    found = TrackerRows("project").of_record(7, record)
    assert isinstance(found, Refusal)
    assert found.position == 7
    assert found.reason.endswith(".")
    json.dumps(found.row).encode()
    return found


def accepted(record: Any) -> Usage:
    found = TrackerRows(None).of_record(7, record)
    assert isinstance(found, Usage)
    return found


REFUSED: list[tuple[Any, str]] = [
    ("text", "record_invalid"),
    (None, "record_invalid"),
    ([], "record_invalid"),
    (make_record(call_id=MISSING), "call_id_missing"),
    (make_record(call_id=None), "call_id_missing"),
    (make_record(call_id=""), "call_id_missing"),
    (make_record(call_id="  "), "call_id_missing"),
    (make_record(call_id=17), "call_id_invalid"),
    (make_record(call_id="x" * 256), "call_id_invalid"),
    (make_record(call_id="a\0b"), "call_id_invalid"),
    (make_record(call_id="a\ud800"), "call_id_invalid"),
    (make_record(cost_usd=MISSING), "cost_missing"),
    (make_record(cost_usd=None), "cost_missing"),
    (make_record(cost_usd=""), "cost_missing"),
    (make_record(cost_usd=True), "cost_invalid"),
    (make_record(cost_usd=Decimal("NaN")), "cost_invalid"),
    (make_record(cost_usd=Decimal("-Infinity")), "cost_invalid"),
    (make_record(cost_usd="NaN"), "cost_invalid"),
    (make_record(cost_usd="1_000"), "cost_invalid"),
    (make_record(cost_usd="١٢"), "cost_invalid"),
    (make_record(cost_usd="5,50"), "cost_invalid"),
    (make_record(cost_usd="1,234.50"), "cost_invalid"),
    (make_record(cost_usd="$5"), "cost_invalid"),
    (make_record(cost_usd="(5.00)"), "cost_invalid"),
    (make_record(cost_usd=" 5"), "cost_invalid"),
    (make_record(cost_usd={"query": "secret"}), "cost_invalid"),
    (make_record(cost_usd=Decimal("1e20")), "cost_out_of_range"),
    (make_record(cost_usd="-1e20"), "cost_out_of_range"),
    (make_record(cost_usd=Decimal("1e-99999")), "cost_out_of_range"),
    (make_record(timestamp=MISSING), "timestamp_missing"),
    (make_record(timestamp=None), "timestamp_missing"),
    (make_record(timestamp=""), "timestamp_missing"),
    (make_record(timestamp=1790000000), "timestamp_invalid"),
    (make_record(timestamp="yesterday"), "timestamp_invalid"),
    (make_record(timestamp="infinity"), "timestamp_invalid"),
    (make_record(timestamp="01/02/2024"), "timestamp_invalid"),
    (make_record(timestamp="2026-02-30T00:00:00Z"), "timestamp_invalid"),
    (make_record(timestamp="2026-10-31T24:00:00Z"), "timestamp_invalid"),
    (make_record(timestamp="2026-10-31T23:59:60Z"), "timestamp_invalid"),
    (make_record(timestamp="2026-10-31T10:00:00 IST"), "timestamp_invalid"),
    (make_record(timestamp="2026-W44-6T10:00:00Z"), "timestamp_invalid"),
    (make_record(timestamp="1969-12-31T23:59:59Z"), "timestamp_invalid"),
    (make_record(timestamp="9999-01-01T00:00:00Z"), "timestamp_invalid"),
    (make_record(timestamp="0001-01-01T00:00:00Z"), "timestamp_invalid"),
    (make_record(total_tokens=-1), "quantity_negative"),
    (make_record(total_tokens="many"), "quantity_invalid"),
    (make_record(total_tokens=False), "quantity_invalid"),
    (make_record(total_tokens=Decimal("NaN")), "quantity_invalid"),
    (make_record(total_tokens=10**20), "quantity_out_of_range"),
    (make_record(total_tokens=Decimal("1e-19")), "quantity_out_of_range"),
    (make_record(metadata="team-search"), "metadata_invalid"),
    (make_record(metadata=[]), "metadata_invalid"),
    (with_metadata(team_id=42), "team_id_invalid"),
    (with_metadata(team_id="x" * 256), "team_id_invalid"),
    (with_metadata(team_id=" a "), "team_id_invalid"),
    (with_metadata(team_id="a\0"), "team_id_invalid"),
    (with_metadata(team_id="a\udfff"), "team_id_invalid"),
    (with_metadata(user_id=["u-fay"]), "user_id_invalid"),
    (with_metadata(user_id="u-fay\n"), "user_id_invalid"),
    (make_record(agent_id=0), "agent_id_invalid"),
    (make_record(agent_id=" "), "agent_id_invalid"),
    (with_metadata(account_id={}), "account_id_invalid"),
    (with_metadata(project=1), "owner_tag_invalid"),
    (with_metadata(project="x" * 250), "owner_tag_invalid"),
    (make_record(operation_type=MISSING), "operation_type_missing"),
    (make_record(operation_type=""), "operation_type_missing"),
    (make_record(operation_type=False), "operation_type_invalid"),
    (make_record(model=4), "model_invalid"),
]


@pytest.mark.parametrize(("record", "code"), REFUSED)
def test_a_row_that_cannot_be_booked_is_refused_with_its_code(record: Any, code: str) -> None:
    assert refused(record).code == code


def test_of_several_faults_the_first_is_named() -> None:
    broken = make_record(call_id="", cost_usd="free", timestamp="never", total_tokens=-1)
    assert refused(broken).code == "call_id_missing"
    assert refused({**broken, "call_id": "x"}).code == "cost_invalid"
    assert refused({**broken, "call_id": "x", "cost_usd": "1"}).code == "timestamp_invalid"


def test_a_refusal_says_what_can_still_be_read() -> None:
    found = refused(make_record(total_tokens=-1))
    assert found == Refusal(
        position=7,
        external_id="call-1",
        usage_at=datetime(2026, 10, 8, 9, 2, 44, tzinfo=UTC),
        code="quantity_negative",
        reason="total_tokens is below zero; give zero or more.",
        row={
            "call_id": "call-1",
            "timestamp": "2026-10-08T09:02:44Z",
            "provider": "anthropic",
            "model": "claude-sonnet-5",
            "agent_id": "agent-support",
            "prompt_tokens": "111",
            "completion_tokens": "118",
            "total_tokens": "-1",
            "cost_usd": "0.002103",
            "operation_type": "query",
            "metadata": {"team_id": "team-search", "user_id": "u-fay", "query_length": "11"},
        },
        raw_cost=Decimal("0.002103"),
    )


@pytest.mark.parametrize("record", [record for record, _ in REFUSED if isinstance(record, dict)])
def test_a_refusal_never_repeats_the_question_somebody_asked(record: dict[str, Any]) -> None:
    secret = {"query": "salary of Ms Jones", "prompt": "salary of Ms Jones"}
    metadata = record["metadata"]
    asked = {**metadata, **secret} if isinstance(metadata, dict) else ["salary of Ms Jones"]
    assert "Jones" not in str(refused({**record, **secret, "metadata": asked}))


def test_a_refusal_can_be_stored_by_postgres_whatever_it_shows() -> None:
    found = refused(make_record(call_id="a\0b\ud800", agent_id="x" * 9999))
    text = json.dumps([found.external_id, found.reason, found.row], ensure_ascii=False)
    assert "\\u0000" not in text
    assert len(text.encode()) < 4000


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (Decimal("-5.25"), "-5.25"),
        ("5.50", "5.50"),
        ("1e5", "100000"),
        (0, "0"),
        (3, "3"),
        (Decimal("4E-13"), "0.0000000000004"),
        ("99999999999999999999", "99999999999999999999"),
        (Decimal("0.1000000000000000055511151231257827"), "0.1000000000000000055511151231257827"),
    ],
)
def test_a_cost_is_taken_digit_for_digit(given: Any, expected: str) -> None:
    assert accepted(make_record(cost_usd=given)).cost == Decimal(expected)


@pytest.mark.parametrize("given", [Decimal("-0.0"), "-0", "-0.000000"])
def test_minus_zero_is_zero(given: Any) -> None:
    assert str(accepted(make_record(cost_usd=given)).cost) == "0"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2026-10-31T23:59:59.9999999Z", datetime(2026, 10, 31, 23, 59, 59, 999999, tzinfo=UTC)),
        ("2026-10-31T23:30:00-05:00", datetime(2026, 11, 1, 4, 30, tzinfo=UTC)),
        ("2026-10-31T23:30:00", datetime(2026, 10, 31, 23, 30, tzinfo=UTC)),
        ("2026-10-31 23:30:00.5Z", datetime(2026, 10, 31, 23, 30, 0, 500000, tzinfo=UTC)),
    ],
)
def test_a_time_is_an_instant_in_utc_cut_to_microseconds(given: str, expected: datetime) -> None:
    usage_at = accepted(make_record(timestamp=given)).usage_at
    assert usage_at == expected
    assert usage_at.utcoffset() == expected.utcoffset()


def test_tokens_that_are_not_stated_are_none() -> None:
    assert accepted(make_record(total_tokens=MISSING)).quantity == 0
    assert accepted(make_record(total_tokens=None)).quantity == 0


def test_names_stay_as_they_are_written() -> None:
    usage = accepted(with_metadata(team_id="NA", user_id="Ünï 😀 & <b>"))
    assert (usage.team_id, usage.user_id) == ("NA", "Ünï 😀 & <b>")


VALUES = st.sampled_from(
    [
        *(value for record, _ in REFUSED if isinstance(record, dict) for value in record.values()),
        *("agent-support", "", "5.50", "12", "-0.0", "é", "a b", " a", 0, 1, 2**80, Decimal("-0")),
        *(Decimal("1E-25"), Decimal(1).scaleb(18), Decimal("9" * 39), Decimal("0." + "1" * 45)),
        *("2026-10-31T23:59:59.999999Z", "2199-12-31T23:59:59Z", "2026-10-31T10:00:00.5Z"),
    ]
)
RECORDS = st.fixed_dictionaries({}, optional=dict.fromkeys(GOOD, VALUES)).map(
    lambda changes: {**GOOD, **changes}
)


@given(st.lists(RECORDS, max_size=6))
def test_the_short_way_never_disagrees_with_the_long_one(records: list[dict[str, Any]]) -> None:
    rows = TrackerRows("project")
    for record in records * 2:
        assert repr(rows.of_record(1, record)) == repr(checked(1, record, "project"))


CELLS = st.lists(VALUES.filter(lambda value: isinstance(value, str)), min_size=10, max_size=10)


@given(st.dictionaries(st.integers(0, 9), CELLS.map(lambda cells: cells[0])))
def test_the_short_way_never_disagrees_about_cells(changes: dict[int, str]) -> None:
    rows = TrackerRows(None)
    cells = [changes.get(place, str(GOOD[field])) for place, field in enumerate(FIELDS)]
    for _ in range(2):
        found = rows.of_cells(1, cells)
        assert repr(found) == repr(checked(1, dict(zip(FIELDS, cells, strict=True)), None))
