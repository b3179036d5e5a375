"""How far a long step is, on its run in Prefect's UI.

Nothing is shown of a step that is soon over, and no step fails because its progress could not be shown.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

from httpx import HTTPError
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.runtime import flow_run

log = logging.getLogger("chargeback.tasks")

AFTER_SECONDS = 2
EVERY_SECONDS = 2

Show = Callable[[str, int, int], None]


@contextmanager
def progress(key: str) -> Iterator[Show]:
    """Gives a function that is told what is being done, how much of it is done, and of how much.

    `key` names the artifact: lower-case letters, digits and dashes.
    """
    artifact: UUID | None = None
    next_at = time.monotonic() + AFTER_SECONDS
    done = of = 0

    def show(what: str, done_now: int, of_now: int) -> None:
        nonlocal artifact, next_at, done, of
        done, of = done_now, of_now
        if flow_run.id is None or time.monotonic() < next_at:
            return
        artifact = _shown(artifact, key, what, done, of)
        next_at = time.monotonic() + EVERY_SECONDS

    yield show
    if artifact is not None:
        _shown(artifact, key, "done", of, of)


def _shown(artifact: UUID | None, key: str, what: str, done: int, of: int) -> UUID | None:
    percent = min(100, 100 * done // of) if of else 0
    description = f"{what}: {done:,} of {of:,}" if of else what
    try:
        if artifact is None:
            return create_progress_artifact(percent, key=key, description=description)  # type: ignore[return-value]
        update_progress_artifact(artifact, percent, description=description)
    except HTTPError as error:
        log.debug("progress.unshown key=%s reason=%s", key, error)
    return artifact
