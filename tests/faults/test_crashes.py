"""A step that dies at any point and is taken again: the same books as if nothing had happened.

Every statement and every COMMIT of every booking is such a point. `make prove` tries all of them with most kinds
of fault, `make prove-all` with each; here those are tried that find most.
Kills of real stacks at random moments are in test_kills.
"""

import csv
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from tests.faults.bookings import BOOKINGS
from tests.faults.crash_points import crash
from tests.faults.dying_process import DyingProcess
from tests.faults.faults import (
    ERRORS,
    Chosen,
    at_commits,
    at_statements,
    before,
    ending_session,
    every,
    failing,
    losing_server,
)
from tests.faults.matrix import Rounds, Strike, Told, chosen_points, points_of, striking, tell
from tests.faults.story import Story
from tests.postgres import OwnServer, Server

pytestmark = [pytest.mark.timeout(1800), pytest.mark.spread]

SEED, PAIRS = "20261122", 6
HELD = Path(__file__).with_name("points.csv")
KEPT = 0.9
# What books money, tried everywhere each time.
CORE = ("sync since cursor", "allocate", "draft", "issue", "sweep", "cancel", "approve", "correct")


@pytest.fixture(scope="module")
def end_session(postgres: Server) -> Iterator[Strike]:
    """Ends the step's session in Postgres."""
    with closing(postgres.administrator()) as administrator:
        yield striking(ending_session(administrator))


def try_each(
    story: Story, name: str, chosen: Chosen, strike: Strike, kind: str, record: Told
) -> None:
    """Strike at each of the chosen points of a booking; every round ends as undisturbed."""
    rounds = Rounds(story, name)
    rounds.strike_each(chosen_points(story, name, chosen), strike)
    tell(rounds, kind, record)


def lose_postgres(story: Story, name: str, record: Told) -> None:
    """Stop Postgres at once before and after each COMMIT of a booking."""
    assert isinstance(story.server, OwnServer)
    strike = striking(losing_server(story.server))
    try_each(story, name, at_commits, strike, "Postgres stopped at once", record)


def held_points() -> dict[str, tuple[int, int]]:
    """How many statements and COMMITs each booking had when somebody last looked."""
    with HELD.open(encoding="utf-8") as file:
        return {
            row["booking"]: (int(row["statements"]), int(row["commits"]))
            for row in csv.DictReader(file)
        }


@pytest.mark.parametrize("name", BOOKINGS)
def test_no_point_is_lost_from_sight(story: Story, name: str) -> None:
    points = [point for point in points_of(story, name) if not point.is_after]
    commits = sum(point.is_commit for point in points)
    statements = len(points) - commits
    print(f"{name},{statements},{commits}")
    held_statements, held_commits = held_points()[name]
    assert statements >= KEPT * held_statements, (
        "fewer points; if that is meant, correct points.csv"
    )
    assert commits >= KEPT * held_commits, "fewer points; if that is meant, correct points.csv"


@pytest.mark.parametrize("name", CORE)
def test_a_step_that_dies_anywhere_is_made_whole_by_the_next_run(
    story: Story, name: str, record_property: Told
) -> None:
    try_each(story, name, before, striking(crash), "step ends", record_property)


@pytest.mark.parametrize("name", BOOKINGS)
def test_a_step_killed_at_a_commit_is_made_whole_by_the_next_run(
    story: Story, dying: DyingProcess, name: str, record_property: Told
) -> None:
    try_each(story, name, at_commits, dying.dies, "process killed", record_property)


@pytest.mark.proof
@pytest.mark.parametrize("name", BOOKINGS)
def test_a_step_that_loses_its_session_at_a_commit_says_so_and_is_made_whole(
    story: Story, end_session: Strike, name: str, record_property: Told
) -> None:
    try_each(story, name, at_commits, end_session, "session ended", record_property)


@pytest.mark.prove
@pytest.mark.parametrize("name", BOOKINGS)
def test_every_step_that_dies_anywhere_is_made_whole(
    story: Story, name: str, record_property: Told
) -> None:
    """Before each statement, before and after each COMMIT: what is after a statement is before the next one."""
    try_each(story, name, before, striking(crash), "step ends", record_property)


