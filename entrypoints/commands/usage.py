"""What the commands about usage do: read it, and decide about rows that were refused."""

from dataclasses import asdict
from typing import Any

from chargeback.clock import now
from chargeback.ledger import intake, usage_sources
from chargeback.ledger.database import transaction
from chargeback.ledger.sync import SyncCounts, window_of
from chargeback.ledger.sync import sync as sync_one
from entrypoints import showing
from entrypoints.commands import asked
from entrypoints.ledger_at_hand import ledger_at_hand
from entrypoints.secrets_at_hand import open_block


def sync(source: str | None, period: str | None, as_json: bool, dry_run: bool = False) -> int:
    """Read one source or all of them, with the rows read so far as progress."""
    wanted = asked.period(period)
    window = window_of(wanted) if wanted else None
    with ledger_at_hand(dry_run):
        with transaction() as connection:
            kept = (
                [usage_sources.find(connection, source)]
                if source
                else usage_sources.sources(connection)
            )
        with showing.progress("Reading the cost trackers") as show:
            counts = [_sync(one.name, window, show) for one in kept]
    if as_json:
        said = {"dry_run": True} if dry_run else {}
        showing.print_json([asdict(one) | said for one in counts])
    elif not counts:
        showing.say("There is no source yet; add one with `chargeback sources add`.")
    else:
        show_counts(counts)
        if dry_run:
            showing.say_dry_run()
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
         "changed": one.changed, "taken back": one.reversed, "refused": one.quarantined, "waiting": one.waiting,
         "cost received": one.received_raw, "cost booked": one.new_cost}
        for one in counts
    ], right=["received", "new", "already held", "changed", "taken back", "refused", "waiting", "cost received",
              "cost booked"])  # fmt: skip
    if not any(
        one.new or one.changed or one.reversed or one.quarantined or one.waiting for one in counts
    ):
        showing.say("Nothing is new.")
    if refused := sum(one.quarantined for one in counts):
        showing.say(
            f"{refused} rows were refused; `chargeback quarantine list` says why.", "yellow"
        )
    if waiting := sum(one.waiting for one in counts):
        showing.say(
            f"{waiting} rows of snapshots wait for a decision; `chargeback snapshots list` says why.",
            "yellow",
        )
    for one in counts:
        for sentence in one.doubts:
            showing.say(sentence, "yellow")


def zero_cost(name: str, decision: str, as_json: bool) -> int:
    """Decide what becomes of usage that has tokens and costs nothing."""
    with ledger_at_hand(), transaction() as connection:
        has_changed = intake.decide_zero_cost(connection, name, decision, asked.actor())
    if as_json:
        showing.print_json({"source": name, "zero_cost": decision, "changed": has_changed})
    else:
        already = f"That is decided so already for {name}; nothing changed."
        showing.say(_DECIDED[decision].format(name=name) if has_changed else already)
    return 0


_DECIDED = {
    "accept": "What has tokens and costs nothing in {name} is booked as free from now on.",
    "reprice": "What has tokens and costs nothing in {name} is priced from the rates from now on.",
    "quarantine": "What has tokens and costs nothing in {name} is refused from now on, until somebody looks.",
}
