"""Lines followed to their usage, and usage followed to its lines."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response
from sqlalchemy import Connection

from chargeback.ledger import bearers, explaining, line_usage
from chargeback.ledger.line_usage import Trail
from entrypoints.api import explained, explanation_shapes
from entrypoints.api.access import Caller, Reader, books
from entrypoints.api.answers import answer
from entrypoints.api.documented import FINDING, answers
from entrypoints.api.invoices import shown_id
from entrypoints.api.requests_in import Cursor, Limit, Route, bad_cursor, read_cursor, write_cursor

routes = APIRouter(tags=["explanations"], route_class=Route)
# A page that is read by people; whoever wants more asks for it.
PAGE_ROWS = 100
_MOST_ID = 2**63 - 1
Source = Annotated[str | None, Query(description="The source, where several know such a usage_id.")]


@routes.get(
    "/invoices/{invoice_id}/lines/{position}",
    responses=answers(explanation_shapes.LineAnswer, FINDING),
)
def explain_line(invoice_id: str, position: int, caller: Reader) -> Response:
    """Explain a line of an invoice or credit note: which rules it comes from, of what, and how much each gives."""
    with books(caller, is_snapshot=True) as connection:
        held = shown_id(connection, caller, invoice_id)
        line = explaining.line(connection, held, position)
    return answer({"line": explained.line(line, invoice_id)})


@routes.get(
    "/invoices/{invoice_id}/lines/{position}/allocations",
    responses=answers(explanation_shapes.LineAllocations, FINDING),
)
def line_allocations(
    invoice_id: str, position: int, caller: Reader, limit: Limit = None, cursor: Cursor = None
) -> Response:
    """List the allocations that a line claims, in the order of their ids; without `limit` 100."""
    most = limit or PAGE_ROWS
    after = _number(read_cursor(cursor, 1)[0]) if cursor is not None else 0
    with books(caller, is_snapshot=True) as connection:
        held = shown_id(connection, caller, invoice_id)
        found = explaining.allocations(connection, held, position, after, most + 1)
    shown = found[:most]
    following = write_cursor(shown[-1].allocation_id) if len(found) > most else None
    rows = [explained.allocation(one) for one in shown]
    return answer({"allocations": rows, "next_cursor": following})


@routes.get(
    "/invoices/{invoice_id}/lines/{position}/usage",
    responses=answers(explanation_shapes.LineUsage, FINDING),
)
def line_records(
    invoice_id: str, position: int, caller: Reader, limit: Limit = None, cursor: Cursor = None
) -> Response:
    """List the usage behind a line, with what the line bears of each record's cost; without `limit` 100.

    Of a shared cost a viewer is shown its own team's usage.
    """
    most = limit or PAGE_ROWS
    with books(caller, is_snapshot=True) as connection:
        held = shown_id(connection, caller, invoice_id)
        found = line_usage.records(connection, held, position, _trail(cursor), most + 1)
    shown = found[:most]
    following = write_cursor(*shown[-1].trail) if len(found) > most else None
    return answer({"usage": [explained.borne(one) for one in shown], "next_cursor": following})


@routes.get(
    "/usage/{usage_id:path}/bearers", responses=answers(explanation_shapes.BearersAnswer, FINDING)
)
def usage_bearers(usage_id: str, caller: Reader, source: Source = None) -> Response:
    """Show every line of every document that bears a usage record, and its exact part of the cost.

    `usage_id` is the one its source gave it, or the `record_id`. A viewer is shown what its team bears.
    """
    with books(caller, is_snapshot=True) as connection:
        found = _bearers(connection, caller, usage_id, source)
    return answer(explained.bearers(found))


def _bearers(
    connection: Connection, caller: Caller, given: str, source: str | None
) -> bearers.RecordExplained:
    found = bearers.bearers(connection, bearers.find(connection, given, source))
    if not any(caller.sees(one.team_id) for one in found.revisions):
        raise bearers.not_found(given)
    return found


def _trail(cursor: str | None) -> Trail:
    if cursor is None:
        return Trail()
    pool_id, cell_id, usage_id, revision = read_cursor(cursor, 4)
    try:
        return Trail(
            _number(pool_id), _number(cell_id), UUID(usage_id), _number(revision, 2**31 - 1)
        )
    except ValueError:
        raise bad_cursor() from None


def _number(written: str, most: int = _MOST_ID) -> int:
    if not written.isascii() or not written.isdigit() or int(written[:20]) > most:
        raise bad_cursor()
    return int(written)
