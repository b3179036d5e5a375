"""What the commands that look at the books do."""

from chargeback.documents.file_store import FileStore
from chargeback.ledger import audit, invoices, issuing, publications
from chargeback.ledger import digest as digests
from chargeback.ledger.database import snapshot
from chargeback.ledger.reconcile import reconcile as reconciled
from chargeback.ledger.standing import standing
from chargeback.ledger.verify import INVARIANTS, reach
from chargeback.ledger.verify import verify as verified
from chargeback.periods import Period
from chargeback.settings import settings
from entrypoints import figures, paper, showing
from entrypoints.commands import asked
from entrypoints.ledger_at_hand import ledger_at_hand


def status(period: str | None, as_json: bool) -> int:
    """Show where the period stands, or everything."""
    wanted = asked.period(period)
    with ledger_at_hand(), snapshot() as connection:
        found = standing(connection, wanted)
    if as_json:
        showing.print_json(found)
    else:
        figures.show_standing(found)
    return 0


def show(given: str, as_json: bool) -> int:
    """Show one document whole, with its history and the files published of it."""
    with ledger_at_hand(), snapshot() as connection:
        (view,) = invoices.views(connection, [issuing.find(connection, given)])
        history = audit.history(connection, "invoice", view.number)
        pdf = publications.newest(connection, "invoice").get(view.number)
    path = str(settings().files / pdf.uri) if pdf else None
    if as_json:
        showing.print_json({**showing.plain(view), "history": history, "pdf": path})
        return 0
    paper.show(view)
    showing.table([
        {"when": f"{one['at']:%Y-%m-%d %H:%M:%S} UTC", "who": one["actor"], "what": one["action"],
         "why": one["reason"]}
        for one in history
    ], title="History")  # fmt: skip
    showing.say(
        f"PDF  {path}"
        if path
        else "No PDF of it was published yet; `chargeback publish` does that."
    )
    return 0


def verify(period: str | None, as_json: bool) -> int:
    """Run the invariants; 1 where the books are broken."""
    wanted = asked.period(period)
    files = FileStore(settings().files)
    with ledger_at_hand(), snapshot() as connection, showing.progress("Verifying") as progress:
        looked_at = reach(connection, wanted)
        broken = verified(connection, wanted, files, progress)
    if as_json:
        showing.print_json(
            {"holds": not broken, "period": wanted, "reach": str(looked_at), "broken": broken}
        )
    elif broken:
        showing.table([{"invariant": one.invariant, "what must hold": one.name, "what is wrong": one.sentence}
                       for one in broken])  # fmt: skip
        showing.say(f"The books do not tie out: {len(broken)} findings ({looked_at}).", "bold red")
    else:
        showing.say(
            f"The books tie out: all {len(INVARIANTS)} invariants hold ({looked_at}).", "green"
        )
    return int(bool(broken))


def reconcile(period: str, payers: bool, as_json: bool) -> int:
    """Show what came in beside what became of it; 1 where there is a difference."""
    wanted = Period.parse(period)
    with ledger_at_hand(), snapshot() as connection:
        found = reconciled(connection, wanted)
    if as_json:
        showing.print_json(found.as_json())
    else:
        figures.show_reconciliation(found, payers)
    return int(found.difference != 0)


def digest(parts: bool, as_json: bool) -> int:
    """Print the digest, and those of its parts where they are asked for."""
    with ledger_at_hand(), snapshot() as connection:
        hashes = digests.parts(connection)
    whole = digests.whole(hashes)
    if as_json:
        showing.print_json({"digest": whole, **({"parts": hashes} if parts else {})})
        return 0
    for name, part in hashes.items() if parts else ():
        showing.say(f"{part}  {name}")
    showing.say(f"{whole}  whole" if parts else whole)
    return 0
