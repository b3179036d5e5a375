"""The demo, twice, as a person runs it: a month from nothing to a paid invoice, and then nothing changes."""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chargeback.settings import settings
from entrypoints.postgres import is_postgres_running
from tests.entrypoints.conftest import free_port

# Two starts of the whole stack, each with a Prefect server.
pytestmark = pytest.mark.timeout(900)


@dataclass
class Demo:
    """A home on which the demo ran twice, and what it said."""

    home: Path
    environment: dict[str, str]
    first: str = ""
    second: str = ""

    def say(self, *tokens: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "entrypoints.cli", *tokens],
            env=self.environment, cwd=settings().root, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def json(self, *tokens: str) -> Any:
        return json.loads(self.say(*tokens, "--json"))


@pytest.fixture(scope="module")
def demo(module_home: Path) -> Demo:
    own = {
        "CHARGEBACK_HOME": str(module_home),
        "CHARGEBACK_PREFECT_PORT": str(free_port()),
        "CHARGEBACK_API_PORT": str(free_port()),
    }
    strangers = ("CHARGEBACK_", "PREFECT_", "PG")
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(strangers)
    }
    demo = Demo(module_home, inherited | own)
    demo.first = demo.say("demo")
    demo.second = demo.say("demo")
    return demo


def test_the_first_run_bills_the_month(demo: Demo) -> None:
    assert "438 rows, 438 of them new" in demo.first
    assert "Read litellm: 1000 rows, 1000 of them new" in demo.first
    assert "Issued 5 invoices" in demo.first
    assert "INV-20261101-0001 of team-etl is paid" in demo.first
    assert "Overdue now: INV-20261101-0004, INV-20261101-0008" in demo.first
    assert "Read cloud: 1000 rows, 1000 of them new" in demo.first
    assert "The books tie out: all 14 invariants hold" in demo.first


def test_a_second_run_changes_nothing_and_says_so(demo: Demo) -> None:
    assert "Nothing changed: the books are the same as before, to the last digit." in demo.second
    assert "438 rows, 0 of them new" in demo.second
    assert "Read litellm: 1000 rows, 0 of them new" in demo.second
    published = re.findall(r"Published (\d+) .*?, (\d+) of them new", demo.second)
    assert published == [("5", "0"), ("41", "0"), ("4", "0"), ("3", "0"), ("13", "0"), ("4", "0")]
    assert "Published the files that say so: 0 new ones" in demo.second


def test_what_it_started_is_stopped(demo: Demo) -> None:
    assert not is_postgres_running(demo.home)


def test_the_month_reconciles_to_the_last_digit(demo: Demo) -> None:
    found = demo.json("reconcile", "2026-10")
    _, source, litellm = found["sources"]
    assert (source["received_count"], source["received"]) == (438, "0.754318700000000002909")
    assert source["ledger"] == "0.754318700000000005"
    # 0.754318700000000002909 - 0.754318700000000005
    assert source["residual"] == "-0.000000000000000002091"
    assert (source["difference"], source["allocation_difference"], found["difference"]) == (
        "0",
        "0",
        "0",
    )

    # Of 1,000 floats printed in full; beyond 18 decimals they hold 2.9868612850000001255428 less that.
    assert (litellm["received_count"], litellm["received"]) == (1_000, "2.9868612850000001255428")
    assert litellm["ledger"] == "2.986861285000000097"
    assert litellm["residual"] == "0.0000000000000000285428"
    assert (litellm["difference"], litellm["allocation_difference"]) == ("0", "0")


def test_the_clouds_bills_tie_out_in_both_their_months(demo: Demo) -> None:
    _, _, table = demo.first.partition("The clouds' bills")
    assert [line.split() for line in table.splitlines()[4:7]] == [
        ["2024-09", "999", "20.28022672899", "20.28022672899", "0"],
        ["2024-10", "1", "0.24", "0.24", "0"],
        ["together", "1000", "20.52022672899", "20.52022672899", "0"],
    ]
    assert "FinOps Foundation / FOCUS Sample Data, CC BY 4.0" in demo.first


def test_litellms_own_total_is_shown_beside_the_ledgers(demo: Demo) -> None:
    _, _, comparison = demo.first.partition("LiteLLM's own table beside the ledger")
    shown = [line.split() for line in comparison.splitlines()[3:8]]
    assert [(line[-2], line[-1]) for line in shown if len(line) > 1] == [
        ("1000", "2.9868612850000001255428"), ("1000", "2.986861285000000097"),
        ("decimals", "0.0000000000000000285428"), ("0", "0"),
    ]  # fmt: skip


def test_one_invoice_is_paid_one_overdue_one_sent(demo: Demo) -> None:
    found = demo.json("status", "2026-10")
    # Due 14 days after the 1st is the 15th: past on the 20th, when 30 days are not.
    assert [
        (one["team_id"], one["status"], one["due_date"], one["total"])
        for one in reversed(found["documents"])
    ] == [
        ("team-etl", "paid", "2026-12-01", "0.73"),
        ("team-ml", "sent", "2026-12-01", "0.28"),
        ("team-search", "sent", "2026-12-01", "0.87"),
        # 1.61 and 21 % of it.
        ("team-support", "overdue", "2026-11-15", "1.95"),
        (None, "sent", "2026-12-01", "0.15"),
    ]
    assert (found["open_quarantine"], found["days_to_allocate"], found["not_allocated"]) == (
        0,
        0,
        "0",
    )
    assert {run["flow"] for run in found["recent_runs"]} == {"monthly-billing"}


def test_every_path_it_prints_is_a_file(demo: Demo) -> None:
    printed = [Path(line.strip()) for line in demo.first.splitlines() if line.startswith("  /")]
    assert [path.suffix for path in printed] == [".pdf"] * 8 + [".html"]
    for path in printed:
        assert path.stat().st_size > 1000


def test_the_books_it_leaves_are_proven(demo: Demo) -> None:
    assert demo.json("verify")["holds"] is True
