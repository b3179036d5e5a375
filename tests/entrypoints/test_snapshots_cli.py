"""The commands by which a person looks at snapshots that wait, and decides."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from entrypoints import cli
from tests.conftest import Ledger
from tests.ledger.books import Books
from tests.ledger.cloud import Cloud, row

Said = Callable[..., tuple[int, str]]


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    def say(*tokens: str) -> tuple[int, str]:
        capsys.readouterr()
        status = cli.main(tokens)
        out, err = capsys.readouterr()
        return status, out + err

    return say


@pytest.fixture
def cloud(ledger: Ledger, tmp_path: Path) -> Cloud:
    """Ten rows of which half came again, one of them broken."""
    cloud = Cloud(Books(ledger), tmp_path)
    rows = [row("1.00", f"r-{number}") for number in range(10)]
    cloud.deliver(rows)
    cloud.deliver([*rows[:5], row("x", "r-5")])
    return cloud


def test_what_waits_is_listed_with_its_reasons(cloud: Cloud, said: Said) -> None:
    status, out = said("snapshots", "list")
    assert status == 0
    for told in (
        "company/a-1",
        "1 row of it was refused",
        "it has 5 rows where 10 are held",
        "show ID",
    ):
        assert told in out
    status, out = said("snapshots", "list", "--json")
    (one,) = json.loads(out)
    assert (one["source"], one["row_count"], one["held_count"]) == ("cloud", 5, 10)


def test_what_one_would_change_is_shown_before_it_is_decided(cloud: Cloud, said: Said) -> None:
    status, out = said("snapshots", "show", "1")
    assert status == 0
    for told in (
        "What would change, by cost",
        "Compute",
        "Refused rows",
        "EffectiveCost",
        "waiting",
    ):
        assert told in out
    assert json.loads(said("snapshots", "show", "1", "--json")[1])["changes"][0]["held_rows"] == 10


def test_accepting_says_what_was_booked_and_is_done_once(cloud: Cloud, said: Said) -> None:
    answer = said("snapshots", "accept", "1", "--reason", "half was sold")
    assert answer == (0, "Snapshot 1 is booked: 0 rows new, 5 taken back, 5 already held.\n")
    status, out = said("snapshots", "reject", "1", "--reason", "no")
    assert status == 3
    assert "snapshot 1 is accepted already (half was sold)" in out
    assert said("snapshots", "list")[1] == "No snapshot is waiting.\n"


def test_rejecting_leaves_what_is_held(cloud: Cloud, said: Said) -> None:
    answer = said("snapshots", "reject", "1", "--reason", "cut off")
    assert answer == (0, "Snapshot 1 is rejected: what is held stays.\n")
    assert len(cloud.held()) == 10
    assert "rejected: cut off" in said("snapshots", "list", "--state", "all")[1]


def test_a_snapshot_that_is_not_there_is_named(cloud: Cloud, said: Said) -> None:
    status, out = said("snapshots", "show", "9")
    assert status == 4
    assert "there is no snapshot 9" in out
