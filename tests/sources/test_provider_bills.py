"""What OpenAI and Anthropic bill is read by day, page by page, and only ever compared."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from chargeback.errors import Invalid, Unavailable
from chargeback.ledger import usage_sources
from chargeback.ledger.database import transaction
from chargeback.sources import open_source
from chargeback.sources.contract import ReadsRows, Refusal, Usage, Window
from models.enums import SourceRole
from tests.conftest import Ledger
from tests.sources.fake_web import Answer, Asked, answering

DATA = Path("tests/sources/data")
OPENAI: dict[str, Any] = json.loads((DATA / "openai_costs.json").read_text())
ANTHROPIC: dict[str, Any] = json.loads((DATA / "anthropic_cost_report.json").read_text())
CONFIG = {"since": "2026-10-01", "restated_days": 0, "token_env": "ADMIN_KEY"}
FIRST_DAY = Window(datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 10, 2, tzinfo=UTC))


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADMIN_KEY", "sk-admin")


def openai(asked: Asked) -> Answer:
    """The sample's page, which says there is another; the second is the last."""
    if asked.one("page") == "page_AAA":
        return Answer({"object": "page", "data": [], "has_more": False, "next_page": None})
    return Answer(OPENAI)


def read(kind: str, answer: Any, **config: Any) -> tuple[list[Any], list[Asked]]:
    with answering(answer) as web:
        source = open_source(kind, {"url": web.url, **CONFIG, **config})
        return list(source.read(source.plan(FIRST_DAY))), web.asked


def test_openai_bills_a_project_and_a_line_item_a_day() -> None:
    rows, asked = read("openai_costs", openai)
    assert [(row.external_id, row.account_id, row.sku, row.cost) for row in rows] == [
        (
            "2026-10-01/proj_search/gpt-4o, input",
            "proj_search",
            "gpt-4o, input",
            Decimal("12.3456789"),
        ),
        ("2026-10-01//credit", None, "credit", Decimal("-1.0")),
    ]
    assert {row.usage_at for row in rows} == {datetime(2026, 10, 1, tzinfo=UTC)}
    assert all(row.currency is None for row in rows)
    assert [one.one("page") for one in asked] == ["", "page_AAA"]
    assert asked[0].query["group_by"] == ["project_id", "line_item"]
    assert (asked[0].one("start_time"), asked[0].one("end_time")) == ("1790812800", "1790899200")
    assert asked[0].headers["authorization"] == "Bearer sk-admin"


def test_a_bill_in_another_currency_keeps_it() -> None:
    bill = json.loads(json.dumps(OPENAI).replace('"usd"', '"eur"')) | {"has_more": False}
    rows, _ = read("openai_costs", lambda _: Answer(bill))
    assert {row.currency for row in rows} == {"EUR"}


def test_anthropics_amounts_are_cents() -> None:
    rows, asked = read("anthropic_costs", lambda _: Answer(ANTHROPIC))
    (usage,) = rows
    assert usage.cost == Decimal("1.2345")
    assert usage.sku == "Claude Sonnet 4.5 Usage - Input Tokens"
    assert usage.external_id == (
        "2026-10-01//Claude Sonnet 4.5 Usage - Input Tokens/tokens/claude-sonnet-4-5/"
        "uncached_input_tokens/0-200k/standard"
    )
    (one,) = asked
    assert one.query["group_by[]"] == ["workspace_id", "description"]
    assert (one.one("starting_at"), one.one("ending_at")) == (
        "2026-10-01T00:00:00Z",
        "2026-10-02T00:00:00Z",
    )
    assert one.headers["x-api-key"] == "sk-admin"
    assert one.headers["anthropic-version"] == "2023-06-01"
    assert "authorization" not in one.headers


def test_an_amount_that_is_no_number_is_refused_alone() -> None:
    bill = json.loads(json.dumps(ANTHROPIC).replace('"123.45"', '"a lot"'))
    rows, _ = read("anthropic_costs", lambda _: Answer(bill))
    assert [(type(row), row.code) for row in rows] == [(Refusal, "cost_invalid")]


def test_a_refused_line_that_is_mended_is_the_line_it_was() -> None:
    """Its id and its line item have one name at the source; mended, neither takes the other's place."""
    bill = json.loads(json.dumps(OPENAI).replace("12.3456789", '"a lot"')) | {"has_more": False}
    rows, _ = read("openai_costs", lambda _: Answer(bill))
    refused = rows[0]
    source = open_source("openai_costs", CONFIG)
    assert isinstance(source, ReadsRows)
    mended = source.read_row(1, refused.row | {"cost": "12.5"})
    assert isinstance(mended, Usage)
    assert (mended.external_id, mended.sku) == (
        "2026-10-01/proj_search/gpt-4o, input",
        "gpt-4o, input",
    )
    assert (mended.account_id, mended.cost) == ("proj_search", Decimal("12.5"))


@pytest.mark.parametrize("kind", ["openai_costs", "anthropic_costs"])
def test_pages_that_go_round_in_circles_are_not_believed(kind: str) -> None:
    page = {"data": [], "has_more": True, "next_page": "again"}
    with pytest.raises(Unavailable, match="gives no further page"):
        read(kind, lambda _: Answer(page))


def test_a_bucket_without_its_day_is_no_bill() -> None:
    page = {"data": [{"results": [{"amount": {"value": 1}}]}], "has_more": False}
    with pytest.raises(Invalid, match="has no `start_time`"):
        read("openai_costs", lambda _: Answer(page))


@pytest.mark.parametrize("kind", ["openai_costs", "anthropic_costs"])
def test_a_providers_bill_is_never_billed_on(kind: str, ledger: Ledger) -> None:
    config = {"since": "2026-10-01", "token_env": "ADMIN_KEY"}
    with transaction() as connection:
        with pytest.raises(
            Invalid, match=f"kind {kind} cannot have the role allocate; give it reconcile_only"
        ):
            usage_sources.put(connection, "bill", kind, SourceRole.ALLOCATE, config, "test")
        assert usage_sources.put(
            connection, "bill", kind, SourceRole.RECONCILE_ONLY, config, "test"
        )


def test_windows_longer_than_a_page_are_asked_for_in_parts() -> None:
    empty = {"data": [], "has_more": False}
    with answering(lambda _: Answer(empty)) as web:
        source = open_source("anthropic_costs", {"url": web.url, **CONFIG})
        window = source.plan(Window(None, datetime(2026, 12, 5, tzinfo=UTC)))
        assert list(source.read(window)) == []
    assert [asked.one("starting_at")[:10] for asked in web.asked] == [
        "2026-10-01",
        "2026-11-01",
        "2026-12-02",
    ]
