"""Every route × every kind of caller × own, other and missing things: what is answered is what its policy says.

The cases are made from the application's own routes. A route that declares no policy, or of which this page
does not know how it is called, fails.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, Depends
from fastapi.routing import APIRoute

from chargeback import rules
from chargeback.documents.file_store import FileStore
from chargeback.ledger import publications, rulebook, tokens
from chargeback.ledger.database import transaction
from chargeback.ledger.publications import Publication
from chargeback.settings import settings
from entrypoints.api.access import ALLOWED, SITE, Needs, Policy, Reader
from entrypoints.api.app import make_app
from models.enums import TokenRole as Role
from tests.conftest import Ledger
from tests.entrypoints.api.conftest import served
from tests.entrypoints.api.door import ROOT
from tests.entrypoints.api.two_teams import Things, things

DAYS = {"period_start": "2026-10-01", "period_end": "2026-10-31"}
NDJSON = "application/x-ndjson"
WHOSE = ("red", "tan", "sky")
ROLES = {
    "admin": Role.ADMIN,
    "operator": Role.OPERATOR,
    "viewer of red": Role.VIEWER,
    "viewer of tan": Role.VIEWER,
}
STRANGERS = ("none", "bad", "revoked", "expired", "no bearer")


@dataclass(frozen=True)
class Asked:
    """How a route is called, and what it answers where the thing is there and where it is not."""

    method: str
    path: str
    params: dict[str, str] | None = None
    body: Any = None
    there: int = 200
    missing: int = 404
    media: str = "application/json"


def asked(route: str, of: Things, unique: str) -> Asked:
    """A request to a route about one team's things. A KeyError is a route that this page does not know."""
    invoice, rule = f"/invoices/{of.invoice}", f"/allocation-rules/{of.rule}"
    used = f'{{"cost_usd": 1.10, "team_id": "{of.team}", "usage_id": "{unique}", "timestamp": "2026-10-09T12:00:00Z"}}'
    made = {"rule_id": unique, "name": "r", "rule_type": "by_team", "team_id": of.team}
    return {
        "POST /usage": Asked("POST", "/usage", None, used, 201, 201),
        "POST /usage/batch": Asked("POST", "/usage/batch", None, used, 200, 200, NDJSON),
        "GET /usage": Asked("GET", "/usage", {"team_id": of.team, **DAYS}, missing=200),
        "GET /usage/summary": Asked("GET", "/usage/summary", {"team_id": of.team, **DAYS}, missing=200),
        "GET /allocation-rules": Asked("GET", "/allocation-rules", {"team_id": of.team}, missing=200),
        "POST /allocation-rules": Asked("POST", "/allocation-rules", None, made, 201, 201),
        "GET /allocation-rules/{rule_id:path}": Asked("GET", rule),
        "PUT /allocation-rules/{rule_id:path}": Asked("PUT", rule, None, {"name": unique}),
        "DELETE /allocation-rules/{rule_id:path}": Asked("DELETE", rule),
        "POST /allocate": Asked("POST", "/allocate", None, {"team_id": of.team, **DAYS}, missing=200),
        "GET /allocations/{allocation_id}/usage": Asked("GET", f"/allocations/{of.allocation}/usage"),
        "POST /invoices": Asked("POST", "/invoices", None, {"team_id": of.team, **DAYS}, 201, 201),
        "GET /invoices": Asked("GET", "/invoices", {"team_id": of.team}, missing=200),
        "GET /invoices/{invoice_id}": Asked("GET", invoice),
        "GET /invoices/{invoice_id}/pdf": Asked("GET", f"{invoice}/pdf"),
        "GET /invoices/{invoice_id}/lines/{position}": Asked("GET", f"{invoice}/lines/1"),
        "GET /invoices/{invoice_id}/lines/{position}/allocations": Asked("GET", f"{invoice}/lines/1/allocations"),
        "GET /invoices/{invoice_id}/lines/{position}/usage": Asked("GET", f"{invoice}/lines/1/usage"),
        "GET /usage/{usage_id:path}/bearers": Asked("GET", f"/usage/{of.usage}/bearers"),
        "PUT /invoices/{invoice_id}/status": Asked("PUT", f"{invoice}/status", None, {"status": "sent"}),
        "GET /reports/team/{team_id:path}": Asked("GET", f"/reports/team/{of.team}", DAYS),
        "GET /reports/user/{user_id:path}": Asked("GET", f"/reports/user/{of.user}", DAYS),
        "GET /periods/{period}/reconciliation": Asked("GET", "/periods/2026-10/reconciliation", missing=200),
        "GET /audit": Asked("GET", "/audit", {"subject_id": of.team}, missing=200),
        "GET /site": Asked("GET", "/site", there=307, missing=307),
        "GET /site/{uri:path}": Asked("GET", f"/site/{file_of(of.team)}"),
    }[route]  # fmt: skip


