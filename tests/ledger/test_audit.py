"""The audit log: what is told of which change, how it is read, and that it is proved entry by entry."""

import contextlib
import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, create_engine, text

from chargeback.errors import Refused
from chargeback.ledger import audit, ledger_settings, payers
from chargeback.ledger.audit import Entry, Wanted
from chargeback.ledger.database import transaction
from chargeback.payer import Payer
from chargeback.settings import settings
from tests.conftest import Ledger
from tests.ledger.books import Books

COMPANY = """
teams:
  - {id: search, name: Search, cost_center: "4711", members: [{user: ana, home: true}]}
owners:
  agent: {crawler: [{team: search}]}
"""


def told(books: Books, kind: str | None = None) -> list[audit.Told]:
    """What was told, oldest first."""
    with transaction() as connection:
        return audit.listed(connection, Wanted(kind), 1000)[::-1]


def test_every_change_of_a_payer_is_told_with_before_and_after(books: Books) -> None:
    books.import_yaml(COMPANY)
    books.import_yaml(COMPANY.replace('"4711"', '"4712"'))
    changes = [(one.action, one.subject_id, one.before, one.after) for one in told(books, "team")]
    assert ("team.changed", "search", {"cost_center": "4711"}, {"cost_center": "4712"}) in changes
    assert [action for action, *_ in changes] == [
        "team.added",
        "team.members_changed",
        "team.changed",
    ]
    assert [(one.action, one.after) for one in told(books, "user")] == [("user.added", {})]
    (owner,) = told(books, "agent")
    assert (owner.action, owner.subject_id, owner.before) == (
        "owners.changed",
        "crawler",
        {"owners": []},
    )


def test_payers_that_appear_in_usage_in_a_rule_or_in_a_request_are_told(books: Books) -> None:
    books.use("search", "ana").use("search", "bob").load()
    books.rule({"rule_id": "r", "rule_type": "by_user", "user_ids": ["ana", "eve"]})
    with transaction() as connection:
        payers.appear(connection, Payer("ads", "zoe"), "token:ci")
    (usage,) = told(books, "usage")
    assert (usage.action, usage.after) == (
        "payers.added",
        {"teams": ["search"], "users": ["ana", "bob"]},
    )
    appeared = [
        (one.subject_id, one.actor, one.reason)
        for one in told(books)
        if one.action.endswith(".added")
    ]
    assert ("eve", "tester", "named by rule r") in appeared
    assert ("ads", "token:ci", "named in a request") in appeared
    assert ("zoe", "token:ci", "named in a request") in appeared
    assert not [who for who, *_ in appeared if who == "ana"]


def test_what_waited_for_the_end_of_a_failed_transaction_is_told_by_nobody(books: Books) -> None:
    with contextlib.suppress(Refused), transaction() as connection:
        payers.appear(connection, Payer("ghost"), "tester")
        raise Refused("no", "no")
    books.rule({"rule_id": "r", "rule_type": "by_user", "user_ids": ["ana"]})
    assert "ghost" not in {one.subject_id for one in told(books)}


