"""The first wall: with row-level security taken away a viewer still hears of its own team only."""

from contextlib import AbstractContextManager

import httpx
import pytest
from sqlalchemy import Connection

from chargeback.ledger import access, database
from entrypoints.api.access import Caller, Policy
from entrypoints.api.app import make_app
from models.enums import TokenRole as Role
from tests.conftest import Ledger
from tests.entrypoints.api.conftest import served
from tests.entrypoints.api.test_access_matrix import (
    ALL,
    GUARDED,
    Callers,
    asked,
    policies,
    send,
)
from tests.entrypoints.api.two_teams import things

# What row-level security alone keeps back: of a cost that is shared, what others used of it and what it came to as a
# whole; and that a user is known who belongs to another team. What else a viewer hears is bound twice.
BY_SECOND_WALL_ALONE = {
    ("GET /reports/team/{team_id:path}", "red"): "ids of shared usage",
    ("GET /reports/user/{user_id:path}", "tan"): "that the user is there",
    ("GET /invoices/{invoice_id}/lines/{position}", "red"): "what the shared pool came to",
    (
        "GET /invoices/{invoice_id}/lines/{position}/allocations",
        "red",
    ): "what the shared pool came to",
    ("GET /invoices/{invoice_id}/lines/{position}/usage", "red"): "what tan used of a shared cost",
}


def without_second_wall(_team_id: str) -> AbstractContextManager[Connection]:
    """What a viewer's request reads when it reads as the app."""
    return database.snapshot()


def heard(client: httpx.Client, headers: dict[str, str]) -> dict[tuple[str, str], tuple[int, str]]:
    """What red's viewer is answered on every route it may use, asking for red's things and for tan's."""
    found = {}
    for route in GUARDED:
        if policies(ALL[route]) == [Policy.READ]:
            for of in ("red", "tan"):
                answer = send(client, asked(route, things()[of], "u"), headers)
                found[route, of] = (answer.status_code, answer.text)
    return found


def test_without_the_second_wall_a_viewer_hears_the_same(
    two_teams: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, headers = [], Callers.made().headers["viewer of red"]
    for is_open in (False, True):
        if is_open:
            monkeypatch.setattr(access, "viewing", without_second_wall)
        with (
            served(make_app()) as address,
            httpx.Client(base_url=address, trust_env=False, timeout=60) as client,
        ):
            heard(
                client, headers
            )  # A report allocates what is not yet: the second time nothing changes.
            answers.append(heard(client, headers))
    both, first_alone = answers
    differing = {asked for asked in both if both[asked] != first_alone[asked]}
    assert differing == BY_SECOND_WALL_ALONE.keys()
    assert len(both) >= 12


@pytest.mark.parametrize(
    ("asked_for", "is_asked"), [(None, "red"), ("red", "red"), ("tan", ""), ("", "")]
)
def test_a_viewers_query_asks_for_its_own_team_or_for_nobodys(
    asked_for: str | None, is_asked: str
) -> None:
    assert Caller("token:r", Role.VIEWER, "red").asks_for(asked_for) == is_asked
    assert Caller("token:o", Role.OPERATOR).asks_for(asked_for) == asked_for
