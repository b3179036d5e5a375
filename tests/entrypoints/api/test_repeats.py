"""A POST sent again under its Idempotency-Key: one effect, and the answer to the letter, also sixteen at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from chargeback.ledger.database import transaction
from tests.entrypoints.api.door import ROOT, Door
from tests.entrypoints.api.test_access_matrix import ALL

DAYS = {"period_start": "2026-10-01", "period_end": "2026-10-31"}
USED = {"team_id": "red", "cost_usd": "1.000000000000000001", "timestamp": "2026-10-05T12:00:00Z"}
RULE = {"rule_id": "r", "name": "R", "rule_type": "by_team", "team_id": "red"}
# What is sent, what is sent instead under the same key, and where its effects are counted.
BODIES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "/usage": (USED, {**USED, "cost_usd": 2}, "usage_records"),
    "/allocation-rules": (RULE, {**RULE, "name": "S"}, "allocation_rules WHERE rule_id = 'r'"),
    "/allocate": ({**DAYS, "team_id": "red"}, DAYS, "cost_pools"),
    "/invoices": ({**DAYS, "team_id": "red"}, {**DAYS, "team_id": "tan"}, "invoices"),
}
BATCH = "/usage/batch"
CLIENTS, ROUNDS = 16, 20


def effects(where: str) -> int:
    with transaction() as connection:
        counted: int = connection.execute(text(f"SELECT count(*) FROM {where}")).scalar_one()
    return counted


def send(door: Door, path: str, body: dict[str, Any], key: str) -> httpx.Response:
    return door.client.post(ROOT + path, json=body, headers={"Idempotency-Key": key})


def test_every_post_is_tried_here() -> None:
    posts = {name.removeprefix("POST ") for name in ALL if name.startswith("POST ")}
    assert posts == {*BODIES, BATCH}


@pytest.mark.parametrize("path", BODIES)
def test_the_same_again_has_no_effect_and_the_same_answer(door: Door, path: str) -> None:
    door.use("3", "2026-10-05", team_id="red")
    body, other, table = BODIES[path]
    before = effects(table)
    first = send(door, path, body, "k-1")
    assert first.status_code in (200, 201)
    assert effects(table) == before + 1
    again = send(door, path, body, "k-1")
    assert (again.status_code, again.content) == (first.status_code, first.content)
    refused = send(door, path, other, "k-1")
    assert (refused.status_code, refused.json()["code"]) == (409, "idempotency_key_reused")
    assert effects(table) == before + 1


def at_once(door: Door, path: str, key: str) -> list[httpx.Response]:
    """What clients hear that send the same under the same key at the same time."""
    with ThreadPoolExecutor(CLIENTS) as pool:
        return list(pool.map(lambda _: send(door, path, BODIES[path][0], key), range(CLIENTS)))


@pytest.mark.proof
@pytest.mark.parametrize("path", BODIES)
def test_sixteen_at_once_have_one_effect_and_hear_the_same(
    door: Door, path: str, record_property: Callable[[str, object], None]
) -> None:
    door.use("3", "2026-10-05", team_id="red")
    table = BODIES[path][2]
    before = effects(table)
    answers = at_once(door, path, "k")
    assert {answer.status_code for answer in answers} <= {200, 201}
    assert len({answer.content for answer in answers}) == 1
    assert effects(table) == before + 1
    record_property("proof", ("request sent by 16 at once", CLIENTS))


@pytest.mark.prove
def test_usage_sent_by_sixteen_at_once_is_recorded_once_each_time(
    door: Door, record_property: Callable[[str, object], None]
) -> None:
    for round_ in range(ROUNDS):
        answers = at_once(door, "/usage", f"k-{round_}")
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.content for answer in answers}) == 1
    assert effects("usage_records") == ROUNDS
    record_property("proof", ("request sent by 16 at once", ROUNDS * CLIENTS))


def test_without_a_key_each_is_a_request_of_its_own(door: Door) -> None:
    door.post("/usage", USED, 201)
    door.post("/usage", USED, 201)
    assert effects("usage_records") == 2


def test_a_refused_request_leaves_its_key_free(door: Door) -> None:
    assert send(door, "/usage", {**USED, "cost_usd": "much"}, "k").status_code == 400
    assert send(door, "/usage", USED, "k").status_code == 201


@pytest.mark.parametrize("path", [*BODIES, BATCH])
@pytest.mark.parametrize("key", ["", "k" * 256, "k\u00e9y", "a\tb"])
def test_a_key_that_cannot_be_kept_is_refused(door: Door, path: str, key: str) -> None:
    body = BODIES.get(path, (USED, None, None))[0]
    headers = {"Idempotency-Key": key.encode()}
    answer = door.client.post(ROOT + path, json=body, headers=headers)  # type: ignore[arg-type]
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_invalid")


def test_a_batch_sent_again_under_its_key_books_nothing_twice(door: Door) -> None:
    lines = '{"team_id": "red", "cost_usd": 1}\n{"team_id": "red", "cost_usd": 2}\n'
    headers = {"Idempotency-Key": "b", "Content-Type": "application/x-ndjson"}
    for _ in range(2):
        assert door.client.post(ROOT + BATCH, content=lines, headers=headers).status_code == 200
    assert effects("usage_records") == 2
