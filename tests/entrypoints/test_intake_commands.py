"""The commands about what does not fit: refused rows, rates, currencies, and cost that nobody owns."""

import json
from pathlib import Path
from typing import Any

import pytest

from entrypoints import cli
from tests.conftest import Ledger

CALL: dict[str, Any] = {
    "timestamp": "2026-10-05T12:00:00Z", "provider": "p", "model": "gpt", "agent_id": "agent-a",
    "prompt_tokens": 1200, "completion_tokens": 300, "total_tokens": 1500, "operation_type": "query",
}  # fmt: skip


class Shell:
    """Commands given one after the other."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def run(self, *tokens: str, status: int = 0) -> str:
        """What a command prints, on success or as its complaint."""
        self._capsys.readouterr()
        ended = cli.main(tokens)
        out, err = self._capsys.readouterr()
        assert ended == status, err or out
        return err if status else out

    def json(self, *tokens: str) -> Any:
        """What a command tells programs."""
        return json.loads(self.run(*tokens, "--json"))


@pytest.fixture
def shell(ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    """A source in USD with a call at 2 and one at "1,5", and one in EUR with a call at 4 and a free one."""
    shell = Shell(capsys)
    usd = [{**CALL, "call_id": "a", "cost_usd": 2}, {**CALL, "call_id": "b", "cost_usd": "1,5"}]
    eur = [{**CALL, "call_id": "c", "cost_usd": 4}, {**CALL, "call_id": "d", "cost_usd": 0}]
    for name, calls, currency in (("us", usd, "USD"), ("eu", eur, "EUR")):
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(calls), encoding="utf-8")
        shell.run(
            "sources", "add", name, "--path", str(path), "--form", "json", "--currency", currency
        )
    shell.run("sync")
    return shell


def write(tmp_path: Path, name: str, content: str) -> str:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    return str(path)


def test_refused_rows_are_told_by_source_and_code(shell: Shell) -> None:
    told = shell.run("quarantine", "list")
    assert "By source and code" in told
    assert "no_exchange_rate" in told
    rows = shell.json("quarantine", "list", "--source", "eu")
    assert [(row["code"], row["currency"], row["raw_cost"]) for row in rows] == [
        ("no_exchange_rate", "EUR", "4"),
        ("no_exchange_rate", "EUR", "0"),
    ]


def test_a_refused_row_is_fixed_and_replayed(shell: Shell) -> None:
    (row,) = shell.json("quarantine", "list", "--code", "cost_invalid")
    number = str(row["quarantine_id"])
    assert shell.json("quarantine", "show", number)["today"].startswith("is refused: cost_invalid")
    fix = ("quarantine", "fix", "us", "cost_invalid", "--replace", "cost_usd", ",", ".")
    assert shell.json(*fix, "--reason", "decimal commas")["cured"] == 1
    assert shell.json("quarantine", "show", number)["today"] == "would be booked"
    assert "us: of 1 refused rows 1 are booked now." in shell.run("quarantine", "replay", number)
    assert "No refused row waits" in shell.run("quarantine", "replay", "--source", "us")
    (kept,) = shell.json("quarantine", "fixes")
    shell.run("quarantine", "end-fix", str(kept["fix_id"]), "--reason", "mended there")
    assert "ended" in shell.run("quarantine", "fixes")


@pytest.mark.parametrize(
    ("tokens", "status", "said"),
    [
        (("fix", "us", "x", "--reason", "r"), 2, "say what to change"),
        (("fix", "us", "x", "--set", "team", "--reason", "r"), 2, "--set is written FIELD=VALUE"),
        (("fix", "us", "x", "--set", "a=b", "--reason", " "), 2, "say why"),
        (("fix", "nowhere", "x", "--set", "a=b", "--reason", "r"), 4, "no source 'nowhere'"),
        (("show", "4711"), 4, "no quarantined row 4711"),
        (("replay", "4711"), 4, "no quarantined row 4711"),
        (("end-fix", "4711", "--reason", "r"), 4, "no fix 4711"),
        (("waive", "--reason", "r"), 2, "say which rows"),
        (("waive", "--source", "us", "--reason", "r"), 2, "say which rows"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_with_refused_rows_is_one_line(
    shell: Shell, tokens: tuple[str, ...], status: int, said: str
) -> None:
    assert said in shell.run("quarantine", *tokens, status=status)


def test_all_rows_of_a_source_and_code_are_waived_together(shell: Shell) -> None:
    waive = (
        "quarantine",
        "waive",
        "--source",
        "eu",
        "--code",
        "no_exchange_rate",
        "--reason",
        "tests",
    )
    assert shell.json(*waive)["waived"] == 2
    assert [row["source"] for row in shell.json("quarantine", "list")] == ["us"]


def test_a_rate_books_what_waited_for_it_and_a_new_one_books_it_anew(
    shell: Shell, tmp_path: Path
) -> None:
    """4 EUR at 1.1 are 4.4; at 1.25 they are 5."""
    rates = write(tmp_path, "fx.csv", "month,currency,rate\n2026-10,EUR,1.1\n")
    told = shell.run("exchange-rates", "import", rates)
    assert "1 rates changed" in told
    assert "eu: of 2 refused rows 2 are booked now." in told
    assert "nothing changed" in shell.run("exchange-rates", "import", rates)
    write(tmp_path, "fx.csv", "month,currency,rate\n2026-10,EUR,1.25\n")
    assert shell.json("exchange-rates", "import", rates)["revalued"] == 1
    (listed,) = shell.json("exchange-rates", "list")
    assert (listed["currency"], listed["frozen_by"]) == ("EUR", None)
    month = shell.json("reconcile", "2026-10")
    assert [source["ledger"] for source in month["sources"]] == ["5", "2"]
    assert month["difference"] == "0"
    assert [one["booked"] for one in month["foreign"]] == ["0", "4"]
    assert "Other currencies" in shell.run("reconcile", "2026-10")


def test_what_costs_nothing_is_decided_on_and_priced(shell: Shell, tmp_path: Path) -> None:
    """1,200 prompt tokens at 1 and 300 completion tokens at 2 a million: 0.0018 USD."""
    rates = write(tmp_path, "fx.csv", "month,currency,rate\n2026-10,EUR,1.1\n")
    shell.run("exchange-rates", "import", rates)
    assert "1 rows of eu have tokens and cost nothing" in shell.run("sync")
    prices = "model,token_kind,price,per_tokens\ngpt,prompt,1,1000000\ngpt,completion,2,1000000\n"
    assert shell.json("rates", "import", write(tmp_path, "rates.csv", prices))["changed"] == 2
    assert [one["token_kind"] for one in shell.json("rates", "list")] == ["completion", "prompt"]
    assert shell.json("sources", "zero-cost", "eu", "reprice")["changed"]
    assert not shell.json("sources", "zero-cost", "eu", "reprice")["changed"]
    (eu, _) = shell.json("sync")
    assert (eu["changed"], eu["repriced"], eu["doubts"]) == (1, 1, [])
    (eu, _) = shell.json("reconcile", "2026-10")["sources"]
    assert (eu["ledger"], eu["repriced"], eu["difference"]) == ("4.4018", "0.0018", "0")


def test_cost_that_nobody_owns_is_told_with_the_owners_to_name(
    shell: Shell, tmp_path: Path
) -> None:
    told = shell.run("unattributed", "2026-10")
    assert "2 of 2 USD has no owner, and nobody is billed for it." in told
    (owner,) = shell.json("unattributed", "2026-10")["owners"]
    assert (owner["kind"], owner["key"], owner["cost"]) == ("agent", "agent-a", "2")
    filled = shell.run("unattributed", "2026-10", "--yaml").replace("TEAM}", "search}")
    shell.run("import", write(tmp_path, "owners.yaml", filled))
    assert "All cost of 2026-10 has an owner." in shell.run("unattributed", "2026-10")


def test_a_rate_file_that_cannot_be_right_changes_nothing(shell: Shell, tmp_path: Path) -> None:
    bad = write(tmp_path, "fx.csv", "month,currency,rate\n2026-10,EUR,free\n")
    assert "row 1, rate: 'free' is no number" in shell.run(
        "exchange-rates", "import", bad, status=2
    )
    assert shell.json("exchange-rates", "list") == []
    missing = str(tmp_path / "nowhere.csv")
    assert "there is no file" in shell.run("rates", "import", missing, status=4)
