"""The journal of flow runs and their steps: what was run, when, with what result.

It locks nothing, and nothing is skipped because of it: what is left to do is worked out from the ledger.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

LOST = "Unavailable: its process ended before it did; what it had committed stays"


def begin_run(
    connection: Connection,
    run_id: UUID,
    flow: str,
    parameters: Mapping[str, Any],
    attempt: int,
    parent: UUID | None,
) -> None:
    """Note that a run began, or began again."""
    connection.execute(
        text("""
            INSERT INTO billing_runs (run_id, parent_run_id, flow, parameters, attempt, state)
            VALUES (:run_id, :parent, :flow, CAST(:parameters AS jsonb), :attempt, 'running')
            ON CONFLICT (run_id) DO UPDATE SET attempt = greatest(billing_runs.attempt + 1, :attempt),
                state = 'running', error = NULL, ended_at = NULL, said = '[]', for_a_person = '[]'"""),
        {"run_id": run_id, "parent": parent, "flow": flow, "attempt": attempt,
         "parameters": json.dumps(dict(parameters), default=str)},
    )  # fmt: skip


def end_run(
    connection: Connection,
    run_id: UUID,
    state: str,
    counts: Mapping[str, Any],
    error: str | None = None,
    said: Sequence[str] = (),
    for_a_person: Sequence[str] = (),
) -> None:
    """Note how a run ended: `completed`, `failed`, `needs_a_person`, or `waiting` for a decision; and what it told."""
    connection.execute(
        text("""UPDATE billing_runs SET state = :state, counts = CAST(:counts AS jsonb), error = :error,
                    said = CAST(:said AS jsonb), for_a_person = CAST(:for_a_person AS jsonb),
                    ended_at = CASE WHEN :state <> 'waiting' THEN now() END WHERE run_id = :run_id"""),
        {"run_id": run_id, "state": state, "error": error, "counts": json.dumps(dict(counts), default=str),
         "said": json.dumps(list(said)), "for_a_person": json.dumps(list(for_a_person))},
    )  # fmt: skip


def begin_step(
    connection: Connection, run_id: UUID, task: str, task_run_id: UUID | None, attempt: int
) -> int:
    """Note that a step began; its id.

    A run takes one step at a time: an older one that still counts as running was its killed process's, and is closed.
    """
    connection.execute(
        text("""UPDATE billing_steps SET state = 'failed', ended_at = now(), error = :lost
                WHERE run_id = :run_id AND state = 'running'"""),
        {"run_id": run_id, "lost": LOST},
    )
    step_id: int = connection.execute(
        text("""INSERT INTO billing_steps (run_id, task, task_run_id, attempt, state)
                VALUES (:run_id, :task, :task_run_id, :attempt, 'running') RETURNING step_id"""),
        {"run_id": run_id, "task": task, "task_run_id": task_run_id, "attempt": attempt},
    ).scalar_one()
    return step_id


def end_step(
    connection: Connection, step_id: int, counts: Mapping[str, Any], error: str | None = None
) -> None:
    """Note how a step ended: completed, or failed with `error`."""
    connection.execute(
        text("""UPDATE billing_steps SET state = :state, counts = CAST(:counts AS jsonb), error = :error,
                    ended_at = now() WHERE step_id = :step_id"""),
        {"step_id": step_id, "state": "failed" if error else "completed", "error": error,
         "counts": json.dumps(dict(counts), default=str)},
    )  # fmt: skip


def recent(connection: Connection, limit: int = 10, period: str | None = None) -> list[Any]:
    """The newest runs (of a period), newest first, with how many steps each took."""
    return list(
        connection.execute(
            text("""SELECT r.*, (SELECT count(*) FROM billing_steps s WHERE s.run_id = r.run_id) AS step_count
                    FROM billing_runs r
                    WHERE CAST(:period AS text) IS NULL OR parameters ->> 'period' = :period
                    ORDER BY started_at DESC, run_id LIMIT :limit"""),
            {"limit": limit, "period": period},
        )
    )


def waiting(connection: Connection, period: str) -> list[UUID]:
    """The runs that wait for a decision about the drafts of a period, oldest first."""
    return list(
        connection.execute(
            text("""SELECT run_id FROM billing_runs WHERE state = 'waiting' AND parameters ->> 'period' = :period
                    ORDER BY started_at"""),
            {"period": period},
        ).scalars()
    )


def steps(connection: Connection, run_id: UUID) -> list[Any]:
    """The steps of a run and of the runs it started, in the order they began, with their run's parameters."""
    return list(
        connection.execute(
            text("""SELECT s.*, r.flow, r.parameters FROM billing_steps s JOIN billing_runs r USING (run_id)
                    WHERE r.run_id = :run_id OR r.parent_run_id = :run_id ORDER BY s.step_id"""),
            {"run_id": run_id},
        )
    )


def find(connection: Connection, run_id: UUID) -> Any:
    """The run, or None where it has not begun."""
    return connection.execute(
        text("SELECT * FROM billing_runs WHERE run_id = :run_id"), {"run_id": run_id}
    ).first()
