"""What every flow has in common: a row in the journal, and a page in plain words for who looks at the run."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from typing import Any, TypeVar
from uuid import UUID, uuid4

from httpx import HTTPError
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed
from sqlalchemy import Connection

from chargeback.clock import today
from chargeback.errors import Unavailable
from chargeback.ledger import runs
from chargeback.ledger.database import transaction
from chargeback.periods import Period
from chargeback.settings import settings

log = logging.getLogger("chargeback.flows")

R = TypeVar("R")

PAUSES_SECONDS = (1, 2, 4, 8, 16)

PERIOD = r"^$|^\d{4}-\d{2}$|^\d{4}-\d{2}-\d{2}((/| to )\d{4}-\d{2}-\d{2})?$"


@dataclass
class Record:
    """What a run found worth telling: counts for the journal, sentences for people."""

    actor: str
    counts: dict[str, Any] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    for_a_person: list[str] = field(default_factory=list)

    def say(self, sentence: str) -> None:
        """Add a sentence to the run's page and to its log."""
        self.said.append(sentence)
        log.info(sentence)

    def need_a_person(self, sentence: str) -> None:
        """Add something that somebody has to look at."""
        self.for_a_person.append(sentence)
        log.warning(sentence)

    def state(self, done: str) -> State[Any]:
        """How the run ends: completed, or completed and named so that somebody looks."""
        if self.for_a_person:
            return Completed(name="NeedsAPerson", message="; ".join(self.for_a_person))
        return Completed(message=done)


@contextmanager
def recorded(flow: str, parameters: Mapping[str, Any]) -> Iterator[Record]:
    """Journal the run, and leave its page as an artifact, however it ends."""
    run_id = UUID(str(flow_run.id)) if flow_run.id else uuid4()
    parent = flow_run.parent_flow_run_id
    record = Record(actor=f"prefect:{flow}")
    parent_id, attempt = UUID(str(parent)) if parent else None, int(flow_run.run_count or 1)
    _write(lambda c: runs.begin_run(c, run_id, flow, parameters, attempt, parent_id))
    try:
        yield record
    except Exception as error:
        record.need_a_person(str(error))
        # Where the ledger or Prefect failed, neither can be told; why the run failed must not be lost over that.
        with suppress(Unavailable), transaction() as connection:
            runs.end_run(connection, run_id, "failed", record.counts, str(error))
        with suppress(HTTPError):
            _publish_page(flow, record)
        raise
    state = "needs_a_person" if record.for_a_person else "completed"
    _write(lambda c: runs.end_run(c, run_id, state, record.counts))
    _publish_page(flow, record)


def _write(write: Callable[[Connection], None]) -> None:
    def once() -> None:
        with transaction() as connection:
            write(connection)

    patiently(once)


def patiently(work: Callable[[], R]) -> R:
    """What `work` returns, trying again as a step would: what a flow does itself is no task and has no retries."""
    for pause in PAUSES_SECONDS:
        try:
            return work()
        except Unavailable as error:
            log.warning("flow.waits seconds=%s reason=%s", pause, error)
            time.sleep(pause)
    return work()


def _publish_page(flow: str, record: Record) -> None:
    lines = [f"# {flow}", "", *(f"- {_inert(sentence)}" for sentence in record.said)]
    if record.for_a_person:
        lines += ["", "## Needs a person", "", *(f"- {_inert(s)}" for s in record.for_a_person)]
    create_markdown_artifact(
        "\n".join(lines), key=flow, description=f"What this run of {flow} did."
    )


def _inert(sentence: str) -> str:
    """Names may hold markup; the page shows it as it is written."""
    for mark in "\\`*_[]<>|":
        sentence = sentence.replace(
            mark, f"\\{mark}" if mark not in "<>" else f"&{'lt' if mark == '<' else 'gt'};"
        )
    return sentence


def show_table(key: str, rows: Sequence[Mapping[str, Any]], description: str) -> None:
    """Leave a table on the run's page; every cell is text."""
    shown = [
        {name: _inert("" if value is None else str(value)) for name, value in row.items()}
        for row in rows
    ]
    if shown:
        create_table_artifact(shown, key=key, description=description)


def asked_period(period: str) -> Period:
    """The period a person typed; nothing typed is the previous calendar month."""
    if period:
        return Period.parse(period)
    first = today(settings().zone).replace(day=1)
    return Period.month(f"{first:%Y-%m}").previous()


def business_date(given: date | None) -> date:
    """The date a document or a sweep bears; nothing given is today in the billing zone."""
    return given or today(settings().zone)
