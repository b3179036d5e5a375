"""What the commands that correct what was billed do."""

from dataclasses import asdict
from datetime import date

from chargeback.documents import wording
from chargeback.errors import Invalid
from chargeback.ledger import ledger_settings, reallocation, withdrawal
from chargeback.ledger.database import transaction
from chargeback.ledger.invoices import plain
from chargeback.periods import Period
from chargeback.settings import settings
from entrypoints import showing
from entrypoints.commands import asked
from entrypoints.ledger_at_hand import ledger_at_hand


def reallocate(period: str, reason: str, is_dry_run: bool, as_json: bool) -> int:
    """Book what moves, or only show it."""
    wanted = Period.parse(period)

    def told(month: date, done: int, of: int) -> None:
        show(f"Looked at {month:%Y-%m}", done, of)

    with ledger_at_hand(), showing.progress("Sharing anew") as show:
        moved = reallocation.reallocate(wanted, reason, asked.actor(), is_dry_run, told)
    if as_json:
        shares = [asdict(share) | {"difference": share.difference} for share in moved.shares]
        showing.print_json({"period": wanted.label, "reason": reason, "booked": bool(moved.cells) and not is_dry_run,
                            "cells": moved.cells, "moved_cost": moved.moved_cost, "shares": shares})  # fmt: skip
        return 0
    if not moved.cells:
        showing.say(f"Rules and owners give what is booked for {wanted.label}; nothing changed.")
        return 0
    _show_moved(moved, f"{wanted.label}, shared anew: {reason}")
    cost = f"{wording.exact(moved.moved_cost)} {settings().currency}"
    if is_dry_run:
        showing.say(
            f"Nothing is booked yet: {cost} would move. Run it without --dry-run to book it.",
            "yellow",
        )
    else:
        showing.say(
            f"{cost} moved; each payer sees its difference as late lines on its next invoice."
        )
    return 0


def _show_moved(moved: reallocation.Reallocated, title: str) -> None:
    numbers = ["gives back", "takes on", "difference"]
    showing.table([
        {"payer": f"{share.payer or 'nobody'}{' (written off)' if share.is_written_off else ''}",
         "gives back": share.gives_back, "takes on": share.takes_on, "difference": share.difference}
        for share in moved.shares
    ], right=numbers, title=title)  # fmt: skip


def withdraw(source: str, ids: list[str], reason: str, as_json: bool, dry_run: bool = False) -> int:
    """Take rows back by their ids."""
    if not ids:
        raise Invalid(
            "ids_missing", "name the ids of the usage to withdraw, as the source calls them"
        )
    with ledger_at_hand(dry_run), transaction() as connection:
        ledger_settings.check(connection)
        taken = withdrawal.withdraw(connection, source, ids, reason, asked.actor())
    if as_json:
        said = {"dry_run": True} if dry_run else {}
        counts = {"withdrawn": taken.count, "raw_cost": plain(taken.raw_cost)}
        showing.print_json({"source": source, **counts, **said})
        return 0
    if taken.count:
        cost = f"{wording.exact(taken.raw_cost)} {settings().currency}"
        showing.say(f"{taken.count} rows of {source} are taken back, {cost} in all.")
    else:
        showing.say("They were taken back already; nothing changed.")
    if dry_run:
        showing.say_dry_run()
    return 0
