"""What every flow has in common: its name, a row in the journal, and a page for who looks at the run."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from typing import Any, TypeVar
from uuid import UUID, uuid4

from httpx import HTTPError
from prefect.client.schemas.objects import State
from prefect.exceptions import Pause
from prefect.runtime import flow_run
from prefect.states import Completed
from sqlalchemy import Connection

from chargeback.clock import today
from chargeback.errors import ChargebackError, Unavailable
from chargeback.ledger import runs
from chargeback.ledger.database import transaction
from chargeback.periods import Period
from chargeback.quoting import one_line
from chargeback.settings import settings
from flows.page import Page, Row

log = logging.getLogger("chargeback.flows")

R = TypeVar("R")

PAUSES_SECONDS = (1, 2, 4, 8, 16)

_DAY = r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
PERIOD = rf"^$|^\d{{4}}-(0[1-9]|1[0-2])$|^{_DAY}((/| to ){_DAY})?$"
NEEDS_A_PERSON = "NeedsAPerson"


@dataclass
class Record:
    """What a run found worth telling: counts for the journal, a page for people."""

    run_id: UUID
    actor: str
    page: Page
    counts: dict[str, Any] = field(default_factory=dict)

    def say(self, sentence: str) -> None:
        """Add a sentence to the run's page and to its log."""
        self.page.said.append(sentence)
        log.info(one_line(sentence))

    def need_a_person(self, sentence: str) -> None:
        """Add something that somebody has to look at."""
        self.page.for_a_person.append(sentence)
        log.warning(one_line(sentence))

    def show(self, key: str, title: str, rows: Sequence[Row]) -> None:
        """Add a table, if there is anything in it."""
        with suppress(HTTPError):
            self.page.add_table(key, title, rows)

    def state(self, done: str) -> State[Any]:
        """How the run ends: completed, or completed and named so that somebody looks."""
        if self.page.for_a_person:
            return Completed(name=NEEDS_A_PERSON, message="; ".join(self.page.for_a_person))
        return Completed(message=done)


@contextmanager
def recorded(flow: str, parameters: Mapping[str, Any]) -> Iterator[Record]:
    """Journal the run, and leave its page as an artifact, however it ends or waits."""
    run_id = UUID(str(flow_run.id)) if flow_run.id else uuid4()
    parent = flow_run.parent_flow_run_id
    parent_id, attempt = UUID(str(parent)) if parent else None, int(flow_run.run_count or 1)
    record = Record(run_id, f"prefect:{flow}", Page(title(flow, parameters)))
    _write(lambda c: runs.begin_run(c, run_id, flow, parameters, attempt, parent_id))
    try:
        yield record
    except Pause:
        _end(record, "waiting")
        raise
    except Exception as error:
        record.need_a_person(str(error))
        # Where the ledger or Prefect failed, neither can be told; why the run failed must not be lost over that.
        with suppress(Unavailable), transaction() as connection:
            _end_in(connection, record, "failed", str(error))
        with suppress(HTTPError):
            record.page.publish(flow)
        raise
    _end(record, "needs_a_person" if record.page.for_a_person else "completed")
    # Not worth failing for: what was done is in the ledger, and so is what this page says.
    with suppress(HTTPError):
        record.page.publish(flow)


def _end(record: Record, state: str) -> None:
    _write(lambda c: _end_in(c, record, state))


def _end_in(connection: Connection, record: Record, state: str, error: str | None = None) -> None:
    page = record.page
    runs.end_run(
        connection, record.run_id, state, record.counts, error, page.said, page.for_a_person
    )


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


def title(flow: str, parameters: Mapping[str, Any]) -> str:
    """A run's name: its flow and what it is about, like `invoice-run 2026-10`."""
    about = [str(parameters[name]) for name in ABOUT if parameters.get(name)]
    return " ".join([flow, *about])


# The parameters that say what a run is about, in the order in which they are said.
ABOUT = ("action", "team", "user", "source", "first", "period", "month", "as_of")


def run_name(flow: str) -> Callable[[], str]:
    """Names a flow's runs: what was left away is named as it will be taken."""

    def name() -> str:
        given = dict(flow_run.parameters)
        with suppress(ChargebackError):
            if flow in BILL_A_PERIOD:
                given["period"] = asked_period(given.get("period") or "").label
        if "as_of" in given:
            given["as_of"] = business_date(given["as_of"])
        return title(flow, given)

    return name


# Flows whose empty period is the previous month; an empty one elsewhere is everything, or what is new.
BILL_A_PERIOD = (
    "invoice-run", "invoice-on-demand", "monthly-billing", "report-publishing", "reallocation", "document-drawing",
)  # fmt: skip


def asked_period(period: str) -> Period:
    """The period a person typed; nothing typed is the previous calendar month."""
    if period:
        return Period.parse(period)
    first = today(settings().zone).replace(day=1)
    return Period.month(f"{first:%Y-%m}").previous()


def business_date(given: date | None) -> date:
    """The date a document or a sweep bears; nothing given is today in the billing zone."""
    return given or today(settings().zone)
