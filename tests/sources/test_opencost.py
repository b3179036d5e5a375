"""A cluster's allocations become one event per name and day, whole days only, told again when restated."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from chargeback.errors import Invalid
from chargeback.sources import open_source
from chargeback.sources.contract import Refusal, Usage, Window
from tests.sources.fake_web import Answer, Asked, answering

SAMPLE: list[dict[str, Any]] = json.loads(
    Path("tests/sources/data/opencost_allocation.json").read_text()
)["data"]
FIRST = datetime(2026, 10, 1, tzinfo=UTC)
CONFIG = {"cluster": "prod-1", "since": "2026-10-01", "restated_days": 0}
OCTOBER = Window(FIRST, datetime(2026, 10, 4, tzinfo=UTC))


def allocations(asked: Asked) -> Answer:
    """The sample's three days, by the day asked for."""
    day = date.fromisoformat(asked.one("window")[:10])
    number = (day - FIRST.date()).days
    return Answer(
        {"code": 200, "status": "success", "data": [SAMPLE[number] if number < 3 else None]}
    )


def read(window: Window = OCTOBER, **config: Any) -> list[Usage | Refusal]:
    with answering(allocations) as web:
        source = open_source("opencost", {"url": web.url, **CONFIG, **config})
        return list(source.read(source.plan(window)))


def test_each_name_of_each_day_is_an_event_of_its_own() -> None:
    rows = read()
    assert [row.external_id for row in rows] == [
        "prod-1/2026-10-01/search", "prod-1/2026-10-01/etl", "prod-1/2026-10-01/__idle__",
        "prod-1/2026-10-01/__unallocated__", "prod-1/2026-10-03/search",
    ]  # fmt: skip
    assert [row.cost for row in rows if isinstance(row, Usage)] == [
        Decimal("4.63203"), Decimal("5.34203"), Decimal("13.42203"), Decimal("0.34203"), Decimal("4.72203"),
    ]  # fmt: skip


def test_a_name_is_an_account_by_default_and_its_cost_the_weight() -> None:
    search = read()[0]
    assert isinstance(search, Usage)
    assert (search.account_id, search.team_id) == ("search", None)
    assert (search.quantity, search.unit) == (Decimal("4.63203"), "USD")
    assert (search.resource_type, search.usage_at) == ("kubernetes", FIRST)


def test_names_can_be_teams_but_what_nobody_used_is_nobodys() -> None:
    rows = [row for row in read(names_are="team", aggregate="label:team") if isinstance(row, Usage)]
    assert [(row.team_id, row.account_id) for row in rows[:4]] == [
        ("search", None), ("etl", None), (None, "__idle__"), (None, "__unallocated__"),
    ]  # fmt: skip


def test_weights_can_be_hours() -> None:
    search = read(measure="cpu_core_hours")[0]
    assert isinstance(search, Usage)
    assert (search.quantity, search.unit) == (Decimal("93.3"), "CPU core hours")


def test_a_cost_that_is_null_is_refused_with_its_name() -> None:
    def broken(asked: Asked) -> Answer:
        return Answer({"data": [{"search": {"name": "search", "totalCost": None}, "etl": 7}]})

    with answering(broken) as web:
        source = open_source("opencost", {"url": web.url, **CONFIG})
        rows = list(source.read(source.plan(Window(FIRST, FIRST + timedelta(days=1)))))
    assert [(row.code, row.external_id) for row in rows if isinstance(row, Refusal)] == [
        ("cost_missing", "prod-1/2026-10-01/search"), ("record_invalid", None),
    ]  # fmt: skip


def test_idle_capacity_below_zero_is_taken_as_it_is() -> None:
    def negative(asked: Asked) -> Answer:
        return Answer({"data": [{"__idle__": {"totalCost": -0.25}}]})

    with answering(negative) as web:
        source = open_source("opencost", {"url": web.url, **CONFIG})
        (idle,) = source.read(source.plan(Window(FIRST, FIRST + timedelta(days=1))))
    assert isinstance(idle, Usage)
    assert idle.cost == idle.quantity == Decimal("-0.25")


@pytest.mark.parametrize(
    ("asked", "planned"),
    [
        ((None, datetime(2026, 10, 3, 15, tzinfo=UTC)), (FIRST, datetime(2026, 10, 3, tzinfo=UTC))),
        ((datetime(2026, 10, 2, 9, tzinfo=UTC), datetime(2026, 10, 3, tzinfo=UTC)),
         (datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 10, 3, tzinfo=UTC))),
        ((datetime(2026, 11, 9, 9, tzinfo=UTC), datetime(2026, 11, 9, 12, tzinfo=UTC)),
         (datetime(2026, 11, 7, tzinfo=UTC), datetime(2026, 11, 9, tzinfo=UTC))),
    ],
)  # fmt: skip
def test_whole_days_that_are_over_are_read_and_the_restated_ones_again(
    asked: Any, planned: Any
) -> None:
    source = open_source(
        "opencost", {"url": "http://opencost.example", **CONFIG, "restated_days": 2}
    )
    assert source.plan(Window(*asked)) == Window(*planned)


def test_each_day_is_one_question() -> None:
    with answering(allocations) as web:
        source = open_source("opencost", {"url": web.url, **CONFIG})
        list(source.read(source.plan(OCTOBER)))
    assert [asked.one("window") for asked in web.asked] == [
        "2026-10-01T00:00:00Z,2026-10-02T00:00:00Z", "2026-10-02T00:00:00Z,2026-10-03T00:00:00Z",
        "2026-10-03T00:00:00Z,2026-10-04T00:00:00Z",
    ]  # fmt: skip
    assert {(asked.path, asked.one("accumulate"), asked.one("step")) for asked in web.asked} == {
        ("/allocation", "false", "1d")
    }


def test_an_answer_without_data_is_no_opencost() -> None:
    with answering(lambda _: Answer({"code": 400})) as web:
        source = open_source("opencost", {"url": web.url, **CONFIG})
        with pytest.raises(Invalid, match="without a list `data`"):
            list(source.read(source.plan(OCTOBER)))
