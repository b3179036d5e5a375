"""LiteLLM's HTTP interface gives every request once, in spite of its habits and of trouble with its pages."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from chargeback import money
from chargeback.errors import Invalid, Refused, Unavailable
from chargeback.sources import litellm_http, open_source
from chargeback.sources.contract import Source, Usage, Window
from chargeback.sources.litellm_rows import HEALTH_CHECKS
from tests.postgres import Server
from tests.sources.conftest import ALWAYS
from tests.sources.fake_litellm import FakeLiteLlm, Row
from tests.sources.fake_web import Answer, Asked, Web, answering
from tests.sources.litellm_database import connected, fill, sample_rows

RECORDED = Path("tests/sources/data/litellm_spend_logs_v2_page1.json").resolve()
OCTOBER = Window(datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC))
FIRST = datetime(2026, 10, 1, tzinfo=UTC)


def row(number: int, at: datetime, **values: Any) -> Row:
    return {
        "request_id": f"r-{number}", "call_type": "acompletion", "api_key": "hash", "spend": 0.25,
        "total_tokens": 12, "prompt_tokens": 10, "completion_tokens": 2, "model": "gpt-4o", "user": "u-ana",
        "team_id": "search", "request_tags": [], "cache_hit": "None", "metadata": {},
        "startTime": f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}+00:00", **values,
    }  # fmt: skip


def every(seconds: Decimal | int, count: int) -> list[Row]:
    step = timedelta(milliseconds=int(seconds * 1000))
    return [row(number, FIRST + number * step) for number in range(count)]


@contextmanager
def reading(fake: FakeLiteLlm, **config: Any) -> Iterator[tuple[Source, Web]]:
    with answering(fake.answer) as web:
        yield open_source("litellm_http", {"url": web.url, **config}), web


def ids(fake: FakeLiteLlm, window: Window = OCTOBER, **config: Any) -> list[str]:
    with reading(fake, **config) as (source, _):
        return [found.external_id or "" for found in source.read(window)]


def test_more_rows_than_it_counts_to_are_all_read() -> None:
    """12,000 rows: it says 10,000 in 10 pages, and a client that believes it loses 2,000."""
    fake = FakeLiteLlm(every(200, 12_000))
    found = ids(fake)
    assert len(found) == len(set(found)) == 12_000
    assert max(fake.pages) <= 10


def test_the_interval_is_closed_and_the_window_is_not() -> None:
    rows = [row(1, OCTOBER.start or FIRST), row(2, FIRST + timedelta(days=31)),
            row(3, FIRST + timedelta(days=31, milliseconds=-1)), row(4, FIRST - timedelta(milliseconds=1))]  # fmt: skip
    assert sorted(ids(FakeLiteLlm(rows))) == ["r-1", "r-3"]


def test_a_window_that_ends_within_a_second_loses_nothing_of_it() -> None:
    rows = [row(number, FIRST + timedelta(milliseconds=200 * number)) for number in range(5)]
    end = FIRST + timedelta(milliseconds=500)
    assert sorted(ids(FakeLiteLlm(rows), Window(FIRST, end))) == ["r-0", "r-1", "r-2"]


def test_times_are_asked_for_as_it_reads_them() -> None:
    with reading(FakeLiteLlm(every(60, 3))) as (source, web):
        assert len(list(source.read(OCTOBER))) == 3
    (asked,) = web.asked
    assert asked.one("start_date") == "2026-10-01 00:00:00"
    assert asked.one("end_date") == "2026-11-01 00:00:00"
    assert (asked.one("sort_by"), asked.one("sort_order")) == ("startTime", "asc")


def test_halving_neither_loses_nor_doubles_rows_on_the_middle() -> None:
    assert sorted(ids(FakeLiteLlm(every(1, 64), cap=4))) == sorted(f"r-{n}" for n in range(64))


def test_a_second_with_more_than_it_counts_is_read_to_its_last_page() -> None:
    rows = [row(number, FIRST + timedelta(milliseconds=number)) for number in range(95)]
    assert len(set(ids(FakeLiteLlm(rows, cap=40), page_rows=10))) == 95


def test_rows_of_one_instant_that_change_places_between_pages_are_all_read() -> None:
    rows = [row(number, FIRST + timedelta(minutes=number // 10)) for number in range(60)]
    assert sorted(ids(FakeLiteLlm(rows), page_rows=20)) == sorted(f"r-{n}" for n in range(60))


def repeated(number: int, page: list[Row], last: list[list[Row]] = []) -> list[Row]:  # noqa: B006 - kept between pages
    last.append(page)
    return last[-2] if number == 2 and len(last) > 1 else page


@pytest.mark.parametrize(
    "trouble",
    [
        repeated,
        lambda number, page: page[:-3] if number == 2 else page,
        lambda number, page: [] if number == 3 else page,
        lambda _, page: page[::-1],
        lambda number, page: [*page[5:], *page[:5]] if number % 2 else page,
    ],
    ids=["repeated", "cut", "missing", "reversed", "shuffled"],
)
def test_a_page_repeated_cut_or_moved_changes_nothing(trouble: Any) -> None:
    fake = FakeLiteLlm(every(600, 100), trouble=trouble)
    assert sorted(ids(fake, page_rows=20)) == sorted(f"r-{n}" for n in range(100))


def test_rows_that_arrive_while_it_is_read_move_the_pages_and_lose_nothing() -> None:
    fake = FakeLiteLlm(every(600, 100))

    def arriving(number: int, page: list[Row]) -> list[Row]:
        if number == 2:
            fake.rows.insert(0, row(1000, FIRST + timedelta(seconds=1)))
        return page

    fake.trouble = arriving
    assert {f"r-{n}" for n in range(100)} <= set(ids(fake, page_rows=20))


def test_pages_that_never_add_up_are_not_believed() -> None:
    rows = [row(number, FIRST + timedelta(milliseconds=number)) for number in range(30)]
    fake = FakeLiteLlm(rows, trouble=lambda _, page: page[:-1])
    with pytest.raises(Unavailable, match="hold 9 rows and it says there are 30; sync again"):
        ids(fake, page_rows=10)


def test_the_first_read_begins_where_the_configuration_says() -> None:
    rows = [row(1, datetime(2024, 5, 1, tzinfo=UTC)), row(2, FIRST)]
    assert sorted(ids(FakeLiteLlm(rows), Window(None, OCTOBER.end))) == ["r-1", "r-2"]
    assert ids(FakeLiteLlm(rows), Window(None, OCTOBER.end), since="2026-10-01") == ["r-2"]


def test_the_proxys_calls_to_itself_are_left_out() -> None:
    rows = [row(1, FIRST, api_key=HEALTH_CHECKS[1]), row(2, FIRST)]
    assert ids(FakeLiteLlm(rows)) == ["r-2"]
    assert len(ids(FakeLiteLlm(rows), include_health_checks=True)) == 2


def test_the_token_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITELLM_KEY", "sk-1234")
    assert ids(FakeLiteLlm(every(1, 1), key="sk-1234"), token_env="LITELLM_KEY") == ["r-0"]
    with pytest.raises(Refused, match="answered 401; give this source a valid token"):
        ids(FakeLiteLlm(every(1, 1), key="sk-other"), token_env="LITELLM_KEY")


@pytest.mark.parametrize(
    ("answer", "kind", "says"),
    [
        (Answer("<html>"), Invalid, "answers no JSON object"),
        (Answer([1]), Invalid, "answers no JSON object"),
        (Answer({"total": 0}), Invalid, "without a list `data`"),
        (Answer({"data": []}), Invalid, "has no `total`"),
        (Answer({"data": [7], "total": 1}), Invalid, "are no objects"),
        (Answer('{"data": [{"request_id": "r-1", "spe'), Unavailable, "broke off in its answer"),
        (Answer({"detail": "x"}, 404), Invalid, "answered 404"),
        (Answer({"detail": "x"}, 503), Unavailable, "answered 503"),
    ],
)
def test_what_is_no_spend_log_is_told_by_what_is_wrong(
    answer: Answer, kind: type[Exception], says: str
) -> None:
    def answers(_: Asked) -> Answer:
        return answer

    with answering(answers) as web, pytest.raises(kind, match=says):
        list(open_source("litellm_http", {"url": web.url}).read(OCTOBER))


def test_the_recorded_answer_of_the_real_handler_is_read() -> None:
    recorded = json.loads(RECORDED.read_text())
    assert recorded["total"] == 3_000
    page = recorded | {"total": len(recorded["data"])}
    with answering(lambda _: Answer(page)) as web:
        rows = list(open_source("litellm_http", {"url": web.url}).read(OCTOBER))
    assert all(isinstance(found, Usage) for found in rows)
    assert len(rows) == 50
    first = rows[0]
    assert isinstance(first, Usage)
    assert (first.team_id, first.user_id, first.account_id) == (
        "team-support",
        "u-hal",
        "team-support-u-hal",
    )
    assert first.cost == Decimal("0.0024600000000000004")
    assert first.usage_at == datetime(2026, 10, 1, 0, 27, 5, 647_000, UTC)


def test_http_and_database_tell_the_same(litellm: str, postgres: Server) -> None:
    with connected(postgres, litellm) as connection:
        fill(connection)
    from_database = list(open_source("litellm_db", {"dsn_env": "LITELLM_URL"}).read(ALWAYS))
    with reading(FakeLiteLlm(sample_rows(), cap=300), page_rows=100) as (source, _):
        from_http = list(source.read(OCTOBER))
    assert _facts(from_database) == _facts(from_http)
    assert len(from_http) == 1_000
    assert money.exact_sum(
        money.enter(found.cost)[0] for found in from_http if isinstance(found, Usage)
    ) == Decimal("2.986861285000000097")


def _facts(rows: list[Any]) -> list[Any]:
    """What the rows say, without their places in the delivery."""
    return sorted((found[1:] for found in rows), key=lambda facts: str(facts[0]))


def test_a_page_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chargeback.sources.http_json.LARGEST_PAGE_BYTES", 100)
    with pytest.raises(Invalid, match="a page larger than any should be"):
        ids(FakeLiteLlm(every(1, 1)))


def test_pages_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(litellm_http, "MOST_PAGES", 3)
    rows = every(0, 100)
    with pytest.raises(Unavailable, match="sync again"):
        ids(FakeLiteLlm(rows), page_rows=10)
