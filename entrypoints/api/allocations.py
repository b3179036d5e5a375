"""Allocations: made, answered per rule and payer, and followed back to their usage."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection

from chargeback.errors import Invalid
from chargeback.ledger import shares
from chargeback.ledger.allocation import allocate
from chargeback.ledger.shares import After, Payers, Share, ShareName
from chargeback.periods import Period
from chargeback.posted_usage import an_object
from chargeback.quoting import quoted
from chargeback.rule_reading import id_of
from chargeback.settings import settings
from chargeback.stretch import end_of, start_of
from entrypoints.api import billing_shapes, usage_shapes, wire
from entrypoints.api.access import Answer, Reader, Runner, books, once
from entrypoints.api.answers import answer
from entrypoints.api.documented import FINDING, WRITING, answers, takes
from entrypoints.api.requests_in import (
    MOST_ROWS,
    Cursor,
    Limit,
    Route,
    json_body,
    read_cursor,
    write_cursor,
)
from entrypoints.api.threads import in_thread
from entrypoints.api.usage import place_of, record_page

routes = APIRouter(tags=["allocations"], route_class=Route)
# Usage ids in one allocation, and in one answer.
MOST_IDS, MOST_IDS_TOGETHER = 1_000, 100_000


@routes.post(
    "/allocate",
    responses=answers(billing_shapes.AllocationList, WRITING),
    openapi_extra=takes(billing_shapes.AllocateIn),
)
async def allocate_period(request: Request, caller: Runner) -> Response:
    """Allocate the days of a period, and answer what each payer bears under each rule.

    A period that begins or ends within a day is widened to whole days; `period_widened` says so.
    """
    body = await json_body(request)
    fields = an_object(body.value, tuple(billing_shapes.AllocateIn.model_fields))
    period, is_widened = whole_days(fields)
    payers = Payers(optional_id(fields, "team_id"), None, optional_id(fields, "rule_id"))
    most = _limit(fields.get("limit"))
    after = _after(fields.get("cursor"))

    def shared(connection: Connection) -> Answer:
        found = shares.shares(connection, period, payers, after, most + 1, most_ids(most))
        return Answer(200, {**_page(found, most), **_days(period, is_widened)})

    def work() -> Answer:
        allocate(period.end, period.start)
        return once(body.call(caller), shared)

    kept = await in_thread(work)
    return answer(kept.content, kept.status)


def _days(period: Period, is_widened: bool) -> dict[str, Any]:
    return {
        "period_start": start_of(period),
        "period_end": end_of(period),
        "period_widened": is_widened,
    }


def whole_days(fields: Mapping[str, Any]) -> tuple[Period, bool]:
    """The period of a body, and whether it had to be widened. Raises Invalid where an end is missing."""
    ends = []
    for name in ("period_start", "period_end"):
        value = fields.get(name)
        if not isinstance(value, str):
            raise Invalid(
                "period_invalid",
                f"{name} is {quoted(value)}; write a date or an instant like '2026-10-01T00:00:00Z'.",
            )
        ends.append(value)
    return Period.between(ends[0], ends[1], settings().zone)


def optional_id(fields: Mapping[str, Any], name: str) -> str | None:
    """An id of a body, if it has one."""
    value = fields.get(name)
    return None if value is None else id_of(value, name)


def _limit(value: object) -> int:
    if value is None:
        return MOST_ROWS
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_ROWS:
        raise Invalid(
            "limit_invalid",
            f"limit is {quoted(value)}; write a whole number from 1 to {MOST_ROWS}.",
        )
    return value


def _after(cursor: object) -> After:
    if cursor is None:
        return After()
    if not isinstance(cursor, str):
        raise Invalid("cursor_invalid", f"cursor is {quoted(cursor)}; send next_cursor as it was.")
    return After(*read_cursor(cursor, 3))


def most_ids(allocations: int) -> int:
    """How many usage ids each of so many allocations lists."""
    return max(10, min(MOST_IDS, MOST_IDS_TOGETHER // max(allocations, 1)))


def _page(found: list[Share], most: int) -> dict[str, Any]:
    shown = found[:most]
    following = None
    if len(found) > most:
        last = shown[-1].name
        following = write_cursor(last.rule_id, last.team_id or "", last.user_id or "")
    return {"allocations": [wire.allocation(one) for one in shown], "next_cursor": following}


@routes.get(
    "/allocations/{allocation_id}/usage", responses=answers(usage_shapes.UsageList, FINDING)
)
def allocation_usage(
    allocation_id: str, caller: Reader, limit: Limit = None, cursor: Cursor = None
) -> Response:
    """List the usage that an allocation comes from; of a shared cost all of it, whoever bears it."""
    name = ShareName.parse(allocation_id)
    if not caller.sees(name.team_id):
        raise shares.not_found(allocation_id)
    most = limit or MOST_ROWS
    with books(caller, is_snapshot=True) as connection:
        found = shares.usage_of(connection, name, place_of(cursor), most + 1)
    return answer(record_page(found, most))
