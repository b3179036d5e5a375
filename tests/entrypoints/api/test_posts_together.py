"""Posts that come together: served together, each with its own answer, by the short way and the long one alike."""

import asyncio
import time
from collections.abc import Sequence

import pytest

from chargeback.errors import Refused, Unavailable
from entrypoints.api import gathering
from entrypoints.api.gathering import Gathering
from tests.entrypoints.api.door import Door

USAGE = "/api/chargeback/usage"


def test_who_comes_alone_is_served_at_once_and_the_others_together() -> None:
    batches: list[list[int]] = []

    def doubled(asked: Sequence[int]) -> list[int | Exception]:
        batches.append(list(asked))
        time.sleep(0.05)
        return [2 * number for number in asked]

    async def come() -> list[int]:
        together: Gathering[int, int] = Gathering(doubled)
        first = asyncio.create_task(together.ask(0))
        await asyncio.sleep(0.01)
        answers = await asyncio.gather(first, *map(together.ask, range(1, 5)))
        await together.finish()
        return list(answers)

    assert asyncio.run(come()) == [0, 2, 4, 6, 8]
    assert batches == [[0], [1, 2, 3, 4]]


def test_what_befalls_one_is_told_to_that_one_and_what_befalls_all_to_all() -> None:
    def work(asked: Sequence[int]) -> list[int | Exception]:
        if 13 in asked:
            raise Unavailable("away", "the ledger is away")
        return [Refused("odd", f"{one} is odd") if one % 2 else one for one in asked]

    async def come(numbers: Sequence[int]) -> list[object]:
        together: Gathering[int, int] = Gathering(work)
        held = asyncio.create_task(together.ask(0))
        await asyncio.sleep(0)
        return [
            type(one) if isinstance(one, Exception) else one
            for one in await asyncio.gather(
                held, *map(together.ask, numbers), return_exceptions=True
            )
        ]

    assert asyncio.run(come([2, 3, 4])) == [0, 2, Refused, 4]
    assert asyncio.run(come([2, 13])) == [0, Unavailable, Unavailable]


def test_who_ends_waits_for_all_who_came(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "MOST_AT_ONCE", 2)

    def slow(asked: Sequence[int]) -> list[int]:
        time.sleep(0.01)
        return list(asked)

    async def come() -> list[bool]:
        together: Gathering[int, int] = Gathering(slow)
        asking = [asyncio.create_task(together.ask(number)) for number in range(5)]
        await asyncio.sleep(0)
        await together.finish()
        await asyncio.sleep(0)
        return [one.done() for one in asking]

    assert asyncio.run(come()) == [True] * 5


def test_too_many_are_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "MOST_WAITING", 2)

    async def come() -> list[object]:
        together: Gathering[int, int] = Gathering(lambda asked: list(asked))
        return list(await asyncio.gather(*map(together.ask, range(4)), return_exceptions=True))

    *served, away = asyncio.run(come())
    assert served == [0, 1, 2]
    assert isinstance(away, Unavailable)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"cost_usd": 1.10, "team_id": "a"}', 201),
        (b'{"cost_usd": 1.10, "team": "a"}', 400),
        (b'{"cost_usd": ', 400),
        (b"", 400),
    ],
)
def test_a_post_is_answered_the_same_by_the_long_way(
    door: Door, body: bytes, expected: int
) -> None:
    """A query string without parameters sends the request the framework's whole way."""
    headers = {"Content-Type": "application/json"}
    short = door.client.post(USAGE, content=body, headers=headers)
    long = door.client.post(f"{USAGE}?&", content=body, headers=headers)
    assert (short.status_code, long.status_code) == (expected, expected)
    assert short.headers.keys() == long.headers.keys()
    if expected == 400:
        assert short.json() == long.json()
    else:
        changing = {"usage_id", "record_id", "timestamp"}
        one, other = (answer.json()["usage_record"] for answer in (short, long))
        assert one["cost_usd"] == 1.1
        assert {name: one[name] for name in one.keys() - changing} == {
            name: other[name] for name in other.keys() - changing
        }


def test_a_post_with_a_wrong_token_is_refused_before_its_body_is_read(door: Door) -> None:
    wrong = {"Authorization": "Bearer cb_nobody"}
    assert door.client.post(USAGE, content=b"no JSON", headers=wrong).status_code == 401
    assert door.client.post(f"{USAGE}?&", content=b"no JSON", headers=wrong).status_code == 401
