"""`--dry-run`: every command that books says what it would do, and the books stay as they are."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chargeback.ledger.database import snapshot
from chargeback.ledger.digest import digest
from chargeback.settings import settings
from entrypoints import cli
from tests.conftest import Ledger
from tests.ledger.books import Books

Rehearse = Callable[..., Any]


def the_books() -> tuple[str, list[Any]]:
    """What the ledger says, what may have been numbered or told in it, and which files there are."""
    with snapshot() as connection:
        counts = connection.exec_driver_sql(
            "SELECT (SELECT sum(last_ordinal) FROM number_counters), (SELECT count(*) FROM audit_log),"
            " (SELECT count(*) FROM documents), (SELECT count(*) FROM allocation_rules)"
        ).one()
        files = sorted(settings().files.rglob("*")) if settings().files.exists() else []
        return digest(connection), [*counts, files]


@pytest.fixture
def rehearse(capsys: pytest.CaptureFixture[str]) -> Rehearse:
    """Run a command with --dry-run, in words and as JSON; the JSON, and that nothing came of it."""

    def rehearsed(*tokens: str) -> Any:
        before = the_books()
        capsys.readouterr()
        assert cli.main([*tokens, "--dry-run"]) == 0
        rehearsed.words = capsys.readouterr().out  # type: ignore[attr-defined]
        assert "Dry run: nothing was booked." in rehearsed.words  # type: ignore[attr-defined]
        assert cli.main([*tokens, "--dry-run", "--json"]) == 0
        answer = json.loads(capsys.readouterr().out)
        assert the_books() == before
        return answer

    return rehearsed


@pytest.fixture
def books(ledger: Ledger) -> Books:
    """search's 4 of the 5th and etl's 1 of the 6th of October, loaded; the source's export was not read yet."""
    told = Books(ledger).use("search", "ana", "4", agent="bot").use("etl", None, "1", "2026-10-06")
    told.load()
    return told


def test_an_import_says_what_it_would_change_and_move(
    books: Books, rehearse: Rehearse, tmp_path: Path
) -> None:
    file = tmp_path / "company.yaml"
    file.write_text(
        "rules: [{rule_id: half, rule_type: equal_split, entity_ids: [search, etl], match: {agent_ids: [bot]}}]"
    )
    said = rehearse("import", str(file))
    assert (said["rules"], said["dry_run"]) == (1, True)
    assert said["preview"] == {
        "cost": "4", "days": 1, "is_at_most": False, "rules": [{"rule_id": "half", "cost": "4", "days": 1}],
        "payers": [
            {"team_id": "search", "user_id": "ana", "is_allocated": True, "before": "4", "after": "0",
             "difference": "-4"},
            {"team_id": "etl", "user_id": None, "is_allocated": True, "before": "0", "after": "2", "difference": "2"},
            {"team_id": "search", "user_id": None, "is_allocated": True, "before": "0", "after": "2",
             "difference": "2"},
        ],
    }  # fmt: skip
    words = rehearse.words  # type: ignore[attr-defined]
    assert "would change 1 rules." in words
    assert "4 USD of unbilled cost in 1 day would move." in words
    assert "Rule half takes 4 USD in 1 day." in words


def test_an_import_that_is_done_says_what_moves(
    books: Books, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "company.yaml"
    file.write_text(
        "owners: {agent: {bot: [{team: etl}]}}\nteams: [{id: search, members: [{user: ana}]}]"
    )
    assert cli.main(["import", str(file)]) == 0
    assert "No unbilled cost moves." in capsys.readouterr().out
    file.write_text("rules: [{rule_id: r, rule_type: by_user, user_ids: [ana]}]")
    assert cli.main(["import", str(file)]) == 0
    assert "4 USD of unbilled cost in 1 day moves." in capsys.readouterr().out
    assert books.query("SELECT count(*) AS n FROM allocation_rules")[0].n == 3


def test_a_sync_counts_what_it_would_load(ledger: Ledger, rehearse: Rehearse) -> None:
    export = "examples/cost_tracker_export.json"
    assert cli.main(["sources", "add", "calls", "--path", export, "--form", "json"]) == 0
    (said,) = rehearse("sync", "calls", "--period", "2026-10")
    assert (said["new"], said["dry_run"]) == (438, True)


def test_a_withdrawal_says_what_it_would_take_back(books: Books, rehearse: Rehearse) -> None:
    said = rehearse("withdraw", "u-1", "--source", "tracker", "--reason", "a test")
    assert (said["withdrawn"], said["raw_cost"]) == (1, "4")


def test_an_allocation_says_who_would_bear_what(books: Books, rehearse: Rehearse) -> None:
    said = rehearse("allocate", "2026-10")["preview"]
    assert (said["cost"], said["days"]) == ("5", 2)
    assert [(one["team_id"], one["difference"]) for one in said["payers"]] == [
        (None, "-5"), ("etl", "1"), ("search", "4")
    ]  # fmt: skip
    assert "not allocated yet" in rehearse.words  # type: ignore[attr-defined]


def test_an_invoice_is_shown_and_not_made(books: Books, rehearse: Rehearse) -> None:
    said = rehearse("invoice", "2026-10", "--team", "search", "--on", "2026-11-01")
    assert (said["number"], said["total"], said["pdf"]) == ("INV-20261101-0001", "4", None)


def test_a_month_is_billed_without_prefect_and_without_anything_kept(
    books: Books, rehearse: Rehearse
) -> None:
    said = rehearse("bill", "2026-10", "--on", "2026-11-01")
    totals = {one["team_id"]: one["total"] for one in said["documents"]}
    assert (totals["etl"], totals["search"], len(totals)) == ("1", "4", 5)
    assert [one["new"] for one in said["syncs"]] == [438]
    assert said["open_quarantine"] == 0


@pytest.mark.parametrize(
    ("command", "status"), [("send", "sent"), ("cancel", "cancelled"), ("move", "pending")]
)
def test_a_draft_stays_a_draft(books: Books, rehearse: Rehearse, command: str, status: str) -> None:
    number = books.draft("search").number
    tokens = [command, number, status] if command == "move" else [command, number]
    said = rehearse(*tokens, "--on", "2026-11-01")
    assert (said["status"], said["changed"], said["dry_run"]) == (status, True, True)
    assert f"{number} would be {status}." in rehearse.words  # type: ignore[attr-defined]


def test_an_issued_invoice_is_neither_credited_nor_overdue_nor_paid(
    books: Books, rehearse: Rehearse
) -> None:
    number = books.draft("search").number
    books.send(number)
    assert rehearse("cancel", number, "--on", "2026-11-02")["credit_note"] == "CN-20261102-0001"
    assert rehearse("pay", number, "--on", "2026-11-02")["status"] == "paid"
    assert rehearse("sweep", "--as-of", "2026-12-31")["overdue"] == [number]
