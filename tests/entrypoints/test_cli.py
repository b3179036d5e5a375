"""The command line: every command on a real ledger, and every mistake as one line that changes nothing."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from chargeback.errors import Unavailable
from chargeback.ledger import digest
from chargeback.ledger.database import snapshot, transaction
from chargeback.settings import settings
from entrypoints import cli
from entrypoints.commands import books
from entrypoints.ledger_at_hand import ledger_at_hand
from entrypoints.postgres import is_postgres_running
from tests.conftest import Ledger
from tests.postgres import Server

ROOT = Path(__file__).resolve().parents[2]
COMPANY = str(ROOT / "examples" / "company.yaml")
EXPORT = "examples/cost_tracker_export.json"


class Answer:
    """What a command left: its exit status and what it printed."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Say = Callable[..., Answer]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    def said(*tokens: str) -> Answer:
        capsys.readouterr()
        status = cli.main(tokens)
        return Answer(status, *capsys.readouterr())

    return said


@pytest.fixture
def done(say: Say) -> Say:
    """A command that has to succeed."""

    def said(*tokens: str) -> Answer:
        answer = say(*tokens)
        assert answer.status == 0, answer.err or answer.out
        return answer

    return said


@pytest.fixture
def refused(say: Say) -> Callable[..., str]:
    """A command that has to fail with `status`, one line, and nothing changed; its line."""

    def said(status: int, *tokens: str) -> str:
        before = the_digest()
        answer = say(*tokens)
        assert answer.status == status, answer.err or answer.out
        assert answer.out == ""
        assert re.fullmatch(r"chargeback: \S.*\n", answer.err), answer.err
        assert the_digest() == before
        return answer.err

    return said


@pytest.fixture
def company(ledger: Ledger, done: Say) -> Ledger:
    """The example company with its usage of October."""
    done("import", COMPANY)
    done("sources", "add", "tracker", "--path", EXPORT, "--form", "json")
    done("sync")
    return ledger


def the_digest() -> str:
    with snapshot() as connection:
        return digest.digest(connection)


# Help and versions


def test_every_command_says_what_it_does(done: Say) -> None:
    help_text = done("--help").out
    for name, command in cli.app.resolved_commands().items():
        if not name.startswith("-"):
            assert re.search(rf"│ {name} +\S", help_text), name
            assert command.help or command.default_command.__doc__, name


def test_the_version_is_printed(done: Say) -> None:
    assert re.fullmatch(r"chargeback \d+\.\d+\.\d+\n", done("--version").out)


# What comes in


def test_importing_the_same_file_again_changes_nothing(ledger: Ledger, done: Say) -> None:
    counts = {"teams": 3, "users": 3, "memberships": 3, "owners": 2, "rules": 2}
    nothing = {"cost": "0", "days": 0, "is_at_most": False, "rules": [], "payers": []}
    said = {"preview": nothing, "dry_run": False}
    assert done("import", COMPANY, "--json").json == counts | said | {"budgets": 0}
    assert "nothing changed" in done("import", COMPANY).out
    again = dict.fromkeys([*counts, "budgets"], 0)
    assert done("import", COMPANY, "--json").json == again | said


def test_teams_and_rules_are_shown(company: Ledger, done: Say) -> None:
    assert "Customer Support" in done("teams").out
    support = next(one for one in done("teams", "--json").json if one["team_id"] == "team-support")
    assert (support["net_days"], support["tax_rate"], support["cost_center"]) == (
        14,
        "0.21",
        "CC-4200",
    )
    assert "team-support 60%, team-search 40%" in done("rules").out
    split = next(
        one for one in done("rules", "--json").json if one["rule_id"] == "support-agent-shared"
    )
    assert split["split_percentages"] == {"team-support": "60", "team-search": "40"}
    assert [one["team_id"] for one in split["receivers"]] == ["team-support", "team-search"]


