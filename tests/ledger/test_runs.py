"""The journal of runs: what it says of attempts, of steps whose process was killed, and of what was told."""

from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection

from chargeback.ledger import runs
from chargeback.ledger.standing import standing
from chargeback.periods import Period


@pytest.fixture
def run_id(connection: Connection) -> UUID:
    run_id = uuid4()
    runs.begin_run(connection, run_id, "invoice-run", {"period": "2026-10"}, 1, None)
    return run_id


def states(connection: Connection, run_id: UUID) -> list[tuple[str, str | None]]:
    return [(step.state, step.error) for step in runs.steps(connection, run_id)]


def test_a_step_that_still_counts_as_running_is_closed_as_lost_when_its_run_takes_the_next(
    connection: Connection, run_id: UUID
) -> None:
    done = runs.begin_step(connection, run_id, "sync_source", None, 1)
    runs.end_step(connection, done, {"new": 1})
    runs.begin_step(connection, run_id, "allocate_costs", None, 1)
    again = runs.begin_step(connection, run_id, "allocate_costs", None, 2)
    assert states(connection, run_id) == [
        ("completed", None),
        ("failed", runs.LOST),
        ("running", None),
    ]
    runs.end_step(connection, again, {})
    assert states(connection, run_id)[-1] == ("completed", None)


def test_steps_of_other_runs_are_left_alone(connection: Connection, run_id: UUID) -> None:
    other = uuid4()
    runs.begin_run(connection, other, "invoice-run", {}, 1, None)
    runs.begin_step(connection, other, "allocate_costs", None, 1)
    runs.begin_step(connection, run_id, "allocate_costs", None, 1)
    assert states(connection, other) == [("running", None)]


def test_a_run_that_waits_is_found_by_its_period_and_has_not_ended(
    connection: Connection, run_id: UUID
) -> None:
    runs.end_run(connection, run_id, "waiting", {})
    assert runs.waiting(connection, "2026-10") == [run_id]
    assert runs.waiting(connection, "2026-09") == []
    assert runs.find(connection, run_id).ended_at is None
    runs.begin_run(connection, run_id, "invoice-run", {"period": "2026-10"}, 2, None)
    assert runs.waiting(connection, "2026-10") == []


def test_status_says_what_the_runs_of_the_period_told(connection: Connection, run_id: UUID) -> None:
    runs.end_run(connection, run_id, "needs_a_person", {}, None, ["3 drafts"], ["look at INV-1"])
    runs.begin_run(connection, uuid4(), "usage-sync", {"period": ""}, 1, None)
    (found,) = standing(connection, Period.month("2026-10")).recent_runs
    assert (found.said, found.for_a_person) == (("3 drafts",), ("look at INV-1",))
    assert len(standing(connection, None).recent_runs) == 2
