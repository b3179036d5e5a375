"""Invoices: drafted, listed, moved, drawn."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import Connection

from chargeback import clock, invoice_status, numbering
from chargeback.documents.invoice_pdf import draw
from chargeback.documents.letterhead import Letterhead
from chargeback.errors import Invalid, NotFound, Refused
from chargeback.ledger import invoice_lists, invoices, issuing, payers
from chargeback.ledger.allocation import allocate
from chargeback.ledger.drafting import draft_one
from chargeback.ledger.invoice_lists import Asked
from chargeback.payer import Payer
from chargeback.posted_usage import an_object
from chargeback.quoting import quoted
from chargeback.settings import settings
from chargeback.views import InvoiceView
from entrypoints.api import billing_shapes, shapes, wire
from entrypoints.api.access import Answer, Caller, Reader, Runner, books, once
from entrypoints.api.allocations import optional_id, whole_days
from entrypoints.api.answers import Detailed, answer
from entrypoints.api.documented import CHANGING, FINDING, READING, WRITING, answers, takes
from entrypoints.api.requests_in import (
    MOST_ROWS,
    Cursor,
    Limit,
    Route,
    bad_cursor,
    json_body,
    read_cursor,
    write_cursor,
)
from entrypoints.api.threads import in_thread
from models.enums import DocumentKind, InvoiceStatus

routes = APIRouter(tags=["invoices"], route_class=Route)
PDF = "application/pdf"


@routes.post(
    "/invoices",
    status_code=201,
    responses=answers(billing_shapes.InvoiceDrafted, WRITING, 201),
    openapi_extra=takes(billing_shapes.InvoiceIn),
)
async def create_invoice(request: Request, caller: Runner) -> Response:
    """Draft an invoice, with all cost allocated first; again, it is the refreshed draft.

    Without team and user it is one invoice of all that is not yet invoiced. A period without usage gives
    an invoice of 0.
    """
    body = await json_body(request)
    fields = an_object(body.value, tuple(billing_shapes.InvoiceIn.model_fields))
    period, is_widened = whole_days(fields)
    payer = Payer(optional_id(fields, "team_id"), optional_id(fields, "user_id"))
    number = _number(fields.get("invoice_number"))

    def draft(connection: Connection) -> Answer:
        payers.appear(connection, payer, caller.actor)
        on = clock.today(settings().zone)
        made = draft_one(connection, payer, period, on, caller.actor, number)
        (view,) = invoices.views(connection, [made.invoice_id], with_annex=False)
        said = {"outcome": made.outcome, "period_widened": is_widened}
        return Answer(201, {"invoice": wire.invoice(view), **said})

    def work() -> Answer:
        allocate(period.end)
        return once(body.call(caller), draft)

    kept = await in_thread(work)
    return answer(kept.content, kept.status)


def _number(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise Invalid("number_invalid", f"invoice_number is {quoted(value)}; write it as text.")
    return numbering.given(value)


@routes.get("/invoices", responses=answers(billing_shapes.InvoiceList, READING))
def list_invoices(
    caller: Reader,
    team_id: Annotated[str | None, Query(description="Only this team's.")] = None,
    user_id: Annotated[str | None, Query(description="Only this user's.")] = None,
    status: Annotated[InvoiceStatus | None, Query(description="Only of this status.")] = None,
    kind: Annotated[
        DocumentKind, Query(description="`credit_note` lists the others.")
    ] = DocumentKind.INVOICE,
    limit: Limit = None,
    cursor: Cursor = None,
) -> Response:
    """List invoices, newest first."""
    most = limit or MOST_ROWS
    asked = Asked(caller.asks_for(team_id), user_id, status, kind)
    with books(caller, is_snapshot=True) as connection:
        ids = invoice_lists.newest(connection, asked, _before(cursor), most + 1)
        views = invoices.views(connection, ids[:most], with_annex=False)
    following = write_cursor(ids[most - 1]) if len(ids) > most else None
    newest_first = [wire.invoice(view) for view in reversed(views)]
    return answer({"invoices": newest_first, "next_cursor": following})


_NEWEST = 2**63 - 1


def _before(cursor: str | None) -> int:
    if cursor is None:
        return _NEWEST
    (written,) = read_cursor(cursor, 1)
    if not written.isascii() or not written.isdigit() or int(written[:20]) > _NEWEST:
        raise bad_cursor()
    return int(written)


@routes.get("/invoices/{invoice_id}", responses=answers(billing_shapes.InvoiceAnswer, FINDING))
def get_invoice(invoice_id: str, caller: Reader) -> Response:
    """Show an invoice or credit note, by its id or number."""
    with books(caller, is_snapshot=True) as connection:
        view = _shown(connection, caller, invoice_id)
    return answer({"invoice": wire.invoice(view)})


def _shown(
    connection: Connection, caller: Caller, given: str, *, with_annex: bool = False
) -> InvoiceView:
    """The document, if the caller may see it. Raises NotFound as for one that is not there."""
    (view,) = invoices.views(
        connection, [shown_id(connection, caller, given)], with_annex=with_annex
    )
    return view


def shown_id(connection: Connection, caller: Caller, given: str) -> int:
    """The document's own id, if the caller may see it. Raises NotFound as for one that is not there."""
    found = _found(connection, given)
    if caller.is_viewer and not caller.sees(invoice_lists.team_of(connection, found)):
        raise _not_found(given)
    return found


