"""A source is configured right or refused in one sentence that repeats no secret."""

from datetime import UTC, datetime
from typing import Any

import pytest

from chargeback.errors import Invalid
from chargeback.sources import currency_of, open_source
from chargeback.sources.contract import Window
from tests.sources.conftest import ALWAYS

URL = "http://tracker.example/api/cost/export"


def test_a_source_knows_its_kind_and_contract() -> None:
    source = open_source("cost_tracker", {"url": URL, "form": "csv"})
    assert (source.kind, source.contract) == ("cost_tracker", "events")


def test_an_unknown_kind_is_refused_with_the_known_ones_and_not_repeated() -> None:
    with pytest.raises(Invalid, match=r"the kinds are: cost_tracker, ") as refusal:
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
        ({"url": URL, "form": "json", "token_env": "A", "token_block": "b"}, "one of `token_env`"),
        ({"url": URL, "form": "json", "token_env": "CHARGEBACK_DATABASE_URL"}, "token_env"),
        ({"url": URL, "form": "json", "token_block": "Sk_hunter2"}, "token_block"),
        ({"url": f"{URL}?api_key=hunter2", "form": "json"}, "its query holds a secret"),
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


GOOD: dict[str, dict[str, Any]] = {
    "cost_tracker": {"url": URL, "form": "json"},
    "litellm_db": {"dsn_env": "LITELLM_URL"},
    "litellm_http": {"url": "https://litellm.example", "token_env": "LITELLM_KEY"},
    "focus": {"path": "a.csv"},
    "opencost": {"url": "http://opencost.example:9003", "cluster": "prod", "since": "2026-10-01"},
    "openai_costs": {"since": "2026-10-01", "token_env": "OPENAI_ADMIN_KEY"},
    "anthropic_costs": {"since": "2026-10-01", "token_block": "anthropic-admin"},
    "mapped_file": {"path": "a.csv", "form": "csv", "fixed": {"resource_type": "x", "unit": "y"},
                    "columns": {"external_id": "i", "usage_at": "t", "cost": "c"}},
    "push": {},
}  # fmt: skip


@pytest.mark.parametrize("kind", GOOD)
def test_every_kind_opens_without_reading_anything(kind: str) -> None:
    source = open_source(kind, GOOD[kind])
    assert (source.kind, source.contract) == (kind, "snapshots" if kind == "focus" else "events")
    assert source.roles


@pytest.mark.parametrize("kind", GOOD)
@pytest.mark.parametrize("change", [{"hunter": "hunter2"}, {"currency": "hunter2"}])
def test_every_kind_says_which_settings_it_has_and_repeats_none(
    kind: str, change: dict[str, Any]
) -> None:
    with pytest.raises(
        Invalid, match=f"^The {kind} source's .*its settings are .*currency"
    ) as refusal:
        open_source(kind, GOOD[kind] | change)
    assert "hunter2" not in refusal.value.message


@pytest.mark.parametrize(
    ("kind", "change", "says"),
    [
        ("litellm_db", {"dsn_env": None}, "give `dsn_env` or `dsn_block`"),
        ("litellm_db", {"dsn_block": "litellm"}, "give one of `dsn_env` and `dsn_block`"),
        (
            "litellm_db",
            {"dsn_env": "postgres://u:hunter2@h/d"},
            "the name of the environment variable",
        ),
        ("litellm_db", {"database_schema": 'public"; DROP'}, "write the name of a schema"),
        ("litellm_db", {"page_rows": 0}, "page_rows cannot be used"),
        ("litellm_http", {"url": "litellm.example"}, "it is no address like http://host:port/path"),
        ("litellm_http", {"since": "last year"}, "write the first day to read, like 2026-10-01"),
        ("litellm_http", {"page_rows": 5_000}, "less than or equal to 1000"),
        ("opencost", {"cluster": None}, "write the cluster's name"),
        ("opencost", {"measure": "joules"}, "write one of cost, minutes"),
        ("opencost", {"since": None}, "write the first day to read"),
        ("openai_costs", {"token_env": None}, "give `token_env` or `token_block`"),
        ("anthropic_costs", {"token_block": None}, "give `token_env` or `token_block`"),
    ],
)
def test_each_kind_says_what_to_change(kind: str, change: dict[str, Any], says: str) -> None:
    config = {key: value for key, value in (GOOD[kind] | change).items() if value is not None}
    with pytest.raises(Invalid) as refusal:
        open_source(kind, config)
    assert says in refusal.value.message
    assert "hunter2" not in refusal.value.message


def test_a_source_may_count_in_another_currency_than_the_ledgers() -> None:
    config = {"path": "a", "form": "json", "currency": "EUR"}
    assert open_source("cost_tracker", config).kind == "cost_tracker"
    assert currency_of("cost_tracker", config) == "EUR"
    assert currency_of("cost_tracker", {"path": "a", "form": "json"}) == "USD"


def test_a_file_is_read_whole_whatever_is_asked_and_an_address_is_asked_for_the_window() -> None:
    asked = Window(datetime(2026, 10, 1, tzinfo=UTC), None)
    assert open_source("cost_tracker", {"path": "a", "form": "csv"}).plan(asked) == ALWAYS
    assert open_source("cost_tracker", {"url": URL, "form": "csv"}).plan(asked) == asked
