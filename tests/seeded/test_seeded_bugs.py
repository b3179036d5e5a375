"""The tests are tested: each seeded bug applies to the tree as it is, and is caught; all of them in `prove-all`."""

from collections.abc import Callable

import pytest

from tests.seeded.bugs import LONGEST_SECONDS, SeededBug, complaint, judge, judge_all, seeded_bugs
from tests.tidy.source import ROOT

BUGS = seeded_bugs()
FEWEST = 50
# Caught without Postgres, so at once.
QUICK = ("any-status-goes", "key-parts-run-together", "csv-negatives-escaped")


def test_there_are_no_fewer_of_them() -> None:
    assert len(BUGS) >= FEWEST
    assert [int(bug.name[:2]) for bug in BUGS] == list(range(1, len(BUGS) + 1))


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_patch_applies_and_names_tests_that_are_there(bug: SeededBug) -> None:
    assert complaint(bug) == ""
    for named in bug.caught_by:
        path, _, test = named.partition("::")
        assert (ROOT / path).is_file()
        assert not test or f"def {test}(" in (ROOT / path).read_text(encoding="utf-8")


def test_a_patch_that_applies_no_more_is_found() -> None:
    first = BUGS[0]
    stale = first.path.with_name("stale.txt")
    assert "No such file" in complaint(SeededBug(stale, first.fault, first.caught_by))


@pytest.mark.proof
@pytest.mark.parametrize("name", QUICK)
def test_a_bug_that_is_put_in_is_caught(
    name: str, record_property: Callable[[str, object], None]
) -> None:
    (bug,) = [bug for bug in BUGS if bug.name[3:] == name]
    verdict = judge(bug)
    assert verdict.is_caught, verdict.said
    record_property("proof", ("seeded bug", 1))


@pytest.mark.prove_all
@pytest.mark.timeout(2 * LONGEST_SECONDS)
def test_every_bug_that_is_put_in_is_caught(
    record_property: Callable[[str, object], None],
) -> None:
    missed = {}
    for verdict in judge_all(BUGS):
        if not verdict.is_caught:
            missed[verdict.bug.name] = verdict.said[-2000:]
    record_property("proof", ("seeded bug", len(BUGS)))
    assert not missed
