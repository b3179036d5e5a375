"""Figures of the books on the terminal: documents in a list, a reconciliation, and how things stand."""

from collections.abc import Iterable
from decimal import Decimal

from rich.text import Text

from chargeback.documents import wording
from chargeback.ledger.reconcile import Reconciliation, SourceReconciliation
from chargeback.ledger.standing import Remark, Standing
from chargeback.views import InvoiceRow
from entrypoints import showing
from models.enums import DocumentKind

MOST_SHOWN = 50
RUN_STYLES = {
    "completed": "green",
    "failed": "bold red",
    "needs_a_person": "yellow",
    "running": "cyan",
}


def show_documents(rows: Iterable[InvoiceRow], title: str) -> None:
    """Show documents by number; where there are very many, the newest."""
    every = sorted(rows, key=lambda row: (row.kind is DocumentKind.CREDIT_NOTE, row.number))
    if not every:
        showing.say(f"{title}: none.")
        return
    showing.table([
        {"number": row.number, "payer": _payer(row), "period": row.period.label, "status": _status(row),
         "issued": row.issue_date, "due": row.due_date, row.currency: wording.money(row.total, row.currency)}
        for row in every[-MOST_SHOWN:]
    ], right=[row.currency for row in every], title=title)  # fmt: skip
    if len(every) > MOST_SHOWN:
        showing.say(f"{len(every) - MOST_SHOWN} more are not shown; name a period, or use --json.")


def _status(row: InvoiceRow) -> Text:
    return Text("stale draft", "yellow") if row.is_stale else showing.status(row.status)


def _payer(row: InvoiceRow) -> str:
    return " / ".join(filter(None, [row.team_id, row.user_id])) or "all payers"


def show_reconciliation(found: Reconciliation, has_payers: bool = False) -> None:
    """Show per source what came in and where it is, per document what rounding did, and the payers if asked for."""
    if not found.sources:
        showing.say("There is no source yet; add one with `chargeback sources add`.")
    for source in found.sources:
        showing.table(_came_in(source, found.currency), right=["rows", found.currency],
                      title=f"{source.source}, {found.period.label}: what came in")  # fmt: skip
        showing.table(_went(source, found.currency), right=[found.currency],
                      title=f"{source.source}, {found.period.label}: where it went")  # fmt: skip
    if found.foreign:
        _show_foreign(found)
    if found.documents:
        _show_rounding(found)
    if has_payers:
        _show_payers(found)
    _show_doubts(found)
    if found.difference == 0:
        showing.say(
            "Difference: 0. Everything that came in is accounted for, to the last digit.", "green"
        )
    else:
        lost = f"{wording.exact(found.difference)} {found.currency}"
        showing.say(f"Difference: {lost}. Run `chargeback verify`.", "bold red")


def _show_foreign(found: Reconciliation) -> None:
    """What came in other currencies, in those, and what it became in the ledger's."""
    showing.table([
        {"source": one.source, "currency": one.currency, "rate": one.rate if one.rate is not None else "no rate",
         "rows": one.rows, "booked": one.booked, f"in {found.currency}": one.converted, "refused": one.refused}
        for one in found.foreign
    ], right=["rows", "booked", f"in {found.currency}", "refused"], title="Other currencies")  # fmt: skip


def _show_doubts(found: Reconciliation) -> None:
    """What ties out and looks wrong all the same."""
    doubts = found.doubts
    if doubts.drifts:
        showing.table([
            {"source": one.source, "day": one.usage_date, "currency": one.currency or found.currency,
             "source says": one.told, "we hold": one.held, "apart": one.difference, "rows": one.told_rows,
             "our rows": one.held_rows, "": Text("look", "yellow") if one.is_gap else ""}
            for one in doubts.drifts
        ], right=["source says", "we hold", "apart", "rows", "our rows"],
            title="Days a source tells otherwise")  # fmt: skip
    if doubts.twins.count:
        showing.table([
            {"at (UTC)": f"{one.usage_at:%Y-%m-%d %H:%M:%S}", "source": one.source, "call": one.external_id,
             "like": f"{one.other_source} {one.other_external_id}", "agent": one.agent_id, "model": one.model,
             "tokens": one.tokens, found.currency: one.cost}
            for one in doubts.twins.pairs
        ], right=["tokens", found.currency], title="Calls that look recorded twice")  # fmt: skip
        showing.say(
            f"{doubts.twins.count} calls look recorded twice, for {wording.exact(doubts.twins.cost)} {found.currency}; "
            "all are booked: withdraw those that are not calls of their own."
        )
    if doubts.free:
        showing.table([
            {"source": one.source, "model": one.model, "rows": one.rows, "tokens": one.tokens,
             "decided": one.zero_cost.value if one.zero_cost else Text("not yet", "yellow")}
            for one in doubts.free
        ], right=["rows", "tokens"], title="Usage with tokens that costs nothing")  # fmt: skip


def _show_rounding(found: Reconciliation) -> None:
    """Per document the exact sum, the subtotal it prints, and the difference beside its bound."""
    numbers = ["exact", "subtotal", "rounding", "bound", "of the period"]
    # Late usage of other months is on the document too, and not of the period.
    has_other = any(one.in_period != one.exact for one in found.documents)
    showing.table([
        {"document": one.number, "exact": one.exact,
         "subtotal": wording.money(one.subtotal, found.currency), "rounding": one.rounding_difference,
         "bound": one.bound, **({"of the period": one.in_period} if has_other else {})}
        for one in found.documents
    ], right=numbers, title="Rounding, once per document")  # fmt: skip
    total, bound = wording.exact(found.rounding_difference), wording.exact(found.rounding_bound)
    showing.say(f"Rounding of all documents: {total} {found.currency}, at most {bound}.")


