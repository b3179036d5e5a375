"""Who may call what, and on whose behalf a request reads and writes.

Owns roles, policies and the transactions of requests. Each route declares its policy in its signature
(`caller: Reader`, or `dependencies=[Anyone]`), once; a route without one fails a test. What a viewer sees is
bound twice: by the queries, which ask for the team's, and by row-level security under them (`books`).
"""

import base64
import binascii
import ipaddress
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated, Any, NamedTuple

from fastapi import Depends, Request
from sqlalchemy import Connection

from chargeback import exact_json
from chargeback.clock import now
from chargeback.errors import Forbidden, Refused, Unauthenticated
from chargeback.ledger import access, database, idempotency, tokens
from chargeback.ledger.tokens import Standing
from chargeback.settings import settings
from entrypoints.api.token_desk import TokenDesk
from models.enums import TokenRole as Role

log = logging.getLogger("chargeback.api.access")


# Where browsers read the published files: the only routes that take a token as a password.
SITE = "/site"


class Policy(StrEnum):
    """What a route asks of its caller."""

    OPEN = "open"  # nothing: whether the server lives, and its OpenAPI document
    READ = "read"  # any role; a viewer sees what is its team's
    REVIEW = "review"  # operator or admin: what is nobody's alone (rules, reconciliation)
    RUN = "run"  # operator or admin: sends usage, allocates, bills, moves invoices
    GOVERN = "govern"  # admin: changes rules, reads the audit log


ALLOWED: dict[Policy, frozenset[Role]] = {
    Policy.OPEN: frozenset(Role),
    Policy.READ: frozenset(Role),
    Policy.REVIEW: frozenset({Role.ADMIN, Role.OPERATOR}),
    Policy.RUN: frozenset({Role.ADMIN, Role.OPERATOR}),
    Policy.GOVERN: frozenset({Role.ADMIN}),
}


class Caller(NamedTuple):
    """Who a request is from; `actor` is what the audit log says, `team_id` a viewer's only team."""

    actor: str
    role: Role
    team_id: str | None = None
    token_id: int | None = None

    @property
    def keeper(self) -> str:
        """To whom its Idempotency-Keys belong: others may use the same ones for other things."""
        return str(self.token_id or self.actor)

    @property
    def is_viewer(self) -> bool:
        """Whether it sees one team only."""
        return self.role is Role.VIEWER

    def sees(self, team_id: str | None) -> bool:
        """Whether what is that team's may be shown to it."""
        return not self.is_viewer or team_id == self.team_id

    def asks_for(self, team_id: str | None) -> str | None:
        """The team a query is to ask for where the caller asks for `team_id`, or for any.

        For a viewer its own, and of another team's nothing: '' is nobody's name.
        """
        if not self.is_viewer:
            return team_id
        return self.team_id if team_id in (None, self.team_id) else ""


# While no token was made, whoever reaches the server on this machine is its master.
MASTER = Caller("api", Role.ADMIN)
NOBODY = Caller("nobody", Role.VIEWER)


class Needs:
    """A route's policy; as a dependency it gives the caller, or refuses."""

    def __init__(self, policy: Policy, *, takes_basic: bool = False) -> None:
        self.policy = policy
        self._takes_basic = takes_basic

    async def __call__(self, request: Request) -> Caller:
        """The caller, if the policy lets it in. Raises Unauthenticated, or Forbidden."""
        if self.policy is Policy.OPEN:
            return NOBODY
        caller = await _caller(request, takes_basic=self._takes_basic)
        if caller.role not in ALLOWED[self.policy]:
            log.info(
                "access.forbidden actor=%s role=%s path=%r",
                caller.actor,
                caller.role,
                request.url.path,
            )
            allowed = " or ".join(sorted(ALLOWED[self.policy]))
            raise Forbidden(
                "role_not_allowed",
                f"a token of the role {caller.role} may not do this; use one of the role {allowed}",
            )
        return caller


RUN = Needs(Policy.RUN)
Reader = Annotated[Caller, Depends(Needs(Policy.READ))]
Reviewer = Annotated[Caller, Depends(Needs(Policy.REVIEW))]
Runner = Annotated[Caller, Depends(RUN)]
Governor = Annotated[Caller, Depends(Needs(Policy.GOVERN))]
Anyone = Depends(Needs(Policy.OPEN))


