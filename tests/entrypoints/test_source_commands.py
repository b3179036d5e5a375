"""The commands about sources: settings from options, a file or one by one; trying them; pushing to one."""

import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chargeback.settings import settings
from entrypoints import cli
from tests.conftest import Ledger
from tests.sources.fake_web import Answer, Asked, Web, answering

EXPORT = "examples/cost_tracker_export.json"
MAP = """
path: examples/litellm_spendlogs.csv
form: csv
columns:
  external_id: request_id
  usage_at: startTime
  cost: spend
  quantity: total_tokens
  team_id: team_id
fixed: {resource_type: llm, unit: Tokens}
cost_factor: 0.5
"""
Say = Callable[..., tuple[int, str, str]]


@pytest.fixture
def say(ledger: Ledger, capsys: pytest.CaptureFixture[str]) -> Say:
    def said(*tokens: str) -> tuple[int, str, str]:
        capsys.readouterr()
        return cli.main(tokens), *capsys.readouterr()

    return said


@pytest.fixture
def done(say: Say) -> Callable[..., str]:
    def said(*tokens: str) -> str:
        status, out, err = say(*tokens)
        assert status == 0, err or out
        return out

    return said


@pytest.fixture
def refused(say: Say) -> Callable[..., str]:
    def said(status: int, *tokens: str) -> str:
        got, out, err = say(*tokens)
        assert (got, out) == (status, ""), err or out
        assert re.fullmatch(r"chargeback: \S.*\n", err), err
        return err

    return said


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch, home: Path) -> Iterator[Web]:
    def answer(asked: Asked) -> Answer:
        return Answer({"detail": "no"}, 401) if "denied" in asked.path else Answer({"records": []})

    with answering(answer) as running:
        monkeypatch.setenv("CHARGEBACK_PRIVATE_NETWORKS", "127.0.0.0/8")
        settings.cache_clear()
        yield running


