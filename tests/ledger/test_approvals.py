"""Drafts are issued when somebody approved exactly these; who, what and why is kept."""

from datetime import date
from uuid import uuid4

import pytest
from sqlalchemy import text

from chargeback.errors import Invalid, Refused
from chargeback.ledger import approvals, audit
from chargeback.ledger.database import transaction
from chargeback.periods import Period
from chargeback.settings import settings
from models.enums import InvoiceStatus
from tests.ledger.books import Books
from tests.migrations.rows import violates

OCTOBER = Period.parse("2026-10")
ON = date(2026, 11, 3)


@pytest.fixture
def drafted(books: Books, monkeypatch: pytest.MonkeyPatch) -> Books:
    """Two drafts: 1.50 for search, 2.25 for etl; approval is required."""
    monkeypatch.setenv("CHARGEBACK_REQUIRE_APPROVAL", "true")
    settings.cache_clear()
    books.use("search", "ana", "1.50").use("etl", "ben", "2.25").run()
    return books


def approve(shown: str | None = None) -> list[str]:
    with transaction() as connection:
        moved = approvals.approve(connection, OCTOBER, shown, ON, "ana", "as budgeted")
        return [one.number for one in moved if one.has_changed]


def shown() -> approvals.Drafts:
    with transaction() as connection:
        return approvals.drafts(connection, OCTOBER)


def statuses(books: Books) -> list[str]:
    return [row.status for row in books.query("SELECT status FROM invoices ORDER BY number")]


def test_approved_drafts_go_through_pending_to_sent_in_the_name_of_who_approved(
    drafted: Books,
) -> None:
    seen = shown()
    assert (len(seen.numbers), str(seen.total)) == (2, "3.750000000000000000")
    assert approve(seen.hash) == ["INV-20261101-0001", "INV-20261101-0002"]
    assert statuses(drafted) == ["sent", "sent"]
    with transaction() as connection:
        history = audit.history(connection, "invoice", "INV-20261101-0001")
        (decision,) = approvals.decisions(connection, OCTOBER)
    assert [(one["action"], one["actor"]) for one in history] == [
        ("invoice.drafted", "tester"),
        ("invoice.pending", "ana"),
        ("invoice.sent", "ana"),
    ]
    assert (decision.decision, decision.decided_by, decision.note) == (
        "approved",
        "ana",
        "as budgeted",
    )
    assert decision.hash == seen.hash
    assert list(decision.numbers) == list(seen.numbers)


def test_approving_again_changes_nothing(drafted: Books) -> None:
    approve()
    assert approve() == []
    assert len(drafted.query("SELECT FROM approvals")) == 1


def test_drafts_that_changed_since_they_were_shown_are_refused(drafted: Books) -> None:
    seen = shown()
    drafted.use("search", "ana", "0.50").run()
    with pytest.raises(Refused, match="not those that were shown") as refused:
        approve(seen.hash)
    assert refused.value.code == "drafts_changed"
    assert statuses(drafted) == ["draft", "draft"]
    assert drafted.query("SELECT FROM approvals") == []
    assert approve(shown().hash) != []


def test_a_draft_whose_cost_was_allocated_anew_is_refused_as_stale(drafted: Books) -> None:
    drafted.use("search", "ana", "0.50").rule(
        {"rule_id": "half", "name": "Half", "rule_type": "fixed_split", "split_percentages": {"search": 50, "etl": 50},
         "allocation_metadata": {"entity_type": "team"}}
    )  # fmt: skip
    drafted.allocate()
    with pytest.raises(Refused, match="stale"):
        approve()
    assert statuses(drafted) == ["draft", "draft"]


def test_rejected_drafts_stay_drafts_and_pending_ones_go_back(drafted: Books) -> None:
    drafted.move("INV-20261101-0001", InvoiceStatus.PENDING)
    with transaction() as connection:
        approvals.reject(connection, OCTOBER, None, "ana", "wrong cost centre")
    assert statuses(drafted) == ["draft", "draft"]
    (row,) = drafted.query("SELECT decision, note FROM approvals")
    assert tuple(row) == ("rejected", "wrong cost centre")
    assert approve() != [], "who rejected may approve later"


def test_what_a_run_rejected_it_does_not_reject_again(drafted: Books) -> None:
    seen, run = shown(), uuid4()
    for _ in range(
        2
    ):  # As a process that slept while another told the ledger what the person said.
        with transaction() as connection:
            approvals.reject(connection, OCTOBER, seen.hash, "ana", "wrong cost centre", run)
    assert len(drafted.query("SELECT FROM approvals")) == 1


def test_a_rejection_needs_a_reason_and_something_to_reject(drafted: Books) -> None:
    with transaction() as connection:
        with pytest.raises(Invalid, match="say why"):
            approvals.reject(connection, OCTOBER, None, "ana", " ")
        with pytest.raises(Refused, match="no draft of 2026-09"):
            approvals.reject(connection, Period.parse("2026-09"), None, "ana", "why not")


def test_without_approval_a_draft_is_not_sent(drafted: Books) -> None:
    with pytest.raises(Refused, match="needs approval"):
        drafted.send("INV-20261101-0001")


def test_a_decision_is_never_edited(drafted: Books) -> None:
    approve()
    with transaction() as connection, violates(connection, "permission denied"):
        connection.execute(text("UPDATE approvals SET decided_by = 'nobody'"))
