"""`chargeback tokens` and `chargeback audit`, and who they let in."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from chargeback.clock import now
from chargeback.errors import Refused
from chargeback.ledger import tokens
from chargeback.ledger.database import transaction
from entrypoints import cli
from entrypoints.api.access import is_loopback, refuse_open_door
from tests.conftest import Ledger

Say = Callable[..., tuple[int, str, str]]


@pytest.fixture
def say(ledger: Ledger, capsys: pytest.CaptureFixture[str]) -> Say:
    def said(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        return (cli.main(words), *capsys.readouterr())

    return said


def made(say: Say, *words: str) -> Any:
    status, out, error = say("tokens", "create", *words, "--json")
    assert status == 0, error
    return json.loads(out)


def test_a_token_is_shown_once_and_opens_the_door(say: Say) -> None:
    status, out, _ = say("tokens", "create", "ci", "--role", "operator", "--reason", "nightly")
    token = out.splitlines()[0]
    assert status == 0
    assert "It is shown only now" in out
    with transaction() as connection:
        assert tokens.recognised(connection, [token])[token].name == "ci"
    for words in (("tokens", "list"), ("tokens", "list", "--json"), ("audit", "list", "--json")):
        assert token.split("_", 2)[2] not in say(*words)[1]
    assert "in force" in say("tokens", "list")[1]


def test_a_token_is_revoked_once(say: Say) -> None:
    made(say, "ci", "--role", "admin")
    assert "its next request is refused" in say("tokens", "revoke", "ci", "--reason", "left")[1]
    assert "was revoked already" in say("tokens", "revoke", "ci")[1]
    assert json.loads(say("tokens", "list", "--json")[1])[0]["standing"] == "revoked"


def test_a_viewer_needs_a_team_that_was_seen(say: Say) -> None:
    assert say("tokens", "create", "v", "--role", "viewer")[0] == 2
    status, _, error = say("tokens", "create", "v", "--role", "viewer", "--team", "ghost")
    assert status == 4
    assert "team 'ghost' was never seen" in error
    assert say("tokens", "revoke", "nobody")[0] == 4
    assert say("tokens", "create", "v", "--role", "emperor")[0] == 2


def test_the_audit_log_is_listed_by_what_was_done_and_says_why(say: Say) -> None:
    made(say, "ci", "--role", "admin", "--reason", "first of all")
    say("tokens", "revoke", "ci", "--reason", "left")
    entries = json.loads(say("audit", "list", "--kind", "token", "--json")[1])
    assert [(one["action"], one["subject_id"], one["reason"]) for one in entries] == [
        ("token.revoked", "ci", "left"), ("token.created", "ci", "first of all"),
    ]  # fmt: skip
    assert len(json.loads(say("audit", "list", "--action", "token.revoked", "--json")[1])) == 1
    assert "There are older ones too" in say("audit", "list", "--limit", "1")[1]
    assert "No entry of the audit log is like that." in say("audit", "list", "--actor", "eve")[1]
    today = f"{now():%Y-%m-%d}"
    assert len(json.loads(say("audit", "list", "--period", today, "--json")[1])) >= 2
    assert json.loads(say("audit", "list", "--period", "2001-01", "--json")[1]) == []
    assert say("audit", "list", "--limit", "0")[0] == 2


def test_the_audit_log_is_proved_and_the_entry_that_was_changed_is_named(
    say: Say, ledger: Ledger
) -> None:
    made(say, "ci", "--role", "admin")
    status, out, _ = say("audit", "verify")
    assert (status, out.splitlines()[0]) == (
        0,
        "All 1 entries of the audit log are as they were written.",
    )
    owner = create_engine(ledger.owner_url)
    with owner.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text("UPDATE audit_log SET actor = 'eve'"))
    owner.dispose()
    status, out, _ = say("audit", "verify", "--json")
    assert status == 1
    assert json.loads(out)["broken"][0].startswith("audit entry 1 (token.created of token ci)")


def test_an_import_tells_why(say: Say, tmp_path: Any) -> None:
    file = tmp_path / "company.yaml"
    file.write_text("teams: [{id: search}]\n", encoding="utf-8")
    say("import", str(file), "--reason", "new team")
    (entry,) = json.loads(say("audit", "list", "--kind", "team", "--json")[1])
    assert (entry["action"], entry["reason"]) == ("team.added", "new team")


def test_the_door_is_open_on_this_machine_until_there_is_a_token_and_nowhere_else(say: Say) -> None:
    for host in ("127.0.0.1", "::1", "localhost"):
        assert is_loopback(host)
        assert "open to everybody on this machine" in refuse_open_door(host)
    for host in ("0.0.0.0", "::", "192.0.2.7", "billing.example"):  # noqa: S104
        assert not is_loopback(host)
        with pytest.raises(Refused, match="make one with `chargeback tokens create"):
            refuse_open_door(host)
    made(say, "ci", "--role", "admin")
    for host in ("127.0.0.1", "0.0.0.0"):  # noqa: S104
        assert refuse_open_door(host) == "The API asks for a token; 1 of 1 are in force."