@pytest.mark.prove_all
@pytest.mark.parametrize("name", BOOKINGS)
def test_every_step_that_dies_before_and_after_anything_is_made_whole(
    story: Story, name: str, record_property: Told
) -> None:
    try_each(story, name, every, striking(crash), "step ends", record_property)


@pytest.mark.prove
@pytest.mark.parametrize("name", BOOKINGS)
def test_every_step_killed_anywhere_is_made_whole(
    story: Story, dying: DyingProcess, name: str, record_property: Told
) -> None:
    """As one that ends: before everything."""
    try_each(story, name, before, dying.dies, "process killed", record_property)


@pytest.mark.prove_all
@pytest.mark.parametrize("name", BOOKINGS)
def test_every_step_killed_before_and_after_anything_is_made_whole(
    story: Story, dying: DyingProcess, name: str, record_property: Told
) -> None:
    try_each(story, name, every, dying.dies, "process killed", record_property)


@pytest.mark.prove_all
@pytest.mark.parametrize("name", BOOKINGS)
def test_every_step_that_loses_its_session_before_and_after_anything_is_made_whole(
    story: Story, end_session: Strike, name: str, record_property: Told
) -> None:
    try_each(story, name, every, end_session, "session ended", record_property)


def test_a_commit_that_postgres_does_not_live_to_answer_is_told_in_plain_words(
    durable_story: Story, record_property: Told
) -> None:
    lose_postgres(durable_story, "sweep", record_property)


@pytest.mark.prove
@pytest.mark.parametrize("name", BOOKINGS)
def test_every_step_that_loses_postgres_at_a_commit_is_made_whole(
    durable_story: Story, name: str, record_property: Told
) -> None:
    lose_postgres(durable_story, name, record_property)


@pytest.mark.parametrize("code", ERRORS)
def test_what_postgres_refuses_is_told_in_plain_words(
    story: Story, code: str, record_property: Told
) -> None:
    refuse = striking(failing(code))
    try_each(story, "sweep", at_statements, refuse, "statement refused", record_property)


@pytest.mark.prove
@pytest.mark.parametrize("name", BOOKINGS)
def test_every_statement_may_be_refused_by_postgres(
    story: Story, name: str, record_property: Told
) -> None:
    """One error per statement, in turn; `make prove-all` tries each of them with each."""
    rounds = Rounds(story, name)
    for place, point in enumerate(chosen_points(story, name, at_statements)):
        rounds.strike_each([point], striking(failing(list(ERRORS)[place % len(ERRORS)])))
    tell(rounds, "statement refused", record_property)


@pytest.mark.prove_all
@pytest.mark.parametrize("code", ERRORS)
@pytest.mark.parametrize("name", BOOKINGS)
def test_every_statement_may_be_refused_in_every_way(
    story: Story, name: str, code: str, record_property: Told
) -> None:
    refuse = striking(failing(code))
    try_each(story, name, at_statements, refuse, "statement refused", record_property)


@pytest.mark.prove
@pytest.mark.parametrize("name", BOOKINGS)
def test_a_step_that_dies_again_while_it_is_mended_is_made_whole(
    story: Story, name: str, record_property: Told
) -> None:
    """At the same COMMITs again, and at pairs of points by a fixed seed."""
    chance, rounds = Random(f"{SEED} {name}"), Rounds(story, name)
    points = chosen_points(story, name, before)
    rounds.strike_pairs([(k, k) for k in chosen_points(story, name, at_commits)], striking(crash))
    pairs = [(chance.choice(points), chance.choice(points)) for _ in range(PAIRS)]
    rounds.strike_pairs(pairs, striking(crash))
    tell(rounds, "step ends twice", record_property)


@pytest.mark.prove_all
@pytest.mark.parametrize("name", BOOKINGS)
def test_a_step_that_dies_twice_at_any_point_is_made_whole(
    story: Story, name: str, record_property: Told
) -> None:
    rounds = Rounds(story, name)
    rounds.strike_pairs([(k, k) for k in chosen_points(story, name, before)], striking(crash))
    tell(rounds, "step ends twice", record_property)
