"""A source is configured right or refused in one sentence that repeats no secret."""

from datetime import UTC, datetime
from typing import Any

import pytest

from chargeback.errors import Invalid, Refused
from chargeback.settings import settings
from chargeback.sources import open_source
from chargeback.sources.contract import Window
from tests.sources.conftest import ALWAYS

URL = "http://tracker.example/api/cost/export"


def test_a_source_knows_its_kind_and_contract() -> None:
    source = open_source("cost_tracker", {"url": URL, "form": "csv"})
    assert (source.kind, source.contract) == ("cost_tracker", "events")


def test_an_unknown_kind_is_refused_with_the_known_ones_and_not_repeated() -> None:
    with pytest.raises(Invalid, match=r"the kinds are: cost_tracker\.$") as refusal:
        open_source("postgres://user:hunter2@host/db", {})
    assert "hunter2" not in refusal.value.message


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"form": "json"}, "exactly one of `path` and `url`"),
        ({"form": "json", "path": "a", "url": URL}, "exactly one of `path` and `url`"),
        ({"path": "a"}, "form"),
        ({"path": "a", "form": "xml"}, "form"),
        ({"path": "", "form": "json"}, "path"),
        ({"path": "a\0hunter2", "form": "json"}, "path"),
        ({"path": "http://hunter2/x", "form": "json"}, "path"),
        ({"url": "ftp://hunter2/x", "form": "json"}, "url"),
        ({"url": "hunter2", "form": "json"}, "url"),
        ({"url": "http://[hunter2", "form": "json"}, "url"),
        ({"url": "http://hunter2:99999/x", "form": "json"}, "url"),
        ({"url": "http:///hunter2", "form": "json"}, "url"),
        ({"url": f"http://{'hunter2' * 10}/x", "form": "json"}, "url"),
        ({"url": "http://user:hunter2@host/x", "form": "json"}, "url"),
        ({"url": URL, "form": "json", "token": "hunter2"}, "token"),
        ({"url": URL, "form": "json", "token_env": "sk-hunter2"}, "token_env"),
        ({"path": "a", "form": "json", "token_env": "TOKEN"}, "token_env"),
        ({"path": "a", "form": "json", "owner_tag": "a=b"}, "owner_tag"),
        ({"path": "a", "form": "json", "currency": "usd"}, "currency"),
    ],
)
def test_a_wrong_configuration_is_refused_naming_the_field(
    config: dict[str, Any], field: str
) -> None:
    with pytest.raises(Invalid, match=f"^The cost_tracker source's .*{field}.*\\.$") as refusal:
        open_source("cost_tracker", config)
    assert refusal.value.code == "source_config_invalid"
    assert "hunter2" not in refusal.value.message
    assert "\n" not in refusal.value.message


def test_another_currency_than_the_ledgers_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    config = {"path": "a", "form": "json", "currency": "EUR"}
    with pytest.raises(Refused, match="in EUR and the ledger's in USD"):
        open_source("cost_tracker", config)
    monkeypatch.setenv("CHARGEBACK_CURRENCY", "EUR")
    settings.cache_clear()
    assert open_source("cost_tracker", config).kind == "cost_tracker"


def test_a_file_is_read_whole_whatever_is_asked_and_an_address_is_asked_for_the_window() -> None:
    asked = Window(datetime(2026, 10, 1, tzinfo=UTC), None)
    assert open_source("cost_tracker", {"path": "a", "form": "csv"}).plan(asked) == ALWAYS
    assert open_source("cost_tracker", {"url": URL, "form": "csv"}).plan(asked) == asked
