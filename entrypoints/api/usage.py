"""Usage: recorded one by one, listed, summed up."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import Connection

from chargeback import clock, posted_usage
from chargeback.errors import ChargebackError
from chargeback.ledger import posting, usage_reading
from chargeback.ledger.usage_reading import Place, Record, Whose
from chargeback.periods import Period
from chargeback.settings import settings
from chargeback.stretch import Stretch
from entrypoints.api import usage_shapes, wire
from entrypoints.api.access import Answer, Caller, Reader, Runner, books, once
from entrypoints.api.answers import answer
from entrypoints.api.documented import READING, WRITING, answers, takes
from entrypoints.api.requests_in import (
    MOST_ROWS,
    Body,
    Cursor,
    End,
    Limit,
    Route,
    Start,
    bad_cursor,
    json_body,
    read_cursor,
    write_cursor,
)
from entrypoints.api.threads import in_thread
from entrypoints.api.writer import Writer

routes = APIRouter(tags=["usage"], route_class=Route)
Team = Annotated[str | None, Query(description="Only this team's.")]
User = Annotated[str | None, Query(description="Only this user's.")]
Agent = Annotated[str | None, Query(description="Only this agent's.")]
Type = Annotated[str | None, Query(description="Only of this resource type.")]


@routes.post(
    "/usage",
    status_code=201,
    responses=answers(usage_shapes.UsageRecorded, WRITING, 201, 200),
    openapi_extra=takes(usage_shapes.UsageIn),
)
async def record_usage(request: Request, caller: Runner) -> Response:
    """Record usage.

    The same `usage_id` and content again is no second record and answers 200; other content is 409.
    Without `timestamp` the usage is of now, and a repeat without one agrees with any.
    """
    body = await json_body(request)
    post = posted_usage.read(body.value, clock.now())
    if body.key is not None:
        return await _once(body, caller, post)
    writer: Writer = request.app.state.writer
    booked = await writer.book(post)
    return answer({"usage_record": wire.usage_record(booked.held)}, 201 if booked.is_new else 200)


async def _once(body: Body, caller: Caller, post: posted_usage.Posted) -> Response:
    """With an Idempotency-Key the post is booked in the transaction that keeps its answer."""

    def book() -> Answer:
        moment = clock.now()
        source = posting.prepared(moment, [post])

        def work(connection: Connection) -> Answer:
            (found,) = posting.post(connection, source, [post], moment)
            if isinstance(found, ChargebackError):
                raise found
            content = {"usage_record": wire.usage_record(found.held)}
            return Answer(201 if found.is_new else 200, content)

        return once(body.call(caller), work)

    kept = await in_thread(book)
    return answer(kept.content, kept.status)


@routes.get("/usage", responses=answers(usage_shapes.UsageList, READING))
def list_usage(
    caller: Reader,
    period_start: Start | None = None,
    period_end: End | None = None,
    team_id: Team = None,
    user_id: User = None,
    agent_id: Agent = None,
    resource_type: Type = None,
    limit: Limit = None,
    cursor: Cursor = None,
) -> Response:
    """List usage records, of the whole days of a period or of all; their order stays, by the day's cells."""
    period = None
    if period_start is not None or period_end is not None:
        start, end = posted_usage.both(period_start, period_end)
        period = Period.between(start, end, settings().zone)[0]
    whose = Whose(caller.asks_for(team_id), user_id, agent_id, resource_type)
    most = limit or MOST_ROWS
    with books(caller, is_snapshot=True) as connection:
        found = usage_reading.records(connection, period, whose, place_of(cursor), most + 1)
    return answer(record_page(found, most))


def record_page(found: list[Record], most: int) -> dict[str, object]:
    """A page of records and where the list goes on."""
    shown = found[:most]
    following = write_cursor(*shown[-1].place) if len(found) > most else None
    return {"usage": [wire.listed_record(one) for one in shown], "next_cursor": following}


def place_of(cursor: str | None) -> Place:
    """Where a list of records goes on. Raises Invalid for a cursor that no list gave."""
    if cursor is None:
        return Place()
    cell_id, usage_id, revision = read_cursor(cursor, 3)
    try:
        place = Place(int(cell_id), UUID(usage_id), int(revision))
    except ValueError:
        raise bad_cursor() from None
    if not 0 <= place.cell_id <= usage_reading.IN_NO_CELL or not 0 <= place.revision < 2**31:
        raise bad_cursor()
    return place


@routes.get("/usage/summary", responses=answers(usage_shapes.SummaryAnswer, READING))
def usage_summary(
    caller: Reader,
    period_start: Start,
    period_end: End,
    team_id: Team = None,
    user_id: User = None,
) -> Response:
    """Sum usage up, to the instant: a time of day within a day is honoured."""
    stretch = Stretch.between(period_start, period_end, settings().zone)
    with books(caller, is_snapshot=True) as connection:
        found = usage_reading.summary(connection, stretch, Whose(caller.asks_for(team_id), user_id))
    return answer({"summary": wire.summary(found, stretch, team_id, user_id)})
