"""What the commands about payers and rules do."""

from collections.abc import Callable, Iterable
from dataclasses import asdict
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from chargeback.documents import wording
from chargeback.driver_reading import written
from chargeback.errors import Invalid, NotFound, Unavailable
from chargeback.ledger import audit, payers, rulebook
from chargeback.ledger.database import rehearsal, snapshot, transaction
from chargeback.ledger.invoices import plain
from chargeback.ledger.previews import Preview, preview
from chargeback.ledger.rulebook import KeptRule
from chargeback.payers_file import read
from chargeback.rule import ALWAYS_FROM, ALWAYS_TO
from chargeback.rules import Receiver
from entrypoints import moves, showing
from entrypoints.commands.asked import actor
from entrypoints.ledger_at_hand import ledger_at_hand


def import_file(file: Path, reason: str | None, as_json: bool, dry_run: bool = False) -> int:
    """Make what the file names so, all of it or nothing, and tell what unbilled cost that moves."""
    checked = read(content_of(file), str(file))

    def change(connection: Connection) -> payers.ImportCounts:
        return payers.import_file(connection, checked, actor())

    with ledger_at_hand(), audit.within(reason=reason):
        moved = _moved_by(change)
        with rehearsal() if dry_run else transaction() as connection:
            counts = asdict(change(connection))
    if as_json:
        preview = moves.as_json(moved) if moved else None
        showing.print_json(counts | {"preview": preview, "dry_run": dry_run})
        return 0
    changed = ", ".join(f"{number} {what}" for what, number in counts.items() if number)
    if not changed:
        showing.say(f"{file} says what is so already; nothing changed.")
        return 0
    showing.say(
        f"{file} would change {changed}." if dry_run else f"Imported {file}: changed {changed}."
    )
    if moved:
        moves.show(moved, is_done=not dry_run)
    if dry_run:
        showing.say_dry_run()
    return 0


def _moved_by(change: Callable[[Connection], object]) -> Preview | None:
    """What the change moves; None, with the reason said, where others are at work on the same days."""
    try:
        return preview(change)
    except Unavailable as reason:
        showing.warn(f"What this moves cannot be said now: {reason}.")
        return None


def content_of(file: Path) -> str:
    """The text of a file somebody names. Raises NotFound or Invalid, naming it."""
    next_step = "give the path of a text file"
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NotFound("file_not_found", f"there is no file {file}; {next_step}") from None
    except OSError as error:
        raise Invalid(
            "file_unreadable", f"{file} cannot be read ({error.strerror}); {next_step}"
        ) from None
    except UnicodeDecodeError:
        raise Invalid("file_unreadable", f"{file} is no text in UTF-8; {next_step}") from None


def rules(as_json: bool) -> int:
    """Show the newest version of each rule."""
    with ledger_at_hand(), snapshot() as connection:
        kept = rulebook.current_rules(connection)
    if as_json:
        showing.print_json([_rule_json(one) for one in kept])
    elif not kept:
        showing.say(
            "There is no rule yet: cost goes to who used it. `chargeback import FILE.yaml` adds rules."
        )
    else:
        has_stages = any(one.rule.stage > 1 for one in kept)
        rows = [_rule_row(one, has_stages) for one in kept]
        showing.table(rows, right=["priority", "stage"])
    return 0


def _rule_row(kept: KeptRule, has_stages: bool) -> dict[str, object]:
    rule = kept.rule
    return {
        "rule": f"{rule.rule_id} v{rule.version}",
        "type": rule.rule_type.value,
        **({"stage": rule.stage} if has_stages else {}),
        "priority": rule.priority,
        "takes": _criteria(kept) if rule.stage == 1 else f"what was given to {_criteria(kept)}",
        "who pays": _payers(kept),
        "valid": _validity(rule.valid_from, rule.valid_to) if rule.enabled else "switched off",
    }


_DIRECT = {
    "by_usage": "who used it, in the team",
    "by_team": "the team's members, in equal parts",
    "by_user": "each user alone",
}


def _payers(kept: KeptRule) -> str:
    """Who pays, in which parts."""
    rule = kept.rule
    if rule.driver is None:
        return _receivers(kept.receivers) or _DIRECT[rule.rule_type.value]
    everybody = "every user" if rule.entity_type == "user" else "every team"
    named = ", ".join(str(one.team_id or one.user_id) for one in kept.receivers) or everybody
    return f"{named}, by {rule.driver}"


def _criteria(kept: KeptRule) -> str:
    criteria = kept.rule.criteria
    named: list[tuple[str, Iterable[str]]] = [
        ("team", [criteria.team_id] if criteria.team_id else []),
        ("users", criteria.user_ids),
        ("agents", criteria.agent_ids),
        ("accounts", criteria.account_ids),
        ("resource types", criteria.resource_types),
    ]
    return "; ".join(f"{what} {', '.join(ids)}" for what, ids in named if ids) or "everything"


def _receivers(receivers: Iterable[Receiver]) -> str:
    """Each receiver with its part, as far as two decimals tell it."""
    every = list(receivers)
    weight = sum(one.weight for one in every)
    return ", ".join(
        f"{one.team_id or one.user_id} {wording.percent(round(Decimal(one.weight) / weight, 4))}"
        for one in every
    )


def _validity(first: date, end: date) -> str:
    if first == ALWAYS_FROM and end == ALWAYS_TO:
        return "always"
    parts = [f"from {first}"] if first != ALWAYS_FROM else []
    parts += [f"until {end}"] if end != ALWAYS_TO else []
    return " ".join(parts)


def _rule_json(kept: KeptRule) -> dict[str, Any]:
    rule = {
        name: value
        for name, value in asdict(kept.rule).items()
        if name not in ("key", "is_closing")
    }
    rule["split_percentages"] = dict(kept.rule.split_percentages)
    rule["driver"] = written(kept.rule.driver)
    rule["valid_from"] = None if kept.rule.valid_from == ALWAYS_FROM else kept.rule.valid_from
    rule["valid_to"] = None if kept.rule.valid_to == ALWAYS_TO else kept.rule.valid_to
    rule["receivers"] = [
        {"team_id": one.team_id, "user_id": one.user_id, "weight": str(one.weight)}
        for one in kept.receivers
    ]
    return rule


def teams(as_json: bool) -> int:
    """Show every team with its billing facts."""
    with ledger_at_hand(), snapshot() as connection:
        rows = payers.teams(connection)
    names = ("team_id", "name", "cost_center", "contact", "net_days", "tax_rate", "member_count")
    found = [{name: getattr(row, name) for name in names} for row in rows]
    for team in found:
        team["tax_rate"] = plain(team["tax_rate"])
    if as_json:
        showing.print_json(found)
    elif not found:
        showing.say(
            "There is no team yet; `chargeback import FILE.yaml` adds them, and usage that names one does too."
        )
    else:
        showing.table([
            {"team": team["team_id"], "name": team["name"], "cost centre": team["cost_center"],
             "contact": team["contact"], "net days": team["net_days"],
             "tax": wording.percent(team["tax_rate"]), "members": team["member_count"]}
            for team in found
        ], right=["net days", "tax", "members"])  # fmt: skip
    return 0
