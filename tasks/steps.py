"""What every step has in common: it retries what a retry can cure, and leaves a row in the journal."""

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import wraps
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.runtime import flow_run, task_run
from prefect.tasks import exponential_backoff

from chargeback.errors import Unavailable
from chargeback.ledger import audit, runs
from chargeback.ledger.database import transaction

P = ParamSpec("P")
R = TypeVar("R", bound=Mapping[str, Any])

log = logging.getLogger("chargeback.tasks")

RETRIES = 4


def is_transient(_task: Any, _run: TaskRun, state: State[Any]) -> bool:
    """Whether trying again can help: only where the world failed, not the business and not a bug."""
    try:
        state.result()
    except Unavailable:
        return True
    except BaseException:  # noqa: BLE001 - whatever else it was, a retry cannot cure it
        return False
    return False


def step(task_run_name: str) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Make a function a step: a task that returns ids and counts, is retried with care and is journalled.

    Nothing is cached: what is left to do is always worked out from the ledger.
    """

    def made(function: Callable[P, R]) -> Task[P, R]:
        @wraps(function)
        def journalled(*args: P.args, **kwargs: P.kwargs) -> R:
            return _journalled(function.__name__, lambda: function(*args, **kwargs))

        return task(
            retries=RETRIES,
            retry_delay_seconds=exponential_backoff(2),
            retry_jitter_factor=0.5,
            retry_condition_fn=is_transient,
            cache_policy=NO_CACHE,
            task_run_name=task_run_name,
        )(journalled)

    return made


def _journalled(name: str, work: Callable[[], R]) -> R:
    run_id = flow_run.id
    if run_id is None:  # Called by the command line: there is no run to write about.
        return work()
    with transaction() as connection:
        task_run_id = task_run.id
        step_id = runs.begin_step(
            connection, UUID(str(run_id)), name, UUID(str(task_run_id)) if task_run_id else None,
            int(task_run.run_count or 1),
        )  # fmt: skip
    try:
        with audit.within(str(run_id)):
            counts = work()
    except Exception as error:
        # Where the ledger itself failed the journal cannot be written, and why the step failed must not be lost.
        with suppress(Unavailable), transaction() as connection:
            runs.end_step(connection, step_id, {}, f"{type(error).__name__}: {error}")
        raise
    with transaction() as connection:
        runs.end_step(connection, step_id, counts)
    log.info("step.done step=%s %s", name, " ".join(_told(counts)))
    return counts


def _told(counts: Mapping[str, Any]) -> list[str]:
    """Counts for the log; of a long list only its length."""
    return [
        f"{name}={value if not isinstance(value, list) or len(value) <= 5 else len(value)}"
        for name, value in counts.items()
    ]
