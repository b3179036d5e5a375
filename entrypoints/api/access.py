"""Who may call what, and on whose behalf a request reads and writes.

Owns tokens, roles and the second wall in Postgres. Each route declares its policy in its signature
(`caller: Reader`, or `dependencies=[Anyone]`), once; a route without one fails a test.

To be filled in, with these names and signatures:
- `Needs.__call__` tells who calls (raises `Unauthenticated`, 401, or `Forbidden`, 403). It is asked for every
  request, also 1,500 times a second by `POST /usage`, on the event loop: it must not wait for a database there.
- `books(caller)` is the transaction of a request: for a viewer `SET LOCAL ROLE chargeback_viewer` and `app.team`;
  `is_snapshot` asks for one unmoving view (REPEATABLE READ READ ONLY).
- `once(call, work)` runs a POST's work in one transaction with its Idempotency-Key and the answer kept for it.
- `refuse_open_door(host)` is asked once at start.
- What viewers may read lies in the views `seen_*` of `2026_11_22_api.sql`, which all reading queries use for every
  role: the grants and the row-level security under them are `2026_11_22_tokens.sql`'s.
- Routes are nested: walk `app.routes` recursively; a route's policy is the `Needs` among its dependant's dependencies.
- `GET /audit` is a router of its own, `entrypoints/api/access_audit.py` with `routes`, included by `app.py`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated, Any, NamedTuple

from fastapi import Depends, Request
from sqlalchemy import Connection

from chargeback.ledger import database


class Role(StrEnum):
    """What a token lets its holder be."""

    ADMIN = "admin"
    OPERATOR = "operator"
    VIEWER = "viewer"


class Policy(StrEnum):
    """What a route asks of its caller."""

    OPEN = "open"  # nothing: whether the server lives, and its OpenAPI document
    READ = "read"  # any role; a viewer sees what is its team's
    REVIEW = "review"  # operator or admin: what is nobody's alone (rules, reconciliation)
    RUN = "run"  # operator or admin: sends usage, allocates, bills, moves invoices
    GOVERN = "govern"  # admin: changes rules, reads the audit log


class Caller(NamedTuple):
    """Who a request is from; `actor` is what the audit log says, `team_id` a viewer's only team."""

    actor: str
    role: Role
    team_id: str | None = None
    token_id: int | None = None

    @property
    def is_viewer(self) -> bool:
        """Whether it sees one team only."""
        return self.role is Role.VIEWER


class Needs:
    """A route's policy; as a dependency it gives the caller, or refuses."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy

    async def __call__(self, request: Request) -> Caller:  # noqa: ARG002
        """The caller, if the policy lets it in."""
        return Caller("api", Role.ADMIN)


Reader = Annotated[Caller, Depends(Needs(Policy.READ))]
Reviewer = Annotated[Caller, Depends(Needs(Policy.REVIEW))]
Runner = Annotated[Caller, Depends(Needs(Policy.RUN))]
Governor = Annotated[Caller, Depends(Needs(Policy.GOVERN))]
Anyone = Depends(Needs(Policy.OPEN))


@contextmanager
def books(caller: Caller, *, is_snapshot: bool = False) -> Iterator[Connection]:  # noqa: ARG001
    """The transaction of a request, seeing what its caller may see."""
    opened = database.snapshot() if is_snapshot else database.transaction()
    with opened as connection:
        yield connection


class Call(NamedTuple):
    """One POST: who sent it, its Idempotency-Key, and a digest of method, path and body."""

    caller: Caller
    key: str | None
    digest: bytes


class Answer(NamedTuple):
    """What a POST is answered: the status and the JSON value (numbers as Decimal or int)."""

    status: int
    content: dict[str, Any]


def once(call: Call, work: Callable[[Connection], Answer]) -> Answer:
    """The answer of `work`, which runs in one transaction; for a key seen before, the answer kept with it.

    Raises Refused for a key that came with another request, or whose first request still runs.
    """
    with books(call.caller) as connection:
        return work(connection)


def refuse_open_door(host: str) -> str:  # noqa: ARG001
    """What to say at start about who may call; raises Refused where `host` is open and there is no token."""
    return ""
