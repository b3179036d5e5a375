"""LiteLLM's database is read whole, each request once, whatever is written to it meanwhile."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from chargeback import money
from chargeback.errors import ChargebackError, Invalid, Refused, Unavailable
from chargeback.sources import open_source
from chargeback.sources.contract import Refusal, Source, Usage, Window
from chargeback.sources.foreign_postgres import page, reading
from chargeback.sources.litellm_rows import HEALTH_CHECKS
from tests.postgres import Server
from tests.sources.conftest import ALWAYS
from tests.sources.litellm_database import MIGRATIONS, connected, dsn, fill

ROWS = 1_000
# Summed by hand over the file's own digits, each row rounded to 18 decimals as it enters.
TOTAL = Decimal("2.986861285000000097")
INSERT = """INSERT INTO "LiteLLM_SpendLogs" (request_id, call_type, api_key, spend, total_tokens, prompt_tokens,
    completion_tokens, "startTime", "endTime", model, "user", team_id, metadata, request_tags, cache_hit)
    VALUES (%(id)s, 'acompletion', %(key)s, %(spend)s, 12, 10, 2, %(at)s, %(at)s, 'gpt-4o', %(user)s, %(team)s,
        %(metadata)s, %(tags)s, %(cache_hit)s)"""
USUAL = {"id": "r-1", "key": "hash", "spend": "0.25", "at": "2026-10-05 12:00:00", "user": "u-ana",
         "team": "search", "metadata": "{}", "tags": "[]", "cache_hit": "None"}  # fmt: skip


@pytest.fixture
def database(litellm: str, postgres: Server) -> Iterator[Any]:
    """LiteLLM's database without a row."""
    with connected(postgres, litellm) as connection:
        yield connection


def add(database: Any, **values: str) -> None:
    with database.cursor() as cursor:
        cursor.execute(INSERT, USUAL | values)


def source(**config: Any) -> Source:
    return open_source("litellm_db", {"dsn_env": "LITELLM_URL", **config})


def read(window: Window = ALWAYS, **config: Any) -> list[Usage]:
    found = list(source(**config).read(window))
    assert all(isinstance(row, Usage) for row in found)
    return [row for row in found if isinstance(row, Usage)]


def only(**config: Any) -> Usage:
    (usage,) = read(**config)
    return usage


def test_the_schema_is_upstreams_own() -> None:
    assert len(list(MIGRATIONS.glob("*/migration.sql"))) >= 220


@pytest.mark.parametrize("page_rows", [1, 7, 999, 1_000, 5_000])
def test_every_row_is_read_once_in_order_whatever_the_page(database: Any, page_rows: int) -> None:
    fill(database)
    rows = read(page_rows=page_rows)
    assert len({row.external_id for row in rows}) == len(rows) == ROWS
    assert [(row.usage_at, row.external_id) for row in rows] == sorted(
        (row.usage_at, row.external_id) for row in rows
    )
    assert money.exact_sum(money.enter(row.cost)[0] for row in rows) == TOTAL


def test_the_window_is_half_open(database: Any) -> None:
    for number, at in enumerate(
        ["2026-10-01 00:00:00", "2026-10-31 23:59:59.999", "2026-11-01 00:00:00"]
    ):
        add(database, id=f"r-{number}", at=at)
    october = Window(datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC))
    assert [row.external_id for row in read(october)] == ["r-0", "r-1"]


def test_rows_of_one_instant_are_not_lost_between_pages(database: Any) -> None:
    for number in range(7):
        add(database, id=f"r-{number}")
    assert [row.external_id for row in read(page_rows=2)] == [f"r-{number}" for number in range(7)]


def test_a_row_that_is_written_ahead_of_the_page_is_read_and_one_behind_it_waits(
    database: Any,
) -> None:
    for number in range(4):
        add(database, id=f"r-{number}", at=f"2026-10-0{number + 1} 00:00:00")
    rows = source(page_rows=2).read(ALWAYS)
    seen = [next(rows)]
    add(database, id="r-late", at="2026-10-01 12:00:00")
    add(database, id="r-new", at="2026-10-09 12:00:00")
    ids = [row.external_id for row in (*seen, *rows)]
    assert ids == ["r-0", "r-1", "r-2", "r-3", "r-new"]
    assert "r-late" in {row.external_id for row in read()}


