"""API tokens: made, listed, revoked, and recognised again.

Owns what is kept of them. A token is `cb_<handle>_<secret>`: the handle finds its row, the secret is random (256
bits), is shown once and is kept as its SHA-256 only, so nobody who reads the ledger can use it.
"""

import hmac
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Row, text

from chargeback.errors import Invalid, NotFound, Refused
from chargeback.ledger import audit, payers
from chargeback.payer import Payer
from models.enums import TokenRole

MOST_DAYS = 3650
_FORM = re.compile(r"cb_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_COLUMNS = "token_id, name, handle, role, team_id, created_at, created_by, expires_at, revoked_at"


class Standing(StrEnum):
    """What holds of a token that was shown to us."""

    GOOD = "good"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True)
class Token:
    """A token as it is kept: everything but its secret."""

    token_id: int
    name: str
    handle: str
    role: TokenRole
    team_id: str | None
    created_at: datetime
    created_by: str
    expires_at: datetime
    revoked_at: datetime | None

    def standing(self, as_of: datetime) -> Standing:
        """Whether it opens the door at that instant."""
        if self.revoked_at is not None:
            return Standing.REVOKED
        return Standing.GOOD if as_of < self.expires_at else Standing.EXPIRED


def create(
    connection: Connection,
    name: str,
    role: TokenRole,
    team_id: str | None,
    days: int,
    as_of: datetime,
    actor: str,
    reason: str | None = None,
) -> tuple[Token, str]:
    """Make a token that expires `days` after `as_of`: what is kept of it, and the token itself, shown only now.

    Raises Invalid for a name, team or number of days that cannot be, NotFound for a team never seen,
    Refused where a token that was not revoked has the name.
    """
    _check(name, role, team_id, days)
    payers.check_known(connection, Payer(team_id))
    _lock(connection)
    if any(held.name == name and held.revoked_at is None for held in tokens(connection)):
        raise Refused(
            "token_exists",
            f"there is a token {name!r} already; choose another name, or revoke it first: "
            f"`chargeback tokens revoke {name}`",
        )
    handle, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    row = connection.execute(
        text(f"""INSERT INTO api_tokens
                    (name, handle, secret_hash, role, team_id, created_at, created_by, expires_at)
                 VALUES (:name, :handle, :hash, :role, :team, :as_of, :actor, :expires_at)
                 RETURNING {_COLUMNS}"""),  # noqa: S608 - made of constants only
        {"name": name, "handle": handle, "hash": _hash(secret), "role": role.value, "team": team_id,
         "as_of": as_of, "actor": actor, "expires_at": as_of + timedelta(days=days)},
    ).one()  # fmt: skip
    made = _token(row)
    after = {
        "handle": handle,
        "role": role.value,
        "team_id": team_id,
        "expires_at": made.expires_at,
    }
    audit.append(
        connection, audit.Entry(actor, "token.created", "token", name, None, after, reason)
    )
    return made, f"cb_{handle}_{secret}"


def _check(name: str, role: TokenRole, team_id: str | None, days: int) -> None:
    if not _NAME.fullmatch(name):
        raise Invalid(
            "token_name_invalid",
            f"{name!r} cannot name a token; use up to 63 small letters, digits, '.', '_' and '-'",
        )
    if (role is TokenRole.VIEWER) != (team_id is not None):
        raise Invalid(
            "token_team_invalid",
            "a viewer's token names its team and no other token does; give --team TEAM with --role viewer only",
        )
    if not 1 <= days <= MOST_DAYS:
        raise Invalid(
            "token_days_invalid",
            f"a token cannot last {days} days; give 1 to {MOST_DAYS}, and make another one when it ends",
        )


def tokens(connection: Connection) -> list[Token]:
    """All that were ever made, oldest first."""
    rows = connection.execute(
        text(f"SELECT {_COLUMNS} FROM api_tokens ORDER BY token_id")  # noqa: S608
    )
    return [_token(row) for row in rows]


def revoke(
    connection: Connection, given: str, as_of: datetime, actor: str, reason: str | None = None
) -> tuple[Token, bool]:
    """End a token, named by its name or handle, for good; whether that changed anything.

    Raises NotFound. Rerun: it stays revoked as it was.
    """
    _lock(connection)
    named = [token for token in tokens(connection) if given in (token.name, token.handle)]
    if not named:
        raise NotFound(
            "token_not_found", f"there is no token {given!r}; `chargeback tokens list` lists them"
        )
    held = named[-1]
    if held.revoked_at is not None:
        return held, False
    row = connection.execute(
        text(f"""UPDATE api_tokens SET revoked_at = :as_of WHERE token_id = :id AND revoked_at IS NULL
                 RETURNING {_COLUMNS}"""),  # noqa: S608
        {"as_of": as_of, "id": held.token_id},
    ).one()
    entry = audit.Entry(
        actor, "token.revoked", "token", held.name, {"handle": held.handle, "revoked_at": None},
        {"handle": held.handle, "revoked_at": as_of}, reason,
    )  # fmt: skip
    audit.append(connection, entry)
    return _token(row), True


def has_any(connection: Connection) -> bool:
    """Whether a token was ever made: from then on nobody gets in without one."""
    return bool(connection.execute(text("SELECT EXISTS (SELECT FROM api_tokens)")).scalar_one())


def recognised(connection: Connection, shown: Collection[str]) -> dict[str, Token]:
    """Those of the tokens shown that were made here, whatever holds of them now.

    Secrets are compared in a time that does not depend on how much of them is right.
    """
    parts = {token: match.groups() for token in shown if (match := _FORM.fullmatch(token))}
    if not parts:
        return {}
    rows = connection.execute(
        text(f"SELECT {_COLUMNS}, secret_hash FROM api_tokens WHERE handle = ANY (:handles)"),  # noqa: S608
        {"handles": [handle for handle, _ in parts.values()]},
    )
    held = {row.handle: row for row in rows}
    return {
        token: _token(held[handle])
        for token, (handle, secret) in parts.items()
        if handle in held and hmac.compare_digest(_hash(secret), bytes(held[handle].secret_hash))
    }


def _hash(secret: str) -> bytes:
    """Random 256 bits need no slow hash: there is nothing to guess."""
    return sha256(secret.encode()).digest()


def _lock(connection: Connection) -> None:
    """Tokens are made and revoked one at a time, so that who comes second sees what the first did."""
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('api_tokens', 0))"))


def _token(row: Row[Any]) -> Token:
    return Token(
        row.token_id, row.name, row.handle, TokenRole(row.role), row.team_id,
        row.created_at, row.created_by, row.expires_at, row.revoked_at,
    )  # fmt: skip
