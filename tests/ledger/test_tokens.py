"""Tokens: shown once, kept as a hash, recognised by the whole secret only, ended by time or by hand."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, text

from chargeback.errors import Invalid, NotFound, Refused
from chargeback.ledger import appearance, audit, tokens
from chargeback.ledger.tokens import Standing, Token
from models.enums import TokenRole as R
from tests.migrations.rows import refused, violates

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


def made(
    connection: Connection, name: str = "ci", role: R = R.ADMIN, team: str | None = None
) -> tuple[Token, str]:
    if team is not None:
        appearance.appear(connection, "team", [team], "tester", "a test")
    return tokens.create(connection, name, role, team, 30, NOON, "tester", "a test")


def test_a_token_is_recognised_and_says_who_holds_it(connection: Connection) -> None:
    kept, token = made(connection, "search-board", R.VIEWER, "search")
    found = tokens.recognised(connection, [token, "cb_nobody"])
    assert found == {token: kept}
    assert (kept.role, kept.team_id, kept.created_by) == (R.VIEWER, "search", "tester")
    assert kept.expires_at == datetime(2026, 12, 1, 12, tzinfo=UTC)


def test_a_token_with_another_secret_handle_or_form_is_nobodys(connection: Connection) -> None:
    kept, token = made(connection)
    other, other_token = made(connection, "other")
    secret, other_secret = token.split("_", 2)[2], other_token.split("_", 2)[2]
    wrong = [
        f"cb_{kept.handle}_{other_secret}",
        f"cb_{other.handle}_{secret}",
        f"cb_{kept.handle}_{secret[:-1]}",
        f"cb_{kept.handle}_{secret}x",
        f"cb_{kept.handle}_",
        f"CB_{kept.handle}_{secret}",
        f"cb_%_{secret}",
        secret,
        "",
        "\0",
        token + "\n",
    ]
    assert tokens.recognised(connection, wrong) == {}


def test_nothing_that_is_kept_of_a_token_lets_anybody_in(connection: Connection) -> None:
    _, token = made(connection)
    secret = token.split("_", 2)[2]
    for table in ("api_tokens", "audit_log"):
        kept = connection.execute(text(f"SELECT t::text FROM {table} t")).scalars().all()
        assert kept
        assert not [row for row in kept if secret in row]


def test_a_token_ends_on_the_instant_it_expires(connection: Connection) -> None:
    kept, _ = made(connection)
    assert kept.standing(NOON + timedelta(days=30, microseconds=-1)) is Standing.GOOD
    assert kept.standing(NOON + timedelta(days=30)) is Standing.EXPIRED


def test_a_revoked_token_stays_revoked_and_its_name_is_free(connection: Connection) -> None:
    kept, token = made(connection)
    ended, has_changed = tokens.revoke(connection, "ci", NOON, "tester", "left")
    assert (ended.standing(NOON), has_changed) == (Standing.REVOKED, True)
    assert tokens.revoke(connection, kept.handle, NOON + timedelta(1), "tester") == (ended, False)
    _, second = made(connection)
    assert tokens.recognised(connection, [token])[token].standing(NOON) is Standing.REVOKED
    assert tokens.recognised(connection, [second])[second].standing(NOON) is Standing.GOOD


def test_making_and_revoking_is_told_with_who_and_why(connection: Connection) -> None:
    kept, _ = made(connection)
    tokens.revoke(connection, "ci", NOON, "boss", "left the company")
    told = audit.listed(connection, audit.Wanted("token", "ci"), 10)
    assert [(one.action, one.actor, one.reason) for one in told] == [
        ("token.revoked", "boss", "left the company"),
        ("token.created", "tester", "a test"),
    ]
    assert told[1].after == {
        "handle": kept.handle, "role": "admin", "team_id": None, "expires_at": "2026-12-01 12:00:00+00:00",
    }  # fmt: skip


def test_what_cannot_be_a_token_is_refused(connection: Connection) -> None:
    made(connection)
    with pytest.raises(Refused, match="there is a token 'ci' already"):
        made(connection)
    with pytest.raises(NotFound, match="team 'ghost' was never seen"):
        tokens.create(connection, "v", R.VIEWER, "ghost", 30, NOON, "tester")
    for name in ("", "CI", "-x", "a" * 64, "a b", "ä"):
        with pytest.raises(Invalid, match="cannot name a token"):
            tokens.create(connection, name, R.ADMIN, None, 30, NOON, "tester")
    for role, team in ((R.VIEWER, None), (R.ADMIN, "search"), (R.OPERATOR, "search")):
        with pytest.raises(Invalid, match="a viewer's token names its team"):
            tokens.create(connection, "x", role, team, 30, NOON, "tester")
    for days in (0, -1, 3651):
        with pytest.raises(Invalid, match="give 1 to 3650"):
            tokens.create(connection, "x", R.ADMIN, None, days, NOON, "tester")
    with pytest.raises(NotFound, match="there is no token 'nobody'"):
        tokens.revoke(connection, "nobody", NOON, "tester")


def test_the_ledger_itself_lets_a_token_only_be_revoked(connection: Connection) -> None:
    made(connection)
    for change in ("role = 'operator'", "expires_at = expires_at + interval '1 day'", "name = 'x'"):
        with violates(connection, "permission denied for table api_tokens"):
            connection.execute(text(f"UPDATE api_tokens SET {change}"))
    with violates(connection, "permission denied for table api_tokens"):
        connection.execute(text("DELETE FROM api_tokens"))
    tokens.revoke(connection, "ci", NOON, "tester")
    for value in ("NULL", "now()"):
        with refused(connection, "UPDATE of api_tokens is refused"):
            connection.execute(text(f"UPDATE api_tokens SET revoked_at = {value}"))