def configs(done: Callable[..., str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(done("sources", "list", "--json"))
    return found


def test_settings_can_lie_in_a_file(done: Callable[..., str], tmp_path: Path) -> None:
    file = tmp_path / "map.yaml"
    file.write_text(MAP)
    done("sources", "add", "gateway", "--kind", "mapped_file", "--config", str(file))
    (source,) = configs(done)
    assert source["config"]["columns"]["cost"] == "spend"
    assert source["config"]["cost_factor"] == "0.5"
    # Half of LiteLLM's 2.9868612850000001255428.
    (counts,) = json.loads(done("sync", "--json"))
    assert (counts["new"], counts["received_raw"]) == (1_000, "1.49343064250000006277140")


def test_settings_can_be_given_one_by_one_and_win_over_the_file(
    done: Callable[..., str], tmp_path: Path
) -> None:
    file = tmp_path / "opencost.yaml"
    file.write_text(
        "url: http://opencost.example:9003\ncluster: prod\nsince: 2026-10-01\nrestated_days: 2\n"
    )
    done("sources", "add", "kube", "--kind", "opencost", "--config", str(file), "--set", "cluster=test",
         "--set", "measure=minutes")  # fmt: skip
    (source,) = configs(done)
    assert source["role"] == "weights"
    assert source["config"] == {
        "url": "http://opencost.example:9003", "cluster": "test", "since": "2026-10-01", "restated_days": 2,
        "measure": "minutes",
    }  # fmt: skip


def test_the_usual_role_is_the_kinds_and_another_can_be_given(done: Callable[..., str]) -> None:
    bill = ("--kind", "openai_costs", "--set", "since=2026-10-01", "--token-env", "KEY")
    done("sources", "add", "bill", *bill)
    done("sources", "add", "calls", "--kind", "push")
    done("sources", "add", "hints", "--kind", "push", "--role", "weights")
    assert {source["name"]: source["role"] for source in configs(done)} == {
        "bill": "reconcile_only", "calls": "allocate", "hints": "weights",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (("--kind", "cloud"), "the kinds are: cost_tracker, litellm_db"),
        (("--kind", "litellm_db"), "give `dsn_env` or `dsn_block`"),
        (("--kind", "litellm_db", "--set", "dsn_env"), "NAME=VALUE"),
        (("--kind", "litellm_db", "--set", "dsn_env=postgres://u:hunter2@h/d"), "the name of the environment variable"),
        (("--kind", "openai_costs", "--set", "since=2026-10-01", "--token-env", "K", "--role", "allocate"),
         "cannot have the role allocate; give it reconcile_only"),
        (("--kind", "push", "--set", "password=hunter2"), "its settings are currency"),
        (("--kind", "push", "--config", "/nowhere.yaml"), "cannot be read"),
        (("--kind", "push", "--config", EXPORT.replace("export.json", "export.png")), "cannot be read"),
        (("--kind", "push", "--config", "README.md"), "is no YAML|holds no settings"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_with_what_to_change(
    refused: Callable[..., str], done: Callable[..., str], given: tuple[str, ...], says: str
) -> None:
    said = refused(2, "sources", "add", "a", *given)
    assert re.search(says, said), said
    assert "hunter2" not in said
    assert configs(done) == []


def test_a_source_can_be_tried_before_it_is_read(done: Callable[..., str]) -> None:
    done("sources", "add", "tracker", "--path", EXPORT, "--form", "json")
    said = done("sources", "check", "tracker")
    assert "tracker: it answers; the first row is" in said
    assert configs(done)[0]["cursor_at"] is None


def test_trying_says_what_is_wrong(
    refused: Callable[..., str], done: Callable[..., str], web: Web
) -> None:
    done("sources", "add", "gone", "--path", "no/such/file.json", "--form", "json")
    assert "put the export there" in refused(4, "sources", "check", "gone")
    done("sources", "add", "locked", "--url", f"{web.url}/denied", "--form", "json")
    assert "answered 401; give this source a valid token" in refused(
        3, "sources", "check", "locked"
    )
    assert "there is no source 'other'" in refused(4, "sources", "check", "other")


def test_trying_an_empty_tracker_says_that_it_answers(done: Callable[..., str], web: Web) -> None:
    done("sources", "add", "quiet", "--url", f"{web.url}/export", "--form", "json")
    assert "it answers, and has nothing of the time since" in done("sources", "check", "quiet")


def test_a_first_row_that_cannot_be_booked_is_told(
    say: Say, done: Callable[..., str], tmp_path: Path
) -> None:
    file = tmp_path / "export.json"
    file.write_text('{"records": [{"call_id": "a", "cost_usd": "dear"}]}')
    done("sources", "add", "tracker", "--path", str(file), "--form", "json")
    status, out, _ = say("sources", "check", "tracker")
    assert status == 2
    assert "its first row cannot be booked: cost_usd" in out
    assert json.loads(say("sources", "check", "tracker", "--json")[1])["ok"] is False


def test_a_block_without_a_prefect_says_what_to_start(
    refused: Callable[..., str], done: Callable[..., str]
) -> None:
    done(
        "sources",
        "add",
        "far",
        "--url",
        "https://93.184.216.34/x",
        "--form",
        "json",
        "--token-block",
        "tracker",
    )
    assert "start it with `chargeback up`" in refused(5, "sources", "check", "far")


AT = "2026-10-05T12:00:00Z"
RECORDS: list[dict[str, Any]] = [
    {"external_id": "r-1", "usage_at": AT, "team_id": "search", "resource_type": "query", "cost": "1.25"},
    {"specversion": "1.0", "id": "e-1", "source": "/a", "type": "call", "time": AT, "data": {"cost": 0.5}},
    {"external_id": "r-2", "usage_at": AT, "resource_type": "query", "cost": "much"},
]  # fmt: skip


def test_a_file_can_be_pushed_and_again_changes_nothing(
    done: Callable[..., str], tmp_path: Path
) -> None:
    file = tmp_path / "batch.ndjson"
    file.write_text("\n".join(map(json.dumps, RECORDS)))
    done("sources", "add", "agents", "--kind", "push")
    first = json.loads(done("push", "agents", str(file), "--json"))
    assert (first["received"], first["new"], first["quarantined"], first["new_cost"]) == (
        3,
        2,
        1,
        "1.750000000000000000",
    )
    again = json.loads(done("push", "agents", str(file), "--json"))
    assert (again["new"], again["unchanged"], again["quarantined"]) == (0, 3, 0)
    assert "Nothing is new." in done("push", "agents", str(file))


def test_what_is_piped_in_can_be_pushed(
    done: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    done("sources", "add", "agents", "--kind", "push")
    piped = io.TextIOWrapper(io.BytesIO(json.dumps(RECORDS[:2]).encode()))
    monkeypatch.setattr("sys.stdin", piped)
    assert json.loads(done("push", "agents", "-", "--json"))["new"] == 2


def test_only_a_source_of_kind_push_is_pushed_to(
    refused: Callable[..., str], done: Callable[..., str]
) -> None:
    done("sources", "add", "tracker", "--path", EXPORT, "--form", "json")
    assert "which is read and not pushed to" in refused(2, "push", "tracker", EXPORT)
    done("sources", "add", "agents", "--kind", "push")
    assert "is not there" in refused(4, "push", "agents", "/no/such/batch")


def test_syncing_a_source_that_is_pushed_to_reads_nothing(done: Callable[..., str]) -> None:
    done("sources", "add", "agents", "--kind", "push")
    (counts,) = json.loads(done("sync", "--json"))
    assert counts["received"] == 0