def test_what_a_request_is_comes_from_columns_and_metadata(database: Any) -> None:
    add(database, metadata='{"user_api_key_alias": "ana-laptop", "user_api_key_team_id": "other"}')
    usage = only()
    assert (usage.team_id, usage.user_id, usage.account_id) == ("search", "u-ana", "ana-laptop")
    assert (usage.resource_type, usage.sku, usage.unit) == ("acompletion", "gpt-4o", "Tokens")
    assert (usage.quantity, usage.cost) == (Decimal(12), Decimal("0.25"))
    assert usage.tokens == (("prompt", Decimal(10)), ("completion", Decimal(2)))
    assert usage.usage_at == datetime(2026, 10, 5, 12, tzinfo=UTC)


def test_empty_columns_give_way_to_the_metadata_and_the_keys_hash(database: Any) -> None:
    add(
        database,
        team="",
        user="",
        metadata='{"user_api_key_team_id": "etl", "user_api_key_user_id": "u-bob"}',
    )
    usage = only()
    assert (usage.team_id, usage.user_id, usage.account_id) == ("etl", "u-bob", "hash")


def test_a_team_that_is_nowhere_stays_none(database: Any) -> None:
    add(database, team="", user="", key="")
    usage = only()
    assert (usage.team_id, usage.user_id, usage.account_id) == (None, None, None)


def test_a_cache_hit_repeats_tokens_that_nobody_used(database: Any) -> None:
    add(database, cache_hit="True", spend="0")
    usage = only()
    assert usage.quantity == usage.cost == 0
    assert not usage.tokens


@pytest.mark.parametrize(
    ("metadata", "tags"),
    [
        ('{"spend_logs_metadata": {"cost_center": "4100"}}', "[]"),
        ("{}", '["prod", "User-Agent: httpx", "cost_center:4100"]'),
        ("{}", '["cost_center=4100", "cost_center=9"]'),
        ('{"spend_logs_metadata": {"cost_center": "4100"}}', '["cost_center:9"]'),
    ],
)
def test_an_owners_tag_is_found_where_callers_put_it(
    database: Any, metadata: str, tags: str
) -> None:
    add(database, metadata=metadata, tags=tags)
    assert only(owner_tag="cost_center").owner_tag == "cost_center=4100"


def test_tags_without_the_key_name_no_owner(database: Any) -> None:
    add(database, tags='["prod", "cost_center", "cost_center:", 7]')
    assert only(owner_tag="cost_center").owner_tag is None


def test_the_proxys_calls_to_itself_are_left_out_unless_wanted(database: Any) -> None:
    for number, key in enumerate(HEALTH_CHECKS):
        add(database, id=f"r-{number}", key=key)
    assert read() == []
    assert len(read(include_health_checks=True)) == 2


def test_every_digit_of_a_float_comes_over_whatever_the_server_is_set_to(
    database: Any, litellm: str
) -> None:
    """With 15 digits, as a server may be told to print, this row would lose 4e-19."""
    with database.cursor() as cursor:
        cursor.execute(f"ALTER DATABASE {litellm} SET extra_float_digits = 0")
    add(database, spend="0.0024600000000000004")
    assert only().cost == Decimal("0.0024600000000000004")


def test_a_spend_that_is_no_number_is_refused_alone(database: Any) -> None:
    add(database, spend="NaN")
    add(database, id="r-2")
    first, second = source().read(ALWAYS)
    assert isinstance(first, Refusal)
    assert (first.code, first.external_id) == ("cost_invalid", "r-1")
    assert isinstance(second, Usage)


def test_an_older_litellm_without_later_columns_is_read(database: Any) -> None:
    with database.cursor() as cursor:
        cursor.execute('ALTER TABLE "LiteLLM_SpendLogs" DROP COLUMN agent_id')
    add(database)
    assert only().agent_id is None


