"""`explain`, `what-if` and `budgets` on the command line: what they find out, say, and refuse."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chargeback.ledger.shares import ShareName
from chargeback.periods import Period
from entrypoints import cli
from tests.conftest import Ledger
from tests.ledger.books import Books

Ask = Callable[..., Any]
PAYERS = """
teams: [{id: red, budgets: [{amount: 50}]}, {id: tan}]
rules:
  - {rule_id: gpu, rule_type: fixed_split, match: {resource_types: [gpu]}, split_percentages: {red: 60, tan: 40},
     allocation_metadata: {entity_type: team}}
"""


@pytest.fixture
def books(ledger: Ledger) -> Books:
    """October is billed: ana's own 7, and 10 that red and tan share."""
    books = Books(ledger)
    books.import_yaml(PAYERS)
    books.use("red", "ana", "7", external_id="own").use(
        "x", "bob", "10", resource_type="gpu", external_id="both"
    )
    books.bill()
    return books


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Ask:
    """What a command prints, in words and as JSON."""

    def asked(*tokens: str) -> tuple[str, Any]:
        capsys.readouterr()
        assert cli.main(list(tokens)) == 0
        words = capsys.readouterr().out
        assert cli.main([*tokens, "--json"]) == 0
        return words, json.loads(capsys.readouterr().out)

    return asked


def test_explain_finds_out_what_an_id_names(books: Books, ask: Ask) -> None:
    words, document = ask("explain", "INV-20261101-0001")
    assert (document["kind"], [line["line"]["exact"] for line in document["lines"]]) == (
        "document",
        ["6", "7"],
    )
    assert "gpu v1" in words
    assert "60%" in words

    words, line = ask("explain", "INV-20261101-0001/1")
    assert line["kind"] == "line"
    assert [(one["record"]["usage_id"], one["borne"]) for one in line["usage"]] == [("both", "6")]
    assert "The usage behind it" in words

    allocation = line["allocations"][0]["allocation_id"]
    words, found = ask("explain", str(allocation))
    assert (found["kind"], found["allocation"]["lines"]) == (
        "allocation",
        [["INV-20261101-0001", 1]],
    )
    assert "INV-20261101-0001/1" in words

    words, usage = ask("explain", "both")
    assert [(one["team_id"], one["number"], one["cost"]) for one in usage["bearers"]] == [
        ("red", "INV-20261101-0001", "6"), ("tan", "INV-20261101-0002", "4"),
    ]  # fmt: skip
    assert usage["kind"] == "usage"
    assert "Who bears it" in words

    share = str(ShareName("by_usage", "red", "ana", Period.month("2026-10")))
    words, of_api = ask("explain", share)
    assert (of_api["kind"], [one["usage_id"] for one in of_api["usage"]]) == ("share", ["own"])
    assert "own" in words


@pytest.mark.parametrize(
    ("given", "status", "said"),
    [
        ("nothing", 4, "there is no document, line, allocation or usage 'nothing'"),
        ("INV-20261101-0001/9", 4, "has no line 9"),
        ("999999999999", 4, "no document, line, allocation or usage"),
        ("99999999999999999999999", 4, "no document, line, allocation or usage"),
        ("alloc-x", 4, "no document, line, allocation or usage"),
        ("\N{SNOWMAN}/1", 4, "no document, line, allocation or usage"),
    ],
)
def test_what_names_nothing_is_said_in_one_sentence(
    books: Books, capsys: pytest.CaptureFixture[str], given: str, status: int, said: str
) -> None:
    assert cli.main(["explain", given]) == status
    assert said in capsys.readouterr().err


def test_what_if_shows_the_draft_and_replays_without_one(
    books: Books, ask: Ask, tmp_path: Path
) -> None:
    draft = tmp_path / "draft.yaml"
    draft.write_text(PAYERS.replace("60", "50").replace("40}", "50}"), encoding="utf-8")
    words, found = ask("what-if", "2026-10", "--rules", str(draft))
    assert {one["team_id"]: one["difference"] for one in found["teams"]} == {
        "red": "-1",
        "tan": "1",
    }
    assert "1 USD would move; the differences add up to 0" in words
    words, found = ask("what-if", "2026-10")
    assert found["moved"] == "0"
    assert "nothing would move" in words
    assert books.query("SELECT count(*) FROM allocation_rules WHERE rule_id = 'gpu'")[0][0] == 1


def test_budgets_shows_what_is_spent_and_how_wrong_forecasts_were(books: Books, ask: Ask) -> None:
    words, (red, tan) = ask("budgets", "2026-10", "--as-of", "2026-10-20")
    assert (red["team_id"], red["spent"], red["spent_share"], red["left"]) == (
        "red",
        "13",
        "0.2600",
        "37",
    )
    assert (tan["amount"], tan["spent"]) == (None, "4")
    assert "26%" in words
    words, tested = ask("budgets", "--back-test", "--as-of", "2026-11-20")
    assert tested == {"months": [], "teams": 0, "tried": tested["tried"]}
    assert "No whole month is held yet" in words