def _found(connection: Connection, given: str) -> int:
    """The document. Raises NotFound in the same words for another team's and for none."""
    try:
        return issuing.find(connection, given)
    except NotFound:
        raise _not_found(given) from None


def _not_found(given: str) -> NotFound:
    return NotFound(
        "invoice_not_found", f"there is no invoice {quoted(given)}; GET /invoices lists them"
    )


@routes.get(
    "/invoices/{invoice_id}/pdf",
    response_class=Response,
    responses={
        **answers(shapes.Message, FINDING),
        200: {"description": "The document.", "content": {PDF: {}}},
    },
)
def invoice_pdf(invoice_id: str, caller: Reader) -> Response:
    """Draw an invoice or credit note as a PDF."""
    with books(caller, is_snapshot=True) as connection:
        view = _shown(connection, caller, invoice_id, with_annex=True)
    drawn = draw(view, Letterhead.from_settings(settings()))
    name = "".join(sign if sign.isalnum() and sign.isascii() else "-" for sign in view.number)
    headers = {"Content-Disposition": f'inline; filename="{name}.pdf"'}
    return Response(drawn, 200, headers, PDF)


@routes.put(
    "/invoices/{invoice_id}/status",
    responses=answers(billing_shapes.InvoiceMoved, CHANGING),
    openapi_extra=takes(billing_shapes.StatusIn),
)
async def move_invoice(request: Request, invoice_id: str, caller: Runner) -> Response:
    """Move an invoice along its statuses; a move that does not exist is 409 with those that do."""
    body = await json_body(request)
    fields = an_object(body.value, tuple(billing_shapes.StatusIn.model_fields))
    status, reason = fields.get("status"), fields.get("reason")
    if not isinstance(status, str) or not isinstance(reason, str | None):
        raise Invalid(
            "status_unknown",
            f"status is {quoted(status)}; write one of {', '.join(InvoiceStatus)}.",
        )
    wanted = invoice_status.parse(status)
    return await in_thread(lambda: _moved(caller, invoice_id, wanted, reason))


def _moved(caller: Caller, given: str, wanted: InvoiceStatus, reason: str | None) -> Response:
    try:
        with books(caller) as connection:
            held = _found(connection, given)
            on = clock.today(settings().zone)
            moved = issuing.move(connection, held, wanted, on, caller.actor, reason)
            (view,) = invoices.views(connection, [held], with_annex=False)
    except Refused as error:
        raise Detailed(error, _allowed(caller, given)) from None
    verb = "is now" if moved.has_changed else "was already"
    said: dict[str, Any] = {"message": f"{moved.number} {verb} {moved.status.value}"}
    return answer({"invoice": wire.invoice(view), **said, "credit_note": moved.credit_note})


def _allowed(caller: Caller, given: str) -> list[str]:
    """Where the document may move from where it stands, in the order of the statuses."""
    with books(caller) as connection:
        (view,) = invoices.views(connection, [_found(connection, given)], with_annex=False)
    if view.kind is DocumentKind.CREDIT_NOTE:
        return []
    moves = invoice_status.allowed(view.status, settings().require_approval)
    return [status.value for status in InvoiceStatus if status in moves]