def file_of(team: str) -> str:
    """Where the team's page lies."""
    return f"reports/2026-10/0a1b2c3d/teams/{team}.html"


def publish_files() -> None:
    """A page of red and one of tan, and one that is nobody's alone."""
    store, published = FileStore(settings().files), []
    for team, uri in (
        ("red", file_of("red")),
        ("tan", file_of("tan")),
        (None, "reports/2026-10/0a1b2c3d/index.html"),
    ):
        placed = store.publish(uri, b"<p>page")
        kind, about = ("report", f"team {team} 2026-10") if team else ("overview", "2026-10")
        published.append(Publication(kind, about, uri, placed.bytes, placed.sha256, team))
    with transaction() as connection:
        publications.keep(connection, published)


def routes_of(router: Any) -> Iterator[APIRoute]:
    """Every route, however deep it is included."""
    for route in router.routes:
        if isinstance(route, APIRoute):
            yield route
        elif hasattr(route, "routes"):
            yield from routes_of(route)
        elif hasattr(route, "original_router"):
            yield from routes_of(route.original_router)


def policies(route: APIRoute) -> list[Policy]:
    """The policies a route declares; exactly one is right."""
    return [one.call.policy for one in route.dependant.dependencies if isinstance(one.call, Needs)]


def name_of(method: str, route: APIRoute) -> str:
    return f"{method} {route.path.removeprefix(ROOT)}"


ALL = {
    name_of(method, route): route
    for route in routes_of(make_app())
    for method in route.methods or ()
}
GUARDED = [name for name, route in ALL.items() if policies(route) != [Policy.OPEN]]


@dataclass
class Callers:
    """A token for each kind of caller, and the headers they come with."""

    headers: dict[str, dict[str, str]]

    @classmethod
    def made(cls) -> "Callers":
        now = datetime.now(UTC)
        with transaction() as connection:
            secrets = {
                name: tokens.create(
                    connection, name.replace(" ", "-"), ROLES.get(name, Role.ADMIN),
                    name.removeprefix("viewer of ") if "viewer" in name else None, 30,
                    now - timedelta(days=31 if name == "expired" else 0), "tester",
                )[1]
                for name in (*ROLES, "revoked", "expired")
            }  # fmt: skip
            tokens.revoke(connection, "revoked", now, "tester")
        headers = {name: {"Authorization": f"Bearer {secret}"} for name, secret in secrets.items()}
        headers["none"] = {}
        headers["bad"] = {"Authorization": f"Bearer {secrets['admin'][:-1]}x"}
        headers["no bearer"] = {"Authorization": secrets["admin"]}
        return cls(headers)


@pytest.fixture
def client(two_teams: Ledger) -> Iterator[httpx.Client]:
    """A client of a running server over the story's ledger."""
    publish_files()
    with (
        served(make_app()) as address,
        httpx.Client(base_url=address, trust_env=False, timeout=60) as client,
    ):
        yield client


def send(client: httpx.Client, what: Asked, headers: dict[str, str]) -> httpx.Response:
    content = {"json": what.body} if isinstance(what.body, dict) else {"content": what.body}
    if isinstance(what.body, str):
        headers = {**headers, "Content-Type": what.media}
    path = what.path if what.path.startswith(SITE) else ROOT + what.path
    return client.request(what.method, path, params=what.params, headers=headers, **content)


def expected(policy: Policy, caller: str, of: str, what: Asked) -> int:
    """What the policy says; to a viewer another team's thing is missing."""
    if caller in STRANGERS:
        return 401
    if ROLES[caller] not in ALLOWED[policy]:
        return 403
    is_there = of != "sky" and (ROLES[caller] is not Role.VIEWER or caller == f"viewer of {of}")
    return what.there if is_there else what.missing