def test_no_prompt_and_no_answer_is_ever_asked_for(
    database: Any, litellm: str, postgres: Server
) -> None:
    """The reader may select the columns that are billed and no other, so asking for more would fail."""
    add(database)
    with database.cursor() as cursor:
        cursor.execute('REVOKE ALL ON "LiteLLM_SpendLogs" FROM litellm_reader')
        cursor.execute("""SELECT string_agg(quote_ident(column_name), ',') FROM information_schema.columns
            WHERE table_name = 'LiteLLM_SpendLogs'
              AND column_name NOT IN ('messages', 'response', 'proxy_server_request')""")
        (columns,) = cursor.fetchone()
        cursor.execute(f'GRANT SELECT ({columns}) ON "LiteLLM_SpendLogs" TO litellm_reader')
    assert only().external_id == "r-1"


def test_the_connection_cannot_write(database: Any, litellm: str, postgres: Server) -> None:
    with database.cursor() as cursor:
        cursor.execute('GRANT ALL ON "LiteLLM_SpendLogs" TO litellm_reader')
    with (
        reading(dsn(postgres, litellm), "LITELLM_URL", 5) as connection,
        pytest.raises(ChargebackError, match="read-only transaction"),
    ):
        page(connection, "LITELLM_URL", 'DELETE FROM "LiteLLM_SpendLogs" RETURNING 1')


def fault(**config: Any) -> ChargebackError:
    with pytest.raises(ChargebackError) as raised:
        read(**config)
    return raised.value


def test_a_role_without_the_right_to_read_is_told_what_to_grant(database: Any) -> None:
    with database.cursor() as cursor:
        cursor.execute('REVOKE ALL ON "LiteLLM_SpendLogs" FROM litellm_reader')
    found = fault()
    assert isinstance(found, Invalid | Refused)
    assert "grant its role SELECT" in found.message


def test_another_database_is_told_from_litellms(database: Any) -> None:
    found = fault(database_schema="elsewhere")
    assert (type(found), found.code) == (Invalid, "source_answer")
    assert "no table LiteLLM_SpendLogs in the schema elsewhere" in found.message


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("hunter2", Invalid),
        ("postgresql://u:hunter2@127.0.0.1:1/x", Unavailable),
        ("postgresql://u:p@hunter2.invalid/x", Unavailable),
        ("postgresql://u:p@127.0.0.1:hunter2/x", Invalid),
        ("postgresql://u:p@127.0.0.1/x?hunter2=1", Invalid),
        ("host=127.0.0.1 port=1 password=hunter2", Unavailable),
        ("mysql://u:hunter2@127.0.0.1/x", Invalid),
    ],
)
def test_an_address_that_does_not_work_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch, address: str, kind: type[ChargebackError]
) -> None:
    monkeypatch.setenv("LITELLM_URL", address)
    found = fault()
    assert type(found) is kind
    assert "LITELLM_URL" in found.message
    assert "hunter2" not in found.message
    assert "hunter2" not in repr(found.__cause__) + repr(
        found.__context__ if not found.__suppress_context__ else ""
    )


def test_an_address_as_prisma_writes_it_works(
    database: Any, litellm: str, postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(database)
    monkeypatch.setenv(
        "LITELLM_URL", f"{dsn(postgres, litellm)}&schema=public&connection_limit=5&pgbouncer=true"
    )
    assert only().external_id == "r-1"


def test_a_database_that_goes_away_while_it_is_read_is_unavailable(
    database: Any, litellm: str, postgres: Server
) -> None:
    for number in range(3):
        add(database, id=f"r-{number}")
    rows = source(page_rows=1).read(ALWAYS)
    next(rows)
    with database.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'litellm_reader'"
        )
    with pytest.raises(Unavailable, match="sync again later"):
        list(rows)


def test_a_read_that_is_given_up_leaves_no_connection(database: Any) -> None:
    add(database)
    rows = source().read(ALWAYS)
    next(rows)
    rows.close()  # type: ignore[attr-defined]
    with database.cursor() as cursor:
        for _ in range(50):
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = 'litellm_reader'")
            if cursor.fetchone() == (0,):
                return
    pytest.fail("a connection is still open")