def _show_payers(found: Reconciliation) -> None:
    amounts = ["bears", "billed", "credited", "written off", "not yet invoiced"]
    showing.table([
        {"payer": str(one.payer or "nobody"), "bears": one.borne, "billed": one.billed, "credited": one.credited,
         "written off": one.written_off, "not yet invoiced": one.waiting,
         "difference": _difference(one.difference)}
        for one in found.payers
    ], right=[*amounts, "difference"], title=f"Who bears {found.period.label}, and was billed for it")  # fmt: skip


def _came_in(source: SourceReconciliation, currency: str) -> list[dict[str, object]]:
    return [
        {"": "received", "rows": source.received.rows, currency: source.received.amount},
        *_only_if(
            source.repriced,
            {"": "priced by our own rates", "rows": None, currency: source.repriced},
        ),
        {
            "": "taken back, as changed or withdrawn",
            "rows": source.reversed.rows,
            currency: source.reversed.amount,
        },
        {"": "in the ledger", "rows": source.ledger.rows, currency: source.ledger.amount},
        {"": "residual beyond 18 decimals", "rows": None, currency: source.residual},
        {"": "in quarantine", "rows": source.quarantined.rows, currency: source.quarantined.amount},
        {"": "waived", "rows": source.waived.rows, currency: source.waived.amount},
        {"": "difference", "rows": None, currency: _difference(source.difference)},
    ]


def _only_if(amount: Decimal, row: dict[str, object]) -> list[dict[str, object]]:
    """A row that most reconciliations do not need."""
    return [row] if amount else []


def _went(source: SourceReconciliation, currency: str) -> list[dict[str, object]]:
    drafts = f"not yet invoiced ({wording.exact(source.on_drafts)} of it on drafts)"
    return [
        {"": "allocated", currency: source.allocated},
        {"": "  invoiced", currency: source.invoiced},
        {"": "  written off", currency: source.written_off},
        {
            "": f"  {drafts if source.on_drafts else 'not yet invoiced'}",
            currency: source.not_yet_invoiced,
        },
        {"": "  unattributed", currency: source.unattributed},
        {"": "not allocated yet", currency: source.not_allocated},
        {"": "difference", currency: _difference(source.allocation_difference)},
    ]


def _difference(amount: object) -> Text:
    shown = showing.inert(amount)
    return Text(shown, "green" if shown == "0" else "bold red")


def show_standing(found: Standing) -> None:
    """Show documents, what waits and for whom, and the last runs."""
    what = f"Documents of {found.period.label}" if found.period else "Documents"
    show_documents(found.documents, what)
    if found.totals:
        showing.say(", ".join(f"{one.count} {one.status} {showing.money(one.total, found.currency)}"
                              for one in found.totals))  # fmt: skip
    showing.heading("What waits")
    for sentence, style in _waiting(found):
        showing.say(f"  {sentence}", style)
    showing.say("")
    if found.recent_runs:
        _show_runs(found)


def _show_runs(found: Standing) -> None:
    has_error = any(run.error for run in found.recent_runs)
    showing.table([
        {"started (UTC)": f"{run.started_at:%Y-%m-%d %H:%M:%S}", "flow": run.flow, "period": run.period,
         "ended": Text(run.state.replace("_", " "), RUN_STYLES.get(run.state, "")), "seconds": run.seconds,
         "steps": run.step_count, **({"error": run.error} if has_error else {})}
        for run in found.recent_runs
    ], right=["seconds", "steps"], title="Last runs")  # fmt: skip
    newest = found.recent_runs[0]
    for sentence in newest.said if found.period else ():
        showing.say(f"  {newest.flow}: {sentence}")
    for sentence in newest.for_a_person:
        showing.say(f"  {newest.flow} needs a person: {sentence}", "yellow")


def _waiting(found: Standing) -> list[tuple[str, str]]:
    """What somebody or the next run has to do, in the order of urgency."""
    no_pool, nobody = (
        f"{wording.exact(amount)} {found.currency}"
        for amount in (found.not_allocated, found.unattributed)
    )
    every = [
        (found.open_quarantine, f"{found.open_quarantine} refused rows to decide on: `chargeback quarantine list`"),
        (found.stale_drafts, f"stale drafts, to be generated again: {', '.join(found.stale_drafts)}"),
        (found.days_to_allocate, f"{found.days_to_allocate} days that have changed: `chargeback allocate`"),
        (found.not_allocated, f"{no_pool} is not allocated yet"),
        (found.unattributed, f"{nobody} has no owner and is billed to nobody"),
        *((one.days, _remark(one, found.currency)) for one in found.remarks),
    ]  # fmt: skip
    return [(sentence, "yellow") for waits, sentence in every if waits] or [("nothing", "green")]


def _remark(one: Remark, currency: str) -> str:
    """Why a rule's cost was not divided as it says."""
    return f"rule {one.rule_id}: {one.reason} ({wording.exact(one.cost)} {currency} in {one.days} days)"