@pytest.mark.parametrize("route", GUARDED)
def test_every_caller_gets_what_the_routes_policy_says(client: httpx.Client, route: str) -> None:
    (policy,) = policies(ALL[route])
    callers, number = Callers.made(), count(1)
    found, right = {}, {}
    for caller in (*STRANGERS, *ROLES):
        for of, its in things().items():
            if of != "sky":
                make_rule(its)
            what = asked(route, its, f"{route}-{next(number)}")
            answer = send(client, what, callers.headers[caller])
            found[caller, of] = answer.status_code
            right[caller, of] = expected(policy, caller, of, what)
    assert len(found) == (len(STRANGERS) + len(ROLES)) * len(WHOSE) == 27
    assert found == right


def make_rule(of: Things) -> None:
    """The team's rule, there again where a case before deleted it."""
    rule = rules.parse(
        {"rule_id": of.rule, "rule_type": "by_team", "team_id": of.team, "enabled": False}
    )
    with transaction() as connection:
        rulebook.put(connection, rule, "tester")


@pytest.mark.parametrize(
    "route", [name for name in GUARDED if policies(ALL[name]) == [Policy.READ]]
)
def test_another_teams_thing_and_none_are_answered_alike_to_the_letter(
    client: httpx.Client, route: str
) -> None:
    headers = Callers.made().headers["viewer of red"]
    alike = []
    for of in ("tan", "sky"):
        its = things()[of]
        answer = send(client, asked(route, its, "u"), headers)
        kept = {name: value for name, value in answer.headers.items() if name != "date"}
        alike.append((answer.status_code, kept, its.without_names(answer.text)))
    assert alike[0] == alike[1]


def test_what_a_viewer_lists_without_asking_for_a_team_is_its_own(client: httpx.Client) -> None:
    callers = Callers.made()
    seen = {}
    for caller in ("viewer of red", "viewer of tan", "admin"):

        def get(path: str, caller: str = caller, **params: str) -> Any:
            answer = client.get(ROOT + path, params=params, headers=callers.headers[caller])
            return answer.json()

        seen[caller] = (
            sorted({one["team_id"] for one in get("/usage")["usage"]}),
            get("/usage/summary", **DAYS)["summary"]["total_cost_usd"],
            sorted({one["team_id"] for one in get("/invoices")["invoices"]}),
        )
    assert seen == {
        "viewer of red": (["red"], 13, ["red"]),  # 10 billed, 3 in no pool yet
        "viewer of tan": (
            ["tan"],
            124,
            ["tan"],
        ),  # 20 and the 100 of the shared pool it used, 4 in no pool yet
        "admin": (["red", "tan"], 137, ["red", "tan"]),
    }


def test_a_users_report_is_to_a_viewer_what_concerns_its_team(client: httpx.Client) -> None:
    callers = Callers.made()
    with transaction() as connection:
        rulebook.put(connection, rules.parse({"rule_id": "bob", "rule_type": "by_user", "user_ids": ["bob"],
                                              "priority": 1, "enabled": False}), "tester")  # fmt: skip
    for user, team in (("ana", "red"), ("bob", "tan")):
        for of in ("red", "tan"):
            answer = client.get(
                f"{ROOT}/reports/user/{user}",
                params=DAYS,
                headers=callers.headers[f"viewer of {of}"],
            )
            assert answer.status_code == (200 if of == team else 404)


def test_every_route_declares_one_policy_and_is_in_the_matrix() -> None:
    assert len(ALL) >= 22
    assert [name for name, route in ALL.items() if len(policies(route)) != 1] == []
    its = Things("red", "ana", "i", "r", "u")
    assert {asked(name, its, "u").method for name in GUARDED} == {"GET", "POST", "PUT", "DELETE"}


def test_a_route_without_a_policy_or_with_two_is_found() -> None:
    router = APIRouter()
    router.get("/none")(lambda: None)

    @router.get("/two", dependencies=[Depends(Needs(Policy.OPEN))])
    def two(caller: Reader) -> None: ...

    assert [len(policies(route)) for route in routes_of(router)] == [0, 2]


@pytest.mark.parametrize("name", [name for name in ALL if name not in GUARDED])
def test_an_open_route_answers_strangers_too(client: httpx.Client, name: str) -> None:
    callers = Callers.made()
    method, path = name.split(" ")
    assert {
        client.request(method, path, headers=callers.headers[who]).status_code for who in STRANGERS
    } == {200}
