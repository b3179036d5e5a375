"""What the commands about usage do: read it, and decide about rows that were refused."""

from dataclasses import asdict
from typing import Any

from chargeback.clock import now
from chargeback.ledger import quarantine, usage_sources
from chargeback.ledger.database import snapshot, transaction
from chargeback.ledger.sync import SyncCounts, window_of
from chargeback.ledger.sync import sync as sync_one
from entrypoints import showing
from entrypoints.commands import asked
from entrypoints.ledger_at_hand import ledger_at_hand
from entrypoints.secrets_at_hand import open_block


def sync(source: str | None, period: str | None, as_json: bool) -> int:
    """Read one source or all of them, with the rows read so far as progress."""
    wanted = asked.period(period)
    window = window_of(wanted) if wanted else None
    with ledger_at_hand():
        with transaction() as connection:
            kept = (
                [usage_sources.find(connection, source)]
                if source
                else usage_sources.sources(connection)
            )
        with showing.progress("Reading the cost trackers") as show:
            counts = [_sync(one.name, window, show) for one in kept]
    if as_json:
        showing.print_json([asdict(one) for one in counts])
    elif not counts:
        showing.say("There is no source yet; add one with `chargeback sources add`.")
    else:
        show_counts(counts)
    return 0


def _sync(name: str, window: Any, show: showing.Show) -> SyncCounts:
    show(f"Reading {name}", 0, None)
    return sync_one(
        name,
        now(),
        window,
        lambda so_far: show(f"Reading {name}", so_far.received, None),
        open_block,
    )


def show_counts(counts: list[SyncCounts]) -> None:
    """Show what each source sent and what became of it."""
    showing.table([
        {"source": one.source, "received": one.received, "new": one.new, "already held": one.unchanged,
         "refused": one.quarantined, "cost received": one.received_raw, "cost booked": one.new_cost}
        for one in counts
    ], right=["received", "new", "already held", "refused", "cost received", "cost booked"])  # fmt: skip
    if not any(one.new or one.quarantined for one in counts):
        showing.say("Nothing is new.")
    if refused := sum(one.quarantined for one in counts):
        showing.say(
            f"{refused} rows were refused; `chargeback quarantine list` says why.", "yellow"
        )


def list_quarantine(state: str | None, limit: int, as_json: bool) -> int:
    """Show refused rows with their reasons."""
    with ledger_at_hand(), snapshot() as connection:
        rows = quarantine.rows(connection, state, limit)
    names = ("quarantine_id", "source", "position", "external_id", "usage_date", "code", "reason", "raw_cost",
             "state", "decision", "decided_by", "row")  # fmt: skip
    found = [{name: getattr(row, name) for name in names} for row in rows]
    if as_json:
        showing.print_json(found)
    elif not found:
        showing.say(f"No {state} row is in quarantine." if state else "No row is in quarantine.")
    else:
        showing.table([
            {"id": one["quarantine_id"], "source": one["source"], "line": one["position"], "day": one["usage_date"],
             "row": one["external_id"], "cost": one["raw_cost"], "reason": one["reason"],
             "state": f"{one['state']}: {one['decision']}" if one["decision"] else one["state"]}
            for one in found
        ], right=["id", "line", "cost"])  # fmt: skip
    return 0


def waive(quarantine_id: int, reason: str) -> int:
    """Decide that a row is not to be booked."""
    with ledger_at_hand(), transaction() as connection:
        quarantine.waive(connection, quarantine_id, reason, asked.actor())
    showing.say(f"Row {quarantine_id} is waived: it stays in quarantine and is not booked.")
    return 0
