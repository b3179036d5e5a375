"""What the commands about waiting snapshots do."""

from typing import Any

from chargeback.ledger import waiting_snapshots
from chargeback.ledger.database import snapshot
from entrypoints import showing
from entrypoints.commands import asked
from entrypoints.ledger_at_hand import ledger_at_hand

_SHOWN = ("snapshot_id", "source", "period_start", "period_end", "account", "delivery", "row_count", "cost",
          "held_count", "held_cost", "refused_count", "reasons", "state", "arrived_at", "decided_at", "decided_by",
          "decision")  # fmt: skip
_CHANGE = (
    "resource_type",
    "sku",
    "held_rows",
    "held_cost",
    "delivered_rows",
    "delivered_cost",
)
_REFUSED = ("position", "code", "reason", "raw_cost", "state")


def list_snapshots(state: str | None, limit: int, as_json: bool) -> int:
    """Show deliveries that were refused whole."""
    with ledger_at_hand(), snapshot() as connection:
        found = waiting_snapshots.rows(connection, state, limit)
    if as_json:
        showing.print_json([_named(one, _SHOWN) for one in found])
    elif not found:
        showing.say(f"No snapshot is {state}." if state else "No snapshot was ever refused.")
    else:
        showing.table([
            {"id": one.snapshot_id, "source": one.source, "period": one.period_start,
             "account": one.account or "(unknown)",
             "rows": one.row_count, "held rows": one.held_count, "cost": one.cost, "held cost": one.held_cost,
             "refused": one.refused_count,
             "why": "; ".join(one.reasons) if one.state == "waiting" else f"{one.state}: {one.decision}"}
            for one in found
        ], right=["id", "rows", "held rows", "cost", "held cost", "refused"])  # fmt: skip
        if state == "waiting":
            showing.say(
                "Look at one with `chargeback snapshots show ID`, then accept or reject it."
            )
    return 0


def show(snapshot_id: int, limit: int, as_json: bool) -> int:
    """Show one delivery, what it would change, and its refused rows."""
    with ledger_at_hand(), snapshot() as connection:
        looked = waiting_snapshots.look(connection, snapshot_id, limit)
    one = _named(looked.snapshot, _SHOWN)
    changes = [_named(change, _CHANGE) for change in looked.changes]
    refused = [_named(row, _REFUSED) for row in looked.refused]
    if as_json:
        showing.print_json({**one, "changes": changes, "refused": refused})
        return 0
    one["arrived_at"] = f"{one['arrived_at']:%Y-%m-%d %H:%M} UTC"
    words = {name.replace("_", " "): value for name, value in one.items() if name != "snapshot_id"}
    reasons = "; ".join(one["reasons"])
    showing.facts({**words, "reasons": reasons}, f"Snapshot {snapshot_id}")
    if changes:
        showing.table(
            [{name.replace("_", " "): change[name] for name in _CHANGE} for change in changes],
            right=[name.replace("_", " ") for name in _CHANGE[2:]],
            title="What would change, by cost",
        )
    if refused:
        showing.table(
            [
                {"line": row["position"], "cost": row["raw_cost"], "reason": row["reason"]}
                for row in refused
            ],
            right=["line", "cost"],
            title="Refused rows",
        )
    return 0


def accept(snapshot_id: int, reason: str) -> int:
    """Book a delivery."""
    with ledger_at_hand():
        counts = waiting_snapshots.accept(snapshot_id, reason, asked.actor()).counts
    showing.say(
        f"Snapshot {snapshot_id} is booked: {counts.new} rows new, {counts.reversed} taken back, "
        f"{counts.unchanged} already held."
    )
    return 0


def reject(snapshot_id: int, reason: str) -> int:
    """Discard a delivery."""
    with ledger_at_hand():
        waiting_snapshots.reject(snapshot_id, reason, asked.actor())
    showing.say(f"Snapshot {snapshot_id} is rejected: what is held stays.")
    return 0


def _named(row: Any, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in names}
