"""Who gets in: nobody strange, nobody whose token was just revoked, and no page of the internet through a browser."""

import asyncio
import time
from typing import Any

import pytest

from chargeback.clock import now
from chargeback.ledger import tokens
from chargeback.ledger.database import transaction
from entrypoints.api import token_desk
from entrypoints.api.guarding import HEADERS
from models.enums import TokenRole
from tests.entrypoints.api.door import ROOT, Door

INVOICES = f"{ROOT}/invoices"


def made(name: str = "ci", role: TokenRole = TokenRole.ADMIN) -> dict[str, str]:
    """The headers of somebody with a new token."""
    with transaction() as connection:
        token = tokens.create(connection, name, role, None, 30, now(), "tester")[1]
    return {"Authorization": f"Bearer {token}"}


def status(door: Door, headers: Any = None) -> int:
    return door.client.get(INVOICES, headers=headers).status_code


def test_the_door_is_open_until_the_first_token_is_made_and_never_again(door: Door) -> None:
    assert status(door) == 200
    headers = made()
    assert (status(door), status(door, headers)) == (401, 200)
    with transaction() as connection:
        tokens.revoke(connection, "ci", now(), "tester")
    assert (status(door), status(door, headers)) == (401, 401)


def test_a_token_that_nobody_made_opens_not_even_the_open_door(door: Door) -> None:
    answer = door.client.get(INVOICES, headers={"Authorization": "Bearer cb_x"})
    assert (answer.status_code, answer.json()["code"]) == (401, "token_unknown")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_what_is_done_is_told_by_the_tokens_name(door: Door) -> None:
    headers = made("nightly")
    rule = {"rule_id": "r", "name": "R", "rule_type": "by_team", "team_id": "red"}
    assert (
        door.client.post(f"{ROOT}/allocation-rules", json=rule, headers=headers).status_code == 201
    )
    entries = door.client.get(
        f"{ROOT}/audit", params={"actor": "token:nightly"}, headers=headers
    ).json()["entries"]
    done = {(one["action"], one["subject_id"]) for one in entries}
    assert done == {("rule.created", "r"), ("team.added", "red")}


def test_the_audit_log_is_paged_to_its_end(door: Door) -> None:
    for number in range(5):
        made(f"t{number}")
    headers, seen, cursor = made("last"), [], None
    while True:
        params: dict[str, Any] = {"limit": 2, "subject_kind": "token"} | (
            {"cursor": cursor} if cursor else {}
        )
        page = door.client.get(f"{ROOT}/audit", params=params, headers=headers).json()
        seen += [one["subject_id"] for one in page["entries"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == ["last", "t4", "t3", "t2", "t1", "t0"]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Origin": "http://evil.example"}, 401),
        ({"Origin": "null"}, 401),
        ({"Host": "evil.example"}, 401),
        ({"Host": "127.0.0.1.evil.example:5000"}, 401),
        ({"Host": "localhost:5000"}, 200),
        ({"Host": "[::1]:5000"}, 200),
        ({"Host": "billing", "Origin": "http://billing"}, 200),
    ],
    ids=str,
)
def test_a_page_of_the_internet_does_not_get_in_through_a_browser(
    door: Door, headers: dict[str, str], expected: int
) -> None:
    assert status(door, headers) == expected
    assert status(door, {**headers, **made()}) == 200


def test_two_tokens_at_once_are_none(door: Door) -> None:
    one, two = made("one")["Authorization"], made("two")["Authorization"]
    assert status(door, [("Authorization", one), ("Authorization", two)]) == 401


def test_many_who_come_while_one_question_is_asked_share_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    questions: list[set[str]] = []

    def slow(shown: set[str]) -> tuple[bool, dict[str, tokens.Token]]:
        questions.append(shown)
        time.sleep(0.05)
        return True, {}

    monkeypatch.setattr(token_desk, "_look_up", slow)

    async def come() -> list[token_desk.Recognised]:
        desk = token_desk.TokenDesk()
        first = asyncio.create_task(desk.recognise("a"))
        await asyncio.sleep(0.01)
        others = [asyncio.create_task(desk.recognise(f"b{n}")) for n in range(50)]
        return list(await asyncio.gather(first, *others))

    assert len(asyncio.run(come())) == 51
    assert questions == [{"a"}, {f"b{n}" for n in range(50)}]


def test_every_answer_bears_the_headers_that_keep_browsers_out(door: Door) -> None:
    for path in ("/health", INVOICES, "/nowhere", "/docs", f"{INVOICES}/nobody/pdf"):
        answer = door.client.get(path)
        assert {name: answer.headers.get(name) for name in HEADERS} == dict(HEADERS)
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
