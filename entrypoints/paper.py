"""A document on the terminal: what the PDF says, in tables."""

from chargeback.documents import wording
from chargeback.views import InvoiceView
from entrypoints import showing
from models.enums import DocumentKind


def show(view: InvoiceView) -> None:
    """Show a document: whom it is for, its lines, its totals, who used what, and what others hold."""
    kind = "Credit note" if view.kind is DocumentKind.CREDIT_NOTE else "Invoice"
    showing.facts(_head(view), f"{kind} {view.number}")
    showing.say("")
    if view.lines:
        showing.table(_lines(view), right=["quantity", "exact", view.currency], title="Lines")
    else:
        showing.say("It has no lines: nothing is billed.")
    showing.table(_totals(view), right=[view.currency])
    if view.annex:
        showing.table(_annex(view), right=["quantity", "cost"], title="Who used it")
    for number, amount in view.held_elsewhere:
        held = f"{wording.exact(amount)} {view.currency}"
        showing.say(f"{number} holds {held} of this payer's cost in the period.", "yellow")
    if view.is_stale:
        showing.say(
            "It is stale: its cost was allocated anew. Generate it again to refresh it.", "yellow"
        )


def _head(view: InvoiceView) -> dict[str, object]:
    to = view.bill_to
    return {
        "bill to": to.name if to.id in (None, to.name) else f"{to.name} ({to.id})",
        "cost centre": to.cost_center,
        "contact": to.contact,
        "period": wording.long_period(view.period),
        "status": showing.status(view.status),
        "revision": view.revision,
        "issued": view.issue_date,
        "due": view.due_date,
        "paid": view.paid_date,
        "credits": view.credits_number,
        "credited by": view.credited_by_number,
    }


def _lines(view: InvoiceView) -> list[dict[str, object]]:
    return [
        {"": line.position, "what": line.description, "quantity": wording.quantity(line.quantity, line.unit),
         "exact": line.exact, view.currency: wording.money(line.amount, view.currency)}
        for line in view.lines
    ]  # fmt: skip


def _totals(view: InvoiceView) -> list[dict[str, object]]:
    return [
        {"total": "exact", view.currency: view.exact_total},
        {"total": "rounding", view.currency: view.rounding_difference},
        {"total": "subtotal", view.currency: wording.money(view.subtotal, view.currency)},
        {
            "total": f"tax {wording.percent(view.tax_rate)}",
            view.currency: wording.money(view.tax, view.currency),
        },
        {"total": "total", view.currency: wording.money(view.total, view.currency)},
    ]


def _annex(view: InvoiceView) -> list[dict[str, object]]:
    return [
        {"user": row.user_id or "no user", "agent": row.agent_id or "no agent", "resource type": row.resource_type,
         "quantity": wording.quantity(row.quantity, row.unit), "cost": row.cost}
        for row in view.annex
    ]  # fmt: skip
