"""What the commands about refused usage rows do."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from chargeback.errors import Invalid
from chargeback.ledger import audit, intake, quarantine, usage_sources
from chargeback.ledger import fixes as kept_fixes
from chargeback.ledger.database import snapshot, transaction
from chargeback.ledger.replay import ReplayCounts, refusal_of
from chargeback.ledger.replay import replay as replay_rows
from chargeback.row_fixes import Fix
from chargeback.sources import open_source
from chargeback.sources.contract import Usage
from chargeback.sources.pricing import replayed
from entrypoints import showing
from entrypoints.commands import asked
from entrypoints.ledger_at_hand import ledger_at_hand
from models.enums import FixOperation

Given = tuple[str | None, tuple[str, str, str] | None, str | None]

_NAMES = ("quarantine_id", "source", "position", "external_id", "usage_date", "code", "reason", "raw_cost",
          "currency", "state", "decision", "decided_by", "decided_at", "row")  # fmt: skip


def list_rows(
    state: str | None, source: str | None, code: str | None, limit: int, as_json: bool
) -> int:
    """Show refused rows: how many by source and code, and each with its reason."""
    with ledger_at_hand(), snapshot() as connection:
        rows = quarantine.rows(connection, state, limit, source, code)
        groups = quarantine.summary(connection, state)
    found = [{name: getattr(row, name) for name in _NAMES} for row in rows]
    if as_json:
        showing.print_json(found)
    elif not found:
        showing.say(f"No {state} row is in quarantine." if state else "No row is in quarantine.")
    else:
        if source is None and code is None and len(groups) > 1:
            _show_groups(groups)
        _show_rows(found)
        _say_next(state)
    return 0


def _show_groups(groups: Sequence[Any]) -> None:
    showing.table([
        {"source": one.source, "code": one.code, "rows": one.rows, "cost": one.raw_cost, "currency": one.currency or "",
         "days": "unknown" if one.first_date is None else f"{one.first_date} to {one.last_date}"}
        for one in groups
    ], right=["rows", "cost"], title="By source and code")  # fmt: skip


def _show_rows(found: Sequence[Mapping[str, Any]]) -> None:
    showing.table([
        {"id": one["quarantine_id"], "source": one["source"], "line": one["position"], "day": one["usage_date"],
         "row": one["external_id"], "cost": _cost(one), "code": one["code"], "reason": one["reason"],
         "state": f"{one['state']}: {one['decision']}" if one["decision"] else one["state"]}
        for one in found
    ], right=["id", "line", "cost"])  # fmt: skip


def _cost(row: Mapping[str, Any]) -> str:
    return " ".join(filter(None, [showing.inert(row["raw_cost"]), row["currency"]]))


def _say_next(state: str | None) -> None:
    if state == "open":
        showing.say(
            "Mend them in the source and sync again; or `chargeback quarantine fix` and `replay`; or `waive`."
        )


def show(quarantine_id: int, as_json: bool) -> int:
    """Show one refused row whole, and what would become of it today."""
    with ledger_at_hand(), snapshot() as connection:
        row = quarantine.find(connection, quarantine_id)
        history = audit.history(connection, "quarantine", str(quarantine_id))
        kept = usage_sources.find(connection, row.source)
        pricing = intake.pricing_of(connection, kept, open_source(kept.kind, kept.config))
    found = replayed(refusal_of(row), pricing)
    today = (
        "would be booked"
        if isinstance(found, Usage)
        else f"is refused: {found.code}, {found.reason}"
    )
    facts = {name: getattr(row, name) for name in _NAMES}
    if as_json:
        showing.print_json({**facts, "today": today, "history": history})
        return 0
    shown = {name.replace("_", " "): value for name, value in facts.items() if name != "row"}
    showing.facts({**shown, "today": f"it {today}"}, f"Refused row {quarantine_id}")
    showing.heading("The row")
    for name, value in row.row.items():
        text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value
        showing.say(f"  {name} = {showing.inert(text)}")
    return 0


def fix(source: str, code: str, given: Given, reason: str, as_json: bool) -> int:
    """Keep a fix, and tell how many of the rows that wait it would cure."""
    made = _fix(code, *given)
    with ledger_at_hand():
        with transaction() as connection:
            kept = usage_sources.find(connection, source)
            fix_id = kept_fixes.make(
                connection, kept.source_id, source, made, reason, asked.actor()
            )
        cured, waiting = _cured(kept, code)
    if as_json:
        showing.print_json({"fix_id": fix_id, "fix": str(made), "waiting": waiting, "cured": cured})
        return 0
    showing.say(f"Fix {fix_id} of {source}: {made}.")
    showing.say(
        f"{cured} of {waiting} rows that wait with code {code} would be booked; "
        f"`chargeback quarantine replay --source {source}` does that."
    )
    return 0


def _fix(code: str, to_set: str | None, to_replace: Any, where: str | None) -> Fix:
    if (to_set is None) == (to_replace is None):
        raise Invalid(
            "fix_invalid", "say what to change: --set FIELD=VALUE or --replace FIELD OLD NEW"
        )
    where_field, where_value = _pair(where, "--where") if where else (None, None)
    if to_set is not None:
        field, value = _pair(to_set, "--set")
        return Fix(code, field, FixOperation.SET, value, None, where_field, where_value)
    field, old, new = to_replace
    return Fix(code, field, FixOperation.REPLACE, new, old, where_field, where_value)


def _pair(text: str, option: str) -> tuple[str, str]:
    field, sign, value = text.partition("=")
    if not field or not sign:
        raise Invalid(
            "fix_invalid", f"{option} is written FIELD=VALUE, like {option} team_id=search"
        )
    return field, value


def _cured(kept: usage_sources.KeptSource, code: str) -> tuple[int, int]:
    """How many of the rows that wait with this code would be booked now, and how many there are."""
    with snapshot() as connection:
        pricing = intake.pricing_of(connection, kept, open_source(kept.kind, kept.config))
        rows = quarantine.rows(connection, "open", 10_000, kept.name, code)
    return sum(isinstance(replayed(refusal_of(row), pricing), Usage) for row in rows), len(rows)


def fixes(as_json: bool) -> int:
    """Show the fixes."""
    with ledger_at_hand(), snapshot() as connection:
        found = kept_fixes.fixes(connection)
    if as_json:
        showing.print_json([one._asdict() for one in found])
    elif not found:
        showing.say("There is no fix yet; make one with `chargeback quarantine fix`.")
    else:
        showing.table([
            {"id": one.fix_id, "source": one.source, "code": one.fix.code, "fix": str(one.fix), "reason": one.reason,
             "by": one.made_by, "applies": "ended" if one.ended_at else "yes"}
            for one in found
        ], right=["id"])  # fmt: skip
    return 0


def end_fix(fix_id: int, reason: str) -> int:
    """End a fix."""
    with ledger_at_hand(), transaction() as connection:
        kept_fixes.end(connection, fix_id, reason, asked.actor())
    showing.say(f"Fix {fix_id} applies no more; what was booked by it stays.")
    return 0


def replay(ids: Sequence[int], source: str | None, code: str | None, as_json: bool) -> int:
    """Try refused rows again."""
    with ledger_at_hand(), showing.progress("Replaying refused rows"):
        with transaction() as connection:
            for quarantine_id in ids:
                quarantine.find(connection, quarantine_id)
        counts = replay_rows(source, asked.actor(), ids or None, [code] if code else None)
    if as_json:
        showing.print_json([asdict(one) for one in counts])
    else:
        say_replayed(counts)
    return 0


def say_replayed(counts: Sequence[ReplayCounts]) -> None:
    """Tell what became of refused rows that were tried again."""
    tried = [one for one in counts if one.tried]
    if not tried:
        showing.say("No refused row waits; nothing changed.")
    for one in tried:
        still = ", ".join(f"{count} {code}" for code, count in sorted(one.still_refused.items()))
        showing.say(
            f"{one.source}: of {one.tried} refused rows {one.booked} are booked now"
            + (f", {one.unchanged} were held already" if one.unchanged else "")
            + (f"; still refused: {still}." if still else ".")
        )


def waive(
    ids: Sequence[int], source: str | None, code: str | None, reason: str, as_json: bool
) -> int:
    """Decide that rows are not to be booked."""
    if bool(ids) == bool(source and code):
        raise Invalid("rows_missing", "say which rows: their numbers, or both --source and --code")
    with ledger_at_hand(), transaction() as connection:
        chosen = list(ids)
        if not ids:
            rows = quarantine.rows(connection, "open", 100_000, source, code)
            chosen = [row.quarantine_id for row in rows]
        waived = quarantine.waive_all(connection, chosen, reason, asked.actor())
    if as_json:
        showing.print_json({"waived": waived, "ids": chosen})
    elif waived == 1:
        showing.say(f"Row {chosen[0]} is waived: it stays in quarantine and is not booked.")
    else:
        showing.say(f"{waived} rows are waived: they stay in quarantine and are not booked.")
    return 0