async def _caller(request: Request, *, takes_basic: bool) -> Caller:
    """Who the request's token says it is from."""
    if not hasattr(request.app.state, "token_desk"):
        request.app.state.token_desk = TokenDesk()
    desk: TokenDesk = request.app.state.token_desk
    given = request.headers.getlist("authorization")
    shown = _shown(given[0], takes_basic=takes_basic) if len(given) == 1 else None
    is_open, token = await desk.recognise(shown)
    if token is not None:
        standing = token.standing(now())
        if standing is Standing.GOOD:
            return Caller(f"token:{token.name}", token.role, token.team_id, token.token_id)
        raise _refused(
            request,
            f"token_{standing}",
            f"the token {token.name!r} is {standing}; ask for a new one",
        )
    if given:
        raise _refused(
            request,
            "token_unknown",
            "this token is not known; ask for one, or check that it is whole",
        )
    if is_open and is_loopback(settings().api_host) and _is_of_this_machine(request):
        return MASTER
    raise _refused(
        request, "token_missing",
        "no token came with the request; send it in the header `Authorization: Bearer TOKEN`, "
        "`chargeback tokens create` makes one",
    )  # fmt: skip


def _shown(header: str, *, takes_basic: bool) -> str | None:
    """The token that a header shows: a bearer's, or where browsers are served the password of HTTP Basic."""
    scheme, _, token = header.partition(" ")
    if scheme.lower() == "basic" and takes_basic:
        return _password(token.strip())
    return token.strip() if scheme.lower() == "bearer" else None


def _password(credentials: str) -> str | None:
    """What follows the name in Basic credentials; the name may be anything, for the token says whose it is."""
    try:
        return base64.b64decode(credentials, validate=True).decode("ascii").partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return None


def _refused(request: Request, code: str, message: str) -> Unauthenticated:
    log.info("access.refused code=%s path=%r", code, request.url.path)
    return Unauthenticated(code, message)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens there."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_of_this_machine(request: Request) -> bool:
    """Whether no page of the internet can have sent the request through a browser on this machine.

    Such a page tells of itself in Origin; and one whose name was made to mean 127.0.0.1 sends its own name as Host.
    """
    origin, host = request.headers.get("origin"), request.headers.get("host", "")
    if origin is not None and origin.partition("://")[2] != host:
        return False
    name = request.url.hostname or ""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return "." not in name
    return True


@contextmanager
def books(caller: Caller, *, is_snapshot: bool = False) -> Iterator[Connection]:
    """The transaction of a request, seeing what its caller may see; a viewer's reads, whatever is asked."""
    if caller.is_viewer:
        opened = access.viewing(caller.team_id or "")
    else:
        opened = database.snapshot() if is_snapshot else database.transaction()
    with opened as connection:
        yield connection


class Call(NamedTuple):
    """One POST: who sent it, its Idempotency-Key, and a digest (SHA-256) of method, path and body."""

    caller: Caller
    key: str | None
    digest: bytes


class Answer(NamedTuple):
    """What a POST is answered: the status and the JSON value (numbers as Decimal or int)."""

    status: int
    content: dict[str, Any]


def once(call: Call, work: Callable[[Connection], Answer]) -> Answer:
    """The answer of `work`, which runs in one transaction; for a key seen before, the answer kept with it.

    A request whose first sending still runs waits for it. Raises Refused for a key that came with another
    request, Unavailable where the wait took too long.
    """
    with books(call.caller) as connection:
        if call.key is None:
            return work(connection)
        keeper = call.caller.keeper
        kept = idempotency.begin(connection, keeper, call.key, call.digest)
        if kept is not None:
            return Answer(kept.status, exact_json.loads(kept.content.encode()))
        answer = work(connection)
        content = exact_json.dumps(answer.content).decode()
        idempotency.finish(
            connection, keeper, call.key, idempotency.KeptAnswer(answer.status, content)
        )
        return answer


def refuse_open_door(host: str) -> str:
    """What to say at start about who may call.

    Raises Refused where others than this machine reach `host` and there is no token to tell them apart by.
    """
    with database.transaction() as connection:
        made = tokens.tokens(connection)
    if made:
        good = sum(token.standing(now()) is Standing.GOOD for token in made)
        return f"The API asks for a token; {good} of {len(made)} are in force."
    if not is_loopback(host):
        raise Refused(
            "open_to_others",
            f"the API would be open to everybody who reaches {host}, because no token was made yet; make one with "
            "`chargeback tokens create NAME --role admin`, or set CHARGEBACK_API_HOST=127.0.0.1",
        )
    return (
        "The API is open to everybody on this machine, because no token was made yet; "
        "`chargeback tokens create NAME --role admin` closes it."
    )