@pytest.mark.parametrize(
    ("content", "status", "said"),
    [
        ("teams: [", 2, "is not YAML"),
        ("teams: [{id: a, colour: red}]", 2, "at teams.0.colour"),
        ("rules: [{rule_id: r, rule_type: fixed_split, name: R, split_percentages: {a: 60, b: 30}}]", 2, "90"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_right_changes_nothing(
    ledger: Ledger,
    tmp_path: Path,
    refused: Callable[..., str],
    content: str,
    status: int,
    said: str,
) -> None:
    file = tmp_path / "company.yaml"
    file.write_text(content, encoding="utf-8")
    assert said in refused(status, "import", str(file))


@pytest.mark.parametrize(
    "zone", ["Europe/Nowhere", "", "IST", "../../etc/passwd", "europe/amsterdam", " UTC"]
)
def test_a_billing_zone_that_is_none_is_refused_naming_the_setting(
    zone: str, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARGEBACK_BILLING_ZONE", zone)
    settings.cache_clear()
    answer = say("status", "2026-10")
    assert answer.status == 2
    assert f"CHARGEBACK_BILLING_ZONE cannot be used ({zone!r} is no IANA time zone" in answer.err


def test_a_word_that_is_no_utf_8_is_refused_and_named(
    ledger: Ledger, refused: Callable[..., str]
) -> None:
    said = refused(2, "invoice", "--team", "\udcff", "2026-10")
    assert r"word 3 of the command, '\udcff', is no UTF-8 text; write it in UTF-8" in said


def test_a_file_that_is_not_there_is_named(ledger: Ledger, refused: Callable[..., str]) -> None:
    assert "/nowhere/a.yaml" in refused(4, "import", "/nowhere/a.yaml")


def test_adding_the_same_source_again_changes_nothing_and_says_so(
    ledger: Ledger, done: Say
) -> None:
    given = ("sources", "add", "tracker", "--path", EXPORT, "--form", "json")
    assert done(*given, "--json").json["changed"] is True
    assert "nothing changed" in done(*given).out
    (source,) = done("sources", "list", "--json").json
    assert source == {
        "name": "tracker", "kind": "cost_tracker", "role": "allocate",
        "config": {"path": EXPORT, "form": "json"}, "cursor_at": None, "zero_cost": None,
    }  # fmt: skip


def test_a_source_keeps_the_name_of_its_secret_only(ledger: Ledger, done: Say) -> None:
    done("sources", "add", "far", "--url", "https://tracker.example/api/cost/export", "--form", "csv",
         "--token-env", "TRACKER_TOKEN", "--role", "reconcile_only")  # fmt: skip
    (source,) = done("sources", "list", "--json").json
    assert source["config"]["token_env"] == "TRACKER_TOKEN"
    assert source["role"] == "reconcile_only"


@pytest.mark.parametrize(
    "given",
    [
        ("a", "--form", "json"),
        ("a", "--form", "xml", "--path", "x"),
        ("a", "--form", "json", "--path", "x", "--url", "http://h/x"),
        ("a", "--form", "json", "--path", "x", "--kind", "cloud"),
        ("A b", "--form", "json", "--path", "x"),
        ("a", "--form", "json", "--url", "http://user:secret@h/x"),
    ],
)
def test_a_source_that_cannot_work_is_refused(
    ledger: Ledger, refused: Callable[..., str], done: Say, given: tuple[str, ...]
) -> None:
    assert "secret" not in refused(2, "sources", "add", *given)
    assert done("sources", "list", "--json").json == []


def test_syncing_again_finds_everything_held(company: Ledger, done: Say) -> None:
    (again,) = done("sync", "tracker", "--period", "2026-10", "--json").json
    assert (again["received"], again["new"], again["unchanged"]) == (438, 0, 438)
    assert again["received_raw"] == "0.754318700000000002909"
    assert "Nothing is new" in done("sync").out


def test_an_unknown_source_is_named_with_those_there_are(
    company: Ledger, refused: Callable[..., str]
) -> None:
    assert "tracker" in refused(4, "sync", "trackr")


@pytest.fixture
def refused_row(ledger: Ledger, tmp_path: Path, done: Say) -> None:
    row: dict[str, Any] = {
        "call_id": "a", "timestamp": "2026-10-05T12:00:00Z", "provider": "p", "model": "m", "agent_id": None,
        "prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2, "cost_usd": "dear",
        "operation_type": "query", "metadata": {},
    }  # fmt: skip
    file = tmp_path / "export.json"
    file.write_text(json.dumps({"records": [row]}), encoding="utf-8")
    done("sources", "add", "tracker", "--path", str(file), "--form", "json")
    assert "1 rows were refused" in done("sync").out


def test_a_refused_row_is_listed_and_waived(
    refused_row: None, done: Say, refused: Callable[..., str]
) -> None:
    (row,) = done("quarantine", "list", "--json").json
    assert (row["external_id"], row["state"], row["usage_date"]) == ("a", "open", "2026-10-05")
    number = str(row["quarantine_id"])
    assert "no quarantined row 4711" in refused(4, "quarantine", "waive", "4711", "--reason", "why")
    assert "say why" in refused(2, "quarantine", "waive", number, "--reason", " ")
    done("quarantine", "waive", number, "--reason", "a test call")
    assert "waived already" in refused(3, "quarantine", "waive", number, "--reason", "again")
    assert done("quarantine", "list", "--json").json == []
    (row,) = done("quarantine", "list", "--state", "waived", "--json").json
    assert row["decision"] == "a test call"


# What goes out


def test_allocating_again_changes_nothing(company: Ledger, done: Say) -> None:
    assert done("allocate", "2026-10", "--json").json["days"] == 31
    assert "Nothing had changed" in done("allocate").out


def test_an_invoice_is_drafted_with_its_exact_sums_and_a_pdf(company: Ledger, done: Say) -> None:
    made = done("invoice", "2026-10", "--team", "team-support", "--on", "2026-11-01", "--json").json
    assert made["outcome"] == "made"
    assert made["number"] == "INV-20261101-0001"
    # 0.238880100000000003 prints as 0.24; 21 % of that is 0.0504.
    assert (made["exact_total"], made["subtotal"], made["tax"], made["total"]) == (
        "0.238880100000000003", "0.24", "0.05", "0.29")  # fmt: skip
    assert made["due_date"] == "2026-11-15"
    assert Path(made["pdf"]).read_bytes().startswith(b"%PDF")
    again = done("invoice", "2026-10", "--team", "team-support", "--on", "2026-11-01").out
    assert "nothing changed" in again
    assert "0.238880100000000003" in again


def test_what_another_document_holds_is_told(company: Ledger, done: Say) -> None:
    done("invoice", "2026-10", "--team", "team-support", "--user", "u-fay", "--on", "2026-11-01")
    told = done("invoice", "2026-10", "--team", "team-support", "--on", "2026-11-01").out
    assert "INV-20261101-0001 holds " in told


def test_one_invoice_of_all_payers(company: Ledger, done: Say) -> None:
    made = done("invoice", "2026-10", "--all", "--number", "ALL-1", "--json").json
    # All that came in, less what has no owner: 0.754318700000000005 - 0.103532350000000001.
    assert made["exact_total"] == "0.650786350000000004"
    assert (made["number"], made["scope"]) == ("ALL-1", "all")


@pytest.mark.parametrize(
    ("status", "given", "said"),
    [
        (4, ("2026-10", "--team", "team-serch"), "did you mean 'team-search'?"),
        (4, ("2026-10", "--user", "u-nobody"), "u-nobody"),
        (2, ("2026-10",), "--all"),
        (2, ("2026-10", "--all", "--team", "team-search"), "--all"),
        (2, ("2026-13", "--team", "team-search"), "2026-13"),
        (2, ("october", "--team", "team-search"), "write a month like"),
        (2, ("2026-10", "--team", "team-search", "--on", "tomorrow"), "tomorrow"),
        (2, ("--team", "team-search"), "PERIOD"),
    ],
)
def test_an_invoice_that_cannot_be_is_refused(
    company: Ledger, refused: Callable[..., str], status: int, given: tuple[str, ...], said: str
) -> None:
    assert said in refused(status, "invoice", *given)


@pytest.fixture
def draft(company: Ledger, done: Say) -> str:
    made = done("invoice", "2026-10", "--team", "team-support", "--on", "2026-11-01", "--json").json
    return str(made["number"])


def test_an_invoice_is_sent_swept_and_paid(
    draft: str, done: Say, refused: Callable[..., str]
) -> None:
    sent = done("send", draft, "--on", "2026-11-01", "--json").json
    assert (sent["status"], sent["changed"]) == ("sent", True)
    assert Path(sent["pdfs"][draft]).exists()
    assert "already; nothing changed" in done("send", draft).out
    assert "no invoice became overdue" in done("sweep", "--as-of", "2026-11-15").out
    assert done("sweep", "--as-of", "2026-11-16", "--json").json["overdue"] == [draft]
    assert "is paid now" in done("pay", draft, "--on", "2026-11-20").out
    assert "nothing changed" in done("pay", draft).out
    assert "stays as it is" in refused(3, "cancel", draft)
    assert done("show", draft, "--json").json["paid_date"] == "2026-11-20"


def test_a_cancelled_invoice_gets_a_credit_note_and_is_billed_again(draft: str, done: Say) -> None:
    done("send", draft, "--on", "2026-11-01")
    cancelled = done("cancel", draft, "--on", "2026-11-02", "--reason", "wrong team", "--json").json
    assert cancelled["credit_note"] == "CN-20261102-0001"
    assert set(cancelled["pdfs"]) == {draft, "CN-20261102-0001"}
    again = done(
        "invoice", "2026-10", "--team", "team-support", "--on", "2026-11-02", "--json"
    ).json
    assert (again["outcome"], again["total"]) == ("made", "0.29")
    history = done("show", draft, "--json").json["history"]
    assert history[-1]["reason"] == "wrong team"
    assert history[-1]["actor"].startswith("cli:")


def test_a_written_off_invoice_is_not_billed_again(draft: str, done: Say) -> None:
    done("send", draft, "--on", "2026-11-01")
    assert "written off" in done("cancel", draft, "--no-rebill").out
    again = done("invoice", "2026-10", "--team", "team-support", "--json").json
    assert again["total"] == "0"


@pytest.fixture
def split_wrong(ledger: Ledger, tmp_path: Path, done: Say) -> Callable[[str], None]:
    """140.00 billed, 60 to search and 40 to etl; what is given edits the export and the company's file."""
    export, company = tmp_path / "usage.csv", tmp_path / "company.yaml"
    export.write_text(
        "Call ID,Timestamp,Provider,Model,Agent ID,Prompt Tokens,Completion Tokens,Total Tokens,Cost (USD),"
        "Operation Type\r\n"
        "call-1,2026-10-05T10:00:00Z,openai,gpt-4o,helpdesk,100,200,300,100.00,query\r\n"
        "call-2,2026-10-06T10:00:00Z,openai,gpt-4o,helpdesk,100,200,300,40.00,query\r\n",
        encoding="utf-8",
    )
    company.write_text(
        "rules: [{rule_id: helpdesk, rule_type: fixed_split, split_percentages: {search: 60, etl: 40}, "
        "allocation_metadata: {entity_type: team}}]",
        encoding="utf-8",
    )

    def edit(old: str, new: str) -> None:
        for file in (export, company):
            file.write_text(file.read_text("utf-8").replace(old, new), encoding="utf-8")
        done("import", str(company))
        done("sync")

    done("sources", "add", "tracker", "--path", str(export), "--form", "csv")
    edit("", "")
    for team in ("search", "etl"):
        done(
            "send",
            done("invoice", "2026-10", "--team", team, "--on", "2026-11-01", "--json").json[
                "number"
            ],
        )
    return lambda change: edit(*change.split(" -> "))


def test_shares_are_reallocated_after_they_were_shown_and_once(
    split_wrong: Callable[[str], None], done: Say, refused: Callable[..., str]
) -> None:
    split_wrong("search: 60, etl: 40 -> search: 50, etl: 50")
    given = ("reallocate", "2026-10", "--reason", "both use it alike")
    shown = done(*given, "--dry-run", "--json").json
    # Of 140.00: 84 and 56 were billed, 70 each is right.
    assert [(share["payer"]["team_id"], share["difference"]) for share in shown["shares"]] == [
        ("search", "-14"), ("etl", "14")
    ]  # fmt: skip
    assert shown["booked"] is False
    told = done(*given).out
    assert "team search" in told
    assert "140 USD moved" in told
    assert "nothing changed" in done(*given).out
    assert "say why" in refused(2, "reallocate", "2026-10", "--reason", " ")
    made = done("invoice", "2026-11", "--team", "search", "--on", "2026-12-01", "--json").json
    assert [line["description"] for line in made["lines"]] == [
        "Reallocation for 2026-10: query, billed on INV-20261101-0001; both use it alike"
    ]


def test_changed_and_withdrawn_usage_comes_back_as_a_late_line(
    split_wrong: Callable[[str], None], done: Say, refused: Callable[..., str]
) -> None:
    split_wrong("100.00 -> 90.00")
    given = ("withdraw", "call-2", "--source", "tracker", "--reason", "a test call")
    assert "1 rows of tracker are taken back, 40 USD in all" in done(*given, "--dry-run").out
    assert done(*given, "--json").json["withdrawn"] == 1
    assert "nothing changed" in done(*given).out
    assert "no usage 'call-9'" in refused(
        4, "withdraw", "call-9", "--source", "tracker", "--reason", "x"
    )
    made = done("invoice", "2026-11", "--team", "etl", "--on", "2026-12-01", "--json").json
    # 40 % of 10.00 less and of the 40.00 withdrawn.
    assert [(line["kind"], line["amount"]) for line in made["lines"]] == [("late", "-20")]
    payers = done("reconcile", "2026-10", "--json").json["payers"]
    assert [(p["team_id"], p["borne"], p["charged"], p["waiting"]) for p in payers] == [
        ("etl", "36", "56", "-20"), ("search", "54", "84", "-30")
    ]  # fmt: skip
    assert "team search" in done("reconcile", "2026-10", "--payers").out


def test_a_draft_waits_for_approval_and_comes_back(
    draft: str, done: Say, refused: Callable[..., str]
) -> None:
    done("move", draft, "pending")
    assert "is pending" in refused(3, "invoice", "2026-10", "--team", "team-support")
    done("move", draft, "draft")
    assert "it may become" in refused(3, "pay", draft)
    assert "overdue" in refused(3, "move", draft, "overdue")
    assert "no invoice status" in refused(2, "move", draft, "settled")
    assert "no document 'INV-1'" in refused(4, "send", "INV-1")


def test_what_is_published_is_there(company: Ledger, done: Say) -> None:
    done("invoice", "2026-10", "--team", "team-etl")
    first = done("publish", "2026-10", "--json").json
    assert Path(first["reports"]["overview"]).exists()
    assert (first["invoices"]["published"], first["invoices"]["new"]) == (1, 0)
    assert done("publish", "2026-10", "--json").json["reports"]["new"] == 0


@pytest.mark.parametrize("command", [("bill",), ("publish",), ("reconcile",), ("status",), ("verify",), ("allocate",),
                                     ("sync", "--period")])  # fmt: skip
def test_a_bad_period_is_refused_before_anything_is_started(
    company: Ledger, refused: Callable[..., str], command: tuple[str, ...]
) -> None:
    assert "'2026-10-32'" in refused(2, *command, "2026-10-32")


# The books


def test_the_status_tells_what_waits(draft: str, done: Say) -> None:
    found = done("status", "2026-10", "--json").json
    assert [(one["number"], one["status"], one["total"]) for one in found["documents"]] == [
        (draft, "draft", "0.29")
    ]
    assert found["totals"] == [{"status": "draft", "count": 1, "total": "0.29"}]
    assert (found["unattributed"], found["days_to_allocate"]) == ("0.103532350000000001", 0)
    shown = done("status").out
    assert "0.103532350000000001 USD has no owner" in shown
    assert draft in shown


def test_the_status_of_an_empty_ledger_says_so(ledger: Ledger, done: Say) -> None:
    assert "none" in done("status").out
    assert "no source yet" in done("reconcile", "2026-10").out
    assert "no source yet" in done("sync").out
    assert "no team yet" in done("teams").out
    assert "no rule yet" in done("rules").out


def test_one_document_is_shown_whole(draft: str, done: Say) -> None:
    shown = done("show", draft).out
    for part in (
        "Customer Support",
        "CC-4200",
        "20,631.2 Tokens",
        "tax 21%",
        "agent-etl",
        "invoice.drafted",
        ".pdf",
    ):
        assert part in shown


def test_the_reconciliation_is_exact(company: Ledger, done: Say) -> None:
    done("allocate")
    found = done("reconcile", "2026-10", "--json").json
    (source,) = found["sources"]
    assert (source["received_count"], source["received"]) == (438, "0.754318700000000002909")
    assert source["ledger"] == "0.754318700000000005"
    # 0.754318700000000002909 - 0.754318700000000005
    assert source["residual"] == "-0.000000000000000002091"
    assert (source["difference"], found["difference"]) == ("0", "0")
    assert "to the last digit" in done("reconcile", "2026-10").out


def test_books_that_tie_out_are_verified(draft: str, done: Say) -> None:
    assert "The books tie out" in done("verify", "2026-10").out
    found = done("verify", "--json").json
    assert (found["holds"], found["broken"]) == (True, [])


def test_a_published_file_that_is_gone_breaks_the_books(draft: str, done: Say, say: Say) -> None:
    pdf = Path(done("show", draft, "--json").json["pdf"])
    pdf.unlink()
    answer = say("verify")
    assert answer.status == 1
    assert draft in answer.out
    broken = say("verify", "--json").json["broken"]
    assert [one["invariant"] for one in broken] == [13]


def test_the_digest_moves_with_the_books_only(company: Ledger, done: Say) -> None:
    before = done("digest").out
    done("sync")
    assert done("digest").out == before
    done("allocate")
    assert done("digest").out != before
    assert set(done("digest", "--parts", "--json").json["parts"]) >= {
        "usage",
        "allocations",
        "documents",
    }


# Names from outside


def test_names_are_shown_as_they_are_written(ledger: Ledger, tmp_path: Path, done: Say) -> None:
    file = tmp_path / "company.yaml"
    file.write_text('teams: [{id: t, name: "[red]Ops[/red]\\e[31m"}]', encoding="utf-8")
    done("import", str(file))
    shown = done("teams").out
    assert "[red]Ops[/red]\N{REPLACEMENT CHARACTER}[31m" in shown
    assert "\x1b[31m" not in shown


# What goes wrong


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Makes `chargeback status` raise."""

    def fail(error: BaseException) -> None:
        def raising(period: str | None, as_json: bool) -> int:
            raise error

        monkeypatch.setattr(books, "status", raising)

    return fail


def test_a_bug_is_one_line_and_its_traceback_a_file(
    ledger: Ledger, home: Path, say: Say, failing: Callable[[BaseException], None]
) -> None:
    failing(ZeroDivisionError("a secret of the driver"))
    answer = say("status")
    assert answer.status == 1
    assert re.fullmatch(
        r"chargeback: this is a bug in Chargeback \(ZeroDivisionError\); .*\n", answer.err
    )
    (log,) = (home / "logs").glob("error-*.log")
    assert "a secret of the driver" in log.read_text(encoding="utf-8")
    assert log.stat().st_mode & 0o077 == 0


def test_ctrl_c_ends_with_130(say: Say, failing: Callable[[BaseException], None]) -> None:
    failing(KeyboardInterrupt())
    answer = say("status")
    assert answer.status == 130
    assert answer.err.count("\n") == 1


def test_an_error_with_the_end_of_a_log_is_one_line_too(
    say: Say, failing: Callable[[BaseException], None]
) -> None:
    failing(
        Unavailable(
            "x", "worker ended while starting; the end of /logs/worker.log:\nnoise\nport taken\n"
        )
    )
    answer = say("status")
    assert answer.status == 5
    assert (
        answer.err
        == "chargeback: worker ended while starting; the end of /logs/worker.log: port taken\n"
    )


@pytest.mark.parametrize(
    "tokens",
    [
        ("nonsense",),
        ("status", "--colour"),
        ("move", "x"),
        ("invoice", "a", "b"),
        ("quarantine", "waive", "x"),
    ],
)
def test_a_command_called_wrongly_is_one_line(say: Say, tokens: tuple[str, ...]) -> None:
    answer = say(*tokens)
    assert answer.status == 2
    assert re.fullmatch(r"chargeback: .* --help` shows how it is called\n", answer.err)


def test_a_setting_that_cannot_be_is_named_without_its_value(
    say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARGEBACK_PREFECT_PORT", "hunter2")
    settings.cache_clear()
    answer = say("status")
    assert answer.status == 2
    assert "CHARGEBACK_PREFECT_PORT" in answer.err
    assert "hunter2" not in answer.err


@pytest.mark.parametrize(
    ("url", "status"),
    [("nonsense with a hunter2", 2), ("postgresql+psycopg2://app:hunter2@127.0.0.1:1/ledger", 5)],
)
def test_a_ledger_that_cannot_be_reached_is_one_line_without_the_password(
    say: Say, monkeypatch: pytest.MonkeyPatch, url: str, status: int
) -> None:
    monkeypatch.setenv("CHARGEBACK_DATABASE_URL", url)
    settings.cache_clear()
    answer = say("status")
    assert answer.status == status
    assert answer.err.count("\n") == 1
    assert "hunter2" not in answer.err


def test_a_ledger_of_another_version_is_refused_until_it_is_upgraded(
    postgres: Server, say: Say, done: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = postgres.create_database()
    monkeypatch.setenv("CHARGEBACK_DATABASE_URL", postgres.url(name))
    monkeypatch.setenv("CHARGEBACK_OWNER_DATABASE_URL", postgres.url(name))
    settings.cache_clear()
    answer = say("status")
    assert answer.status == 3
    assert "chargeback db upgrade" in answer.err
    assert "from version none" in done("db", "upgrade").out
    assert "nothing changed" in done("db", "upgrade").out
    assert say("status").status == 0
    postgres.drop_database(name)


def test_the_doctor_tells_what_is_not_well(ledger: Ledger, say: Say) -> None:
    answer = say("doctor", "--json")
    findings = {one["name"]: one for one in answer.json["findings"]}
    assert findings["postgres"]["ok"] is True
    # The tests' server gives up durability for speed; that no Prefect server runs is no ill.
    assert findings["durability"]["ok"] is False
    assert findings["prefect"]["ok"] is True
    assert (answer.status, answer.json["ok"]) == (1, False)


# The embedded Postgres


def test_a_command_starts_postgres_and_the_last_one_stops_it(stack_home: Path, done: Say) -> None:
    assert done("teams", "--json").json == []
    assert not is_postgres_running(stack_home)
    with ledger_at_hand():
        done("import", COMPANY)
        assert is_postgres_running(stack_home), "the outer one still uses it"
        with transaction() as connection:
            assert connection.execute(text("SELECT count(*) FROM teams")).scalar_one() == 3
    assert not is_postgres_running(stack_home)
    assert settings().database_url is None