def test_the_settings_that_are_fixed_and_those_that_changed_are_told(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    (fixed,) = told(books, "settings")
    assert (fixed.action, fixed.after) == (
        "settings.fixed",
        {"billing_zone": "UTC", "currency": "USD"},
    )
    for net_days, is_told in (("30", True), ("30", False), ("14", True)):
        monkeypatch.setenv("CHARGEBACK_NET_DAYS", net_days)
        settings.cache_clear()
        with transaction() as connection:
            assert ledger_settings.tell(connection, "stack") is is_told
    first, second = told(books, "settings")[1:]
    assert (first.before, first.after["net_days"]) == (None, 30)
    assert (second.actor, second.before, second.after) == (
        "stack",
        {"net_days": 30},
        {"net_days": 14},
    )
    assert not [name for name in first.after if "url" in name or "home" in name]


def test_an_entry_bears_the_run_and_the_reason_it_was_made_within(connection: Connection) -> None:
    with audit.within("run-1", "year end"):
        audit.append(connection, Entry("flow", "a.b", "k", "1"))
        audit.append(connection, Entry("flow", "a.b", "k", "2", reason="its own"))
    audit.append(connection, Entry("flow", "a.b", "k", "3"))
    found = audit.listed(connection, Wanted("k"), 9)
    assert [(one.run_id, one.reason) for one in found] == [
        (None, None), ("run-1", "its own"), ("run-1", "year end"),
    ]  # fmt: skip


def test_the_log_is_read_newest_first_by_who_what_when_and_page_by_page(
    connection: Connection,
) -> None:
    for number in range(1, 6):
        actor = "ana" if number % 2 else "bob"
        audit.append(connection, Entry(actor, f"rule.made{number}", "rule", f"r{number % 2}"))

    def numbers(wanted: Wanted, limit: int = 9, older_than: int | None = None) -> list[int]:
        return [one.seq for one in audit.listed(connection, wanted, limit, older_than)]

    assert numbers(Wanted()) == [5, 4, 3, 2, 1]
    assert numbers(Wanted(), 2) == [5, 4]
    assert numbers(Wanted(), 2, 4) == [3, 2]
    assert numbers(Wanted(actor="ana")) == [5, 3, 1]
    assert numbers(Wanted("rule", "r0")) == [4, 2]
    assert numbers(Wanted(action="rule")) == [5, 4, 3, 2, 1]
    assert numbers(Wanted(action="rule.made3")) == [3]
    assert numbers(Wanted(action="rul%")) == []
    later = datetime.now(UTC) + timedelta(minutes=1)
    assert numbers(Wanted(since=later)) == []
    assert numbers(Wanted(until=later)) == [5, 4, 3, 2, 1]


TAMPERED = {
    "an entry changed": (["UPDATE audit_log SET actor = 'eve' WHERE seq = 2"], "audit entry 2 "),
    "its time changed": (["UPDATE audit_log SET at = at + interval '1 ms' WHERE seq = 2"], "audit entry 2 "),
    "a reason slipped in": (["UPDATE audit_log SET reason = 'x' WHERE seq = 2"], "audit entry 2 "),
    "an entry cut out": (["DELETE FROM audit_log WHERE seq = 2"], "audit entry 3 .* does not follow on"),
    "the newest cut off": (["DELETE FROM audit_log WHERE seq = 5"], "the audit chain ends at entry 4"),
    "two swapped": (
        ["UPDATE audit_log SET seq = 9 WHERE seq = 2", "UPDATE audit_log SET seq = 2 WHERE seq = 3",
         "UPDATE audit_log SET seq = 3 WHERE seq = 9"], "audit entry 2 ",
    ),
    "rewritten with its hash": (
        ["UPDATE audit_log SET actor = 'eve' WHERE seq = 2",
         "UPDATE audit_log e SET hash = audit_hash(e) WHERE seq = 2"],
        "audit entry 3 .* does not name the hash of the one before it",
    ),
    "all rewritten from there on": (
        ["UPDATE audit_log SET actor = 'eve' WHERE seq = 5",
         "UPDATE audit_log e SET hash = audit_hash(e) WHERE seq = 5"],
        "the audit chain ends at entry 5, but its head is at 5",
    ),
}  # fmt: skip


@pytest.mark.parametrize("how", TAMPERED)
def test_the_first_entry_that_is_not_as_it_was_written_is_named(ledger: Ledger, how: str) -> None:
    with transaction() as connection:
        for number in range(5):
            audit.append(connection, Entry("ana", "a.b", "k", str(number)))
        assert audit.broken(connection) == []
        assert audit.head(connection)[0] == 5
    statements, sentence = TAMPERED[how]
    owner = create_engine(ledger.owner_url)
    with owner.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in statements:
            connection.execute(text(statement))
    owner.dispose()
    with transaction() as connection:
        found = audit.broken(connection)
    assert re.match(sentence, found[0]), found
