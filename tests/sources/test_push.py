"""What is pushed is NDJSON, a JSON list, or CloudEvents; each record is booked or refused on its own."""

import io
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from chargeback.errors import Invalid
from chargeback.sources import open_source
from chargeback.sources.contract import Refusal, Usage
from chargeback.sources.push import Push
from tests.sources.conftest import ALWAYS

RECORD = {"external_id": "r-1", "usage_at": "2026-10-05T12:00:00Z", "team_id": "search", "resource_type": "query",
          "quantity": 100.0, "cost": "5.50"}  # fmt: skip
EVENT = {"specversion": "1.0", "type": "com.example.tokens", "source": "/agents/sql", "id": "e-1", "subject": "u-ana",
         "time": "2026-10-05T12:00:00Z", "data": {"cost": "0.30", "quantity": "120", "unit": "Tokens"}}  # fmt: skip


def pushed(*records: Any) -> list[Usage | Refusal]:
    source = open_source("push", {})
    assert isinstance(source, Push)
    text = "\n".join(
        record if isinstance(record, str) else json.dumps(record) for record in records
    )
    return list(source.pushed(io.StringIO(text), "batch"))


def only(*records: Any) -> Usage:
    (usage,) = pushed(*records)
    assert isinstance(usage, Usage), usage
    return usage


def test_a_record_speaks_the_ledgers_own_words() -> None:
    usage = only(RECORD)
    assert (usage.external_id, usage.team_id, usage.resource_type) == ("r-1", "search", "query")
    assert (usage.quantity, usage.cost, usage.unit) == (Decimal("100.0"), Decimal("5.50"), "Units")
    assert usage.usage_at == datetime(2026, 10, 5, 12, tzinfo=UTC)


def test_a_record_may_speak_the_trackers_words_too() -> None:
    usage = only({"external_id": "r-1", "timestamp": "2026-10-05T12:00:00Z", "cost_usd": 0.1, "model": "gpt-4o",
                  "resource_type": "query", "tokens": {"prompt": 10, "completion": 0}})  # fmt: skip
    assert (usage.cost, usage.sku, usage.tokens) == (
        Decimal("0.1"),
        "gpt-4o",
        (("prompt", Decimal(10)),),
    )


def test_an_event_is_named_by_its_source_and_id_and_belongs_to_its_subject() -> None:
    usage = only(EVENT)
    assert (usage.external_id, usage.user_id) == ("/agents/sql|e-1", "u-ana")
    assert (usage.resource_type, usage.unit) == ("com.example.tokens", "Tokens")
    assert (usage.quantity, usage.cost) == (Decimal(120), Decimal("0.30"))


def test_an_events_data_may_say_who_and_what_more_closely() -> None:
    data = EVENT["data"] | {"team_id": "etl", "user_id": "u-bob", "resource_type": "tokens"}  # type: ignore[operator]
    usage = only(EVENT | {"data": data})
    assert (usage.team_id, usage.user_id, usage.resource_type) == ("etl", "u-bob", "tokens")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"id": None}, "external_id_missing"),
        ({"source": ""}, "external_id_missing"),
        ({"time": "yesterday"}, "usage_at_invalid"),
        ({"data": None}, "cost_missing"),
        ({"data": "a,b"}, "cost_missing"),
        ({"type": None}, "resource_type_missing"),
        ({"data": {"cost": "lots"}}, "cost_invalid"),
        ({"data": {"cost": 1, "quantity": -1}}, "quantity_negative"),
        ({"data": {"cost": 1, "currency": "dollars"}}, "currency_invalid"),
        ({"data": {"cost": 1, "tokens": 7}}, "tokens_invalid"),
        ({"data": {"cost": 1, "user_id": " u"}}, "user_id_invalid"),
        ({"data": {"cost": True}}, "cost_invalid"),
        ({"data": {"cost": [1]}}, "cost_invalid"),
        ({"data": {"cost": "1e30"}}, "cost_out_of_range"),
    ],
)
def test_an_event_that_cannot_be_booked_says_why(change: dict[str, Any], code: str) -> None:
    (refusal,) = pushed(EVENT | change)
    assert isinstance(refusal, Refusal)
    assert refusal.code == code


def test_a_list_and_lines_say_the_same() -> None:
    records = [RECORD, EVENT]
    assert pushed(json.dumps(records, indent=1)) == pushed(*records)


def test_a_broken_line_spoils_itself_only() -> None:
    rows = pushed(RECORD, "{", "7", EVENT)
    assert [type(row) for row in rows] == [Usage, Refusal, Refusal, Usage]
    assert [row.position for row in rows] == [1, 2, 3, 4]


def test_nothing_at_all_is_refused() -> None:
    with pytest.raises(Invalid, match="batch is empty; push one record per line"):
        pushed(" \n ")


def test_what_a_refused_record_said_beside_its_facts_is_not_kept() -> None:
    (refusal,) = pushed(RECORD | {"cost": None, "prompt": "who earns what?"})
    assert isinstance(refusal, Refusal)
    assert "who earns what?" not in json.dumps(refusal.row)
    assert refusal.row["external_id"] == "r-1"


def test_a_refused_record_that_is_mended_keeps_its_tokens_and_its_currency() -> None:
    (refusal,) = pushed(RECORD | {"cost": "much", "tokens": {"prompt": 10}, "currency": "EUR"})
    assert isinstance(refusal, Refusal)
    assert refusal.currency == "EUR"
    source = open_source("push", {})
    assert isinstance(source, Push)
    mended = source.read_row(1, refusal.row | {"cost": "2"})
    assert isinstance(mended, Usage)
    assert (mended.cost, mended.currency, mended.tokens) == (
        Decimal(2),
        "EUR",
        (("prompt", Decimal(10)),),
    )


def test_a_currency_is_kept_where_it_is_another_than_the_sources() -> None:
    """A ledger in USD, a source that counts in EUR: the record in USD must not be taken for EUR."""
    source = open_source("push", {"currency": "EUR"})
    assert isinstance(source, Push)
    found = [source.usage(1, RECORD | {"quantity": 1, "currency": code}) for code in ("EUR", "USD")]
    assert [usage.currency for usage in found] == [None, "USD"]


def test_there_is_nothing_to_fetch() -> None:
    assert list(open_source("push", {}).read(ALWAYS)) == []
