"""What the commands about cost trackers and their usage do."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from chargeback.clock import now
from chargeback.errors import Invalid
from chargeback.ledger import ledger_settings, quarantine, usage_sources
from chargeback.ledger.database import snapshot, transaction
from chargeback.ledger.sync import SyncCounts, window_of
from chargeback.ledger.sync import sync as sync_one
from chargeback.settings import settings
from chargeback.sources import KINDS
from entrypoints import showing
from entrypoints.commands import asked
from entrypoints.ledger_at_hand import ledger_at_hand
from models.enums import SourceRole


def add_source(
    name: str, kind: str, role: str, given: Mapping[str, str | None], as_json: bool
) -> int:
    """Keep the source's configuration; a relative path that exists here is kept from the project's root."""
    if kind not in KINDS:
        raise Invalid(
            "source_kind_unknown",
            f"{kind!r} is no kind of cost tracker; there is: {', '.join(KINDS)}",
        )
    config = {key: value for key, value in given.items() if value is not None}
    if "path" in config:
        config["path"] = _kept_path(config["path"])
    with ledger_at_hand(), transaction() as connection:
        ledger_settings.check(connection)
        has_changed = usage_sources.put(
            connection, name, kind, SourceRole(role), config, asked.actor()
        )
    if as_json:
        showing.print_json(
            {"name": name, "kind": kind, "role": role, "config": config, "changed": has_changed}
        )
        return 0
    already = f"Source {name} is configured so already; nothing changed."
    showing.say(f"Source {name} is kept." if has_changed else already)
    if "path" in config and not (file := settings().root / config["path"]).exists():
        showing.say(f"There is no file {file} yet; put it there before you sync.", "yellow")
    return 0


def _kept_path(given: str) -> str:
    """A path as it is kept: from the project's root where it lies below, else absolute."""
    root = settings().root
    here = Path(given).expanduser().absolute()
    found = here if here.exists() or not (root / given).exists() else root / given
    return str(found.relative_to(root)) if found.is_relative_to(root) else str(found)


def list_sources(as_json: bool) -> int:
    """Show the sources and how far each was read."""
    with ledger_at_hand(), snapshot() as connection:
        sources = usage_sources.sources(connection)
    if as_json:
        names = [
            field.name for field in fields(usage_sources.KeptSource) if field.name != "source_id"
        ]
        showing.print_json([{name: getattr(source, name) for name in names} for source in sources])
    elif not sources:
        showing.say("There is no source yet; add one with `chargeback sources add`.")
    else:
        showing.table([
            {"source": source.name, "kind": source.kind, "role": source.role.value,
             "reads": source.config.get("path") or source.config.get("url"), "form": source.config.get("form"),
             "read up to": f"{source.cursor_at:%Y-%m-%d %H:%M} UTC" if source.cursor_at else "never read"}
            for source in sources
        ])  # fmt: skip
    return 0


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
        _show_counts(counts)
        if dry_run:
            showing.say_dry_run()
    return 0


def _sync(name: str, window: Any, show: showing.Show) -> SyncCounts:
    show(f"Reading {name}", 0, None)
    return sync_one(
        name, now(), window, lambda so_far: show(f"Reading {name}", so_far.received, None)
    )


def _show_counts(counts: list[SyncCounts]) -> None:
    showing.table([
        {"source": one.source, "received": one.received, "new": one.new, "already held": one.unchanged,
         "changed": one.changed, "refused": one.quarantined,
         "cost received": one.received_raw, "cost booked": one.new_cost}
        for one in counts
    ], right=["received", "new", "already held", "changed", "refused", "cost received", "cost booked"])  # fmt: skip
    if not any(one.new or one.changed or one.quarantined for one in counts):
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
