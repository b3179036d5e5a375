"""What the cost tracker's deliveries are read as, whatever their form."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from chargeback.money import exact_sum
from chargeback.sources import open_source
from chargeback.sources.contract import Refusal, Source, Usage, Window
from tests.sources.conftest import ALWAYS, SAMPLE
from tests.sources.fake_tracker import Body, FakeTracker, body_of

OCTOBER = Window(datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC))
FORMS: list[Body] = ["object", "string", "list", "csv"]


def over_http(tracker: FakeTracker) -> Source:
    form = "csv" if tracker.body == "csv" else "json"
    return open_source("cost_tracker", {"url": tracker.url, "form": form})


def usage_of(source: Source, window: Window = ALWAYS) -> list[Usage]:
    found = list(source.read(window))
    assert [row for row in found if isinstance(row, Refusal)] == []
    return [row for row in found if isinstance(row, Usage)]


def test_the_sample_file_keeps_every_digit() -> None:
    path = str(SAMPLE.relative_to(Path.cwd()))
    usage = usage_of(open_source("cost_tracker", {"path": path, "form": "json"}))
    assert len(usage) == 438
    assert exact_sum(row.cost for row in usage) == Decimal("0.754318700000000002909")
    assert usage[1] == Usage(
        position=2,
        external_id="97524d6a-f51e-8722-c21b-609228ce6f24",
        usage_at=datetime(2026, 10, 31, 20, 45, 35, 493108, tzinfo=UTC),
        team_id="team-search",
        user_id="u-fay",
        agent_id=None,
        account_id=None,
        owner_tag=None,
        resource_type="query",
        sku="claude-sonnet-5",
        unit="Tokens",
        quantity=Decimal(87),
        cost=Decimal("0.0008129999999999999"),
    )


@pytest.mark.parametrize("body", ["string", "list"])
def test_every_json_body_gives_the_same_usage(
    sample: list[dict[str, Any]], file_source: Callable[..., Source], body: Body
) -> None:
    expected = usage_of(file_source(body_of(sample, "object")))
    assert usage_of(file_source(body_of(sample, body))) == expected


def test_the_csv_gives_the_same_calls_with_fewer_digits_and_no_team(
    sample: list[dict[str, Any]], file_source: Callable[..., Source]
) -> None:
    exact = usage_of(file_source(body_of(sample, "object")))
    rounded = usage_of(file_source(body_of(sample, "csv"), "csv"))
    assert exact_sum(row.cost for row in rounded) == Decimal("0.754314")
    assert [row.position for row in rounded] == list(range(2, 440))
    assert all(row.cost == row.cost.quantize(Decimal("0.000001")) for row in rounded)
    assert [alike(row) for row in rounded] == [alike(row) for row in exact]


def alike(row: Usage) -> Usage:
    """What both forms say of a call."""
    return row._replace(position=0, team_id=None, user_id=None, cost=Decimal(0), tokens=())


@pytest.mark.parametrize("body", FORMS)
def test_over_http_october_has_all_438_calls_in_every_form(
    tracker: FakeTracker, body: Body
) -> None:
    tracker.body = body
    usage = usage_of(over_http(tracker), OCTOBER)
    assert len(usage) == 438
    assert sum(row.usage_at.day == 31 for row in usage) == 13


def test_the_tracker_itself_drops_the_31st_when_it_is_asked_until_the_31st(
    tracker: FakeTracker,
) -> None:
    tracker.body = "csv"
    assert tracker.export("2026-10-01", "2026-10-31").count(b"\r\n") == 1 + 425


def test_the_tracker_is_asked_for_a_day_more_and_filtered_half_open(
    tracker: FakeTracker, sample: list[dict[str, Any]]
) -> None:
    stamps = [
        "2026-09-30T23:59:59.999999Z",
        "2026-10-01T00:00:00Z",
        "2026-10-31T23:59:59.999999Z",
        "2026-11-01T00:00:00Z",
        "2026-11-01T00:00:00.100000Z",
    ]
    tracker.records = [
        {**sample[0], "call_id": f"c{number}", "timestamp": stamp}
        for number, stamp in enumerate(stamps)
    ]
    assert [row.external_id for row in usage_of(over_http(tracker), OCTOBER)] == ["c1", "c2"]
    assert tracker.asked == [
        {"format": "json", "start_date": "2026-10-01", "end_date": "2026-11-02"}
    ]


def test_a_whole_second_sorts_after_its_own_fractions_and_is_still_read(
    tracker: FakeTracker, sample: list[dict[str, Any]]
) -> None:
    tracker.records = [{**sample[0], "timestamp": "2026-10-05T10:00:00Z"}]
    end = datetime(2026, 10, 5, 10, 0, 0, 1, tzinfo=UTC)
    assert len(usage_of(over_http(tracker), Window(None, end))) == 1


def test_an_open_window_asks_without_dates(tracker: FakeTracker) -> None:
    assert len(usage_of(over_http(tracker))) == 438
    assert tracker.asked == [{"format": "json"}]


def test_a_file_is_filtered_like_an_answer(
    sample: list[dict[str, Any]], file_source: Callable[..., Source]
) -> None:
    day = Window(datetime(2026, 10, 31, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC))
    assert len(usage_of(file_source(body_of(sample, "object")), day)) == 13


def test_outside_the_window_only_rows_without_a_readable_time_are_refused(
    sample: list[dict[str, Any]], file_source: Callable[..., Source]
) -> None:
    records = [
        {**sample[0], "timestamp": "2026-09-01T00:00:00Z", "cost_usd": "free"},
        {**sample[0], "timestamp": "yesterday"},
        {**sample[0], "timestamp": "2026-10-02T00:00:00Z", "cost_usd": "free"},
    ]
    found = list(file_source(body_of_anything(records)).read(OCTOBER))
    assert [(row.position, row.code) for row in found if isinstance(row, Refusal)] == [
        (2, "timestamp_invalid"),
        (3, "cost_invalid"),
    ]


def body_of_anything(records: list[dict[str, Any]]) -> bytes:
    return body_of([{**record, "total_tokens": 1} for record in records], "list")


def test_an_account_and_a_tag_come_from_metadata(
    sample: list[dict[str, Any]], file_source: Callable[..., Source]
) -> None:
    records = [
        {**sample[0], "metadata": {"account_id": "acct-1", "project": "apollo"}},
        {**sample[0], "metadata": {"account_id": "", "project": ""}},
        {**sample[0], "metadata": {"account_id": "acct-1", "project": "apollo"}},
    ]
    usage = usage_of(file_source(body_of(records, "list"), owner_tag="project"))
    assert [(row.account_id, row.owner_tag) for row in usage] == [
        ("acct-1", "project=apollo"),
        (None, None),
        ("acct-1", "project=apollo"),
    ]
