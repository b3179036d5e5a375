"""What the API lists can be posted again: another ledger then lists the same, and bills the same."""

from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Any

import httpx
import pytest

from chargeback import exact_json
from chargeback.ledger.database import snapshot
from chargeback.ledger.digest import parts
from entrypoints.api.app import make_app
from tests.conftest import Ledger
from tests.entrypoints.api.conftest import served
from tests.entrypoints.api.door import Door
from tests.ledger.books import Books
from tests.scenarios.hostile_names import NAMES

Record = Callable[[str, object], None]
FIELDS = ("usage_id", "cost_usd", "quantity", "resource_type", "team_id", "user_id", "agent_id", "account_id",
          "resource_id", "unit", "timestamp", "metadata")  # fmt: skip
ROWS = [40, pytest.param(2000, marks=pytest.mark.prove)]


def drawn(random: Random, number: int) -> dict[str, Any]:
    """Usage with any names, digits, offsets and notes."""

    def name() -> str | None:
        return random.choice((None, *NAMES))

    cost = Decimal(random.randint(-(10**4), 10**12)).scaleb(-random.choice((0, 2, 9, 18)))
    quantity = Decimal(random.randint(0, 10**9)).scaleb(-random.choice((0, 6)))
    time = f"{random.randint(0, 23):02}:59:59.{random.randint(0, 999_999):06}"
    offset = random.choice(("Z", "+02:00", "-11:30", "+14:00"))
    notes = {"key": random.choice(NAMES), "n": 1, "deep": {"x": [None, True, 0.1]}}
    return {
        "usage_id": f"{number} {random.choice(NAMES)}"[:255],
        "cost_usd": f"{cost:f}",
        "quantity": f"{quantity if cost > 0 else -quantity:f}",
        "resource_type": random.choice(NAMES),
        "unit": random.choice(NAMES),
        **{f"{what}_id": name() for what in ("team", "user", "agent", "account", "resource")},
        "timestamp": f"2026-10-{random.randint(1, 28):02}T{time}{offset}",
        "metadata": random.choice((None, notes)),
    }


def listed(door: Door) -> list[dict[str, Any]]:
    """All usage, page by page, without what only this ledger says of it."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = door.get("/usage", 200, limit=7, **cursor)
        found += [{name: row[name] for name in FIELDS} for row in page["usage"]]
        if page["next_cursor"] is None:
            return sorted(found, key=lambda row: str(row["usage_id"]))
        cursor = {"cursor": page["next_cursor"]}


def post(door: Door, rows: list[dict[str, Any]]) -> None:
    lines = b"\n".join(exact_json.dumps(row) for row in rows)
    headers = {"Content-Type": "application/x-ndjson"}
    answer = door.ask("POST", "/usage/batch", 200, content=lines, headers=headers)
    assert answer["new"] == len(rows), answer["rows"][:3]


def facts() -> dict[str, str]:
    """What both ledgers say, and what they would bill."""
    with snapshot() as connection:
        return {name: parts(connection)[name] for name in ("usage", "allocations", "documents")}


@pytest.mark.parametrize("count", ROWS)
def test_what_is_listed_and_posted_again_is_the_same(
    door: Door, books: Books, another_ledger: Callable[[], Ledger], count: int, record_property: Record
) -> None:  # fmt: skip
    random = Random(count)
    post(door, [drawn(random, number) for number in range(count)])
    first = listed(door)
    books.run()
    told = facts()
    other = Books(another_ledger())
    with served(make_app()) as address, httpx.Client(base_url=address, trust_env=False) as client:
        again = Door(client)
        post(again, first)
        assert listed(again) == first
        other.run()
    assert facts() == told
    record_property("proof", ("usage listed and posted again", count))
