"""The commands of whoever runs it: approve, archive, deploy, worker, invoices through Prefect."""

import json
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from chargeback.ledger.database import snapshot
from chargeback.ledger.digest import digest
from chargeback.settings import settings
from entrypoints import cli
from tasks.bill_payers import draft_invoices
from tests.conftest import Ledger
from tests.ledger.books import Books

Say = Callable[..., tuple[int, str, str]]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """The exit status of a command, and what it printed."""

    def said(*tokens: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = cli.main(tokens)
        return (status, *capsys.readouterr())

    return said


@pytest.fixture
def drafted(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Books:
    """Two drafts of October, 1.50 and 2.25, that need approval."""
    monkeypatch.setenv("CHARGEBACK_REQUIRE_APPROVAL", "true")
    settings.cache_clear()
    books = Books(ledger)
    books.use("search", "ana", "1.50").use("etl", "ben", "2.25").allocate()
    draft_invoices.fn("2026-10", date(2026, 11, 1), "tester")
    return books


def said_json(answer: tuple[int, str, str]) -> Any:
    assert answer[0] == 0, answer[2]
    return json.loads(answer[1])


def the_digest() -> str:
    with snapshot() as connection:
        return digest(connection)


def test_approving_issues_the_drafts_and_publishes_them(drafted: Books, say: Say) -> None:
    done = said_json(
        say("approve", "2026-10", "--on", "2026-11-03", "--reason", "as budgeted", "--json")
    )
    assert done == {
        "period": "2026-10", "decision": "approved", "issued": ["INV-20261101-0001", "INV-20261101-0002"],
        "resumed": [],
    }  # fmt: skip
    assert len(list(settings().files.rglob("INV-*.pdf"))) == 2
    status, out, _ = say("approve", "2026-10")
    assert (status, out) == (0, "No draft of 2026-10 waits for approval; nothing changed.\n")


def test_rejecting_needs_a_reason_and_leaves_drafts(drafted: Books, say: Say) -> None:
    before = the_digest()
    status, _, err = say("approve", "2026-10", "--reject")
    assert status == 2
    assert "say why" in err
    status, out, _ = say("approve", "2026-10", "--reject", "--reason", "wrong rates")
    assert (status, out) == (0, "The 2 drafts of 2026-10 are rejected; they stay drafts.\n")
    assert the_digest() == before


def test_a_decision_about_other_drafts_is_refused(drafted: Books, say: Say) -> None:
    status, _, err = say("approve", "2026-10", "--hash", "0" * 64)
    assert status == 3
    assert "are not those that were shown" in err


def test_refused_rows_keep_drafts_from_being_approved(drafted: Books, say: Say) -> None:
    drafted.refuse("1").load()
    status, _, err = say("approve", "2026-10")
    assert status == 3
    assert "chargeback quarantine list" in err


@pytest.fixture
def billed(ledger: Ledger) -> Books:
    """September billed."""
    books = Books(ledger)
    books.use("search", "ana", "1.50", "2026-09-05").bill("2026-09", "2026-10-01")
    return books


def test_old_usage_is_archived_listed_and_restored(billed: Books, say: Say) -> None:
    before = the_digest()
    (done,) = said_json(
        say("archive", "old", "--keep-months", "1", "--as-of", "2026-11-22", "--json")
    )
    assert (done["month"], done["records"], done["kept_by"]) == ("2026-09", 1, [])
    (listed,) = said_json(say("archive", "list", "--json"))
    assert (listed["state"], listed["record_count"]) == ("archived", 1)
    assert (
        "nothing changed" in say("archive", "old", "--keep-months", "1", "--as-of", "2026-11-22")[1]
    )
    assert the_digest() == before
    assert say("archive", "restore", "2026-09")[1] == "1 usage records of 2026-09 are back.\n"
    assert "nothing changed" in say("archive", "restore", "2026-09")[1]
    assert the_digest() == before


def test_what_is_not_billed_stays_and_the_command_says_why(billed: Books, say: Say) -> None:
    billed.use("search", "ana", "1", "2026-08-05").load()
    status, out, _ = say("archive", "old", "--keep-months", "1", "--as-of", "2026-11-22")
    assert status == 0
    assert out.startswith("2026-08 stays, and so does what is younger: ")


@pytest.mark.parametrize(
    ("tokens", "status", "told"),
    [
        (("archive", "old"), 2, "say how many full months stay"),
        (("archive", "restore", "2020-01"), 4, "was never archived"),
        (("archive", "restore", "soon"), 2, "soon"),
    ],
)
def test_what_the_archive_cannot_do_is_one_line(
    ledger: Ledger, say: Say, tokens: tuple[str, ...], status: int, told: str
) -> None:
    given, out, err = say(*tokens)
    assert (given, out) == (status, "")
    assert told in err


def test_a_worker_alone_says_what_it_needs(say: Say) -> None:
    status, _, err = say("worker")
    assert status == 3
    assert "CHARGEBACK_DATABASE_URL and PREFECT_API_URL is not set" in err


def test_deploying_without_a_server_says_so(say: Say) -> None:
    status, _, err = say("deploy")
    assert status == 5
    assert "run `chargeback up`, or set PREFECT_API_URL" in err


def test_an_invoice_of_nobody_is_refused_before_anything_is_started(say: Say) -> None:
    status, _, err = say("invoice", "2026-10", "--via", "prefect")
    assert status == 2
    assert "say whom to bill" in err
