"""The journal of flow runs and their steps: what was run, when, with what result.

It locks nothing, and nothing is skipped because of it: what is left to do is worked out from the ledger.
"""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text


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
                state = 'running', error = NULL, ended_at = NULL"""),
        {"run_id": run_id, "parent": parent, "flow": flow, "attempt": attempt,
         "parameters": json.dumps(dict(parameters), default=str)},
    )  # fmt: skip


def end_run(
    connection: Connection,
    run_id: UUID,
    state: str,
    counts: Mapping[str, Any],
    error: str | None = None,
) -> None:
    """Note how a run ended: `completed`, `failed` or `needs_a_person`."""
    connection.execute(
        text("""UPDATE billing_runs SET state = :state, counts = CAST(:counts AS jsonb), error = :error,
                    ended_at = now() WHERE run_id = :run_id"""),
        {
            "run_id": run_id,
            "state": state,
            "error": error,
            "counts": json.dumps(dict(counts), default=str),
        },
    )


def begin_step(
    connection: Connection, run_id: UUID, task: str, task_run_id: UUID | None, attempt: int
) -> int:
    """Note that a step began; its id."""
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


def recent(connection: Connection, limit: int = 10) -> list[Any]:
    """The newest runs, newest first, with how many steps each took."""
    return list(
        connection.execute(
            text("""SELECT r.*, (SELECT count(*) FROM billing_steps s WHERE s.run_id = r.run_id) AS step_count
                    FROM billing_runs r ORDER BY started_at DESC, run_id LIMIT :limit"""),
            {"limit": limit},
        )
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
