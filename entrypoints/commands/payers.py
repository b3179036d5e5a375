"""What the commands about payers and rules do."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from chargeback.documents import wording
from chargeback.errors import Invalid, NotFound
from chargeback.ledger import audit, payers, rulebook
from chargeback.ledger.database import snapshot, transaction
from chargeback.ledger.invoices import plain
from chargeback.ledger.rulebook import KeptRule
from chargeback.payers_file import read
from chargeback.rule import ALWAYS_FROM, ALWAYS_TO
from chargeback.rules import Receiver
from entrypoints import showing
from entrypoints.commands.asked import actor
from entrypoints.ledger_at_hand import ledger_at_hand


def import_file(file: Path, reason: str | None, as_json: bool) -> int:
    """Make what the file names so, all of it or nothing."""
    checked = read(_content(file), str(file))
    with ledger_at_hand(), audit.within(reason=reason), transaction() as connection:
        counts = asdict(payers.import_file(connection, checked, actor()))
    if as_json:
        showing.print_json(counts)
        return 0
    changed = ", ".join(f"{number} {what}" for what, number in counts.items() if number)
    if changed:
        showing.say(f"Imported {file}: changed {changed}.")
    else:
        showing.say(f"{file} says what is so already; nothing changed.")
    return 0


def _content(file: Path) -> str:
    next_step = "give the path of a YAML file"
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
        showing.table([_rule_row(one) for one in kept], right=["priority"])
    return 0


def _rule_row(kept: KeptRule) -> dict[str, object]:
    rule = kept.rule
    return {
        "rule": f"{rule.rule_id} v{rule.version}",
        "type": rule.rule_type.value,
        "priority": rule.priority,
        "takes": _criteria(kept),
        "who pays": _receivers(kept.receivers) or _DIRECT[rule.rule_type.value],
        "valid": _validity(rule.valid_from, rule.valid_to) if rule.enabled else "switched off",
    }


_DIRECT = {
    "by_usage": "who used it, in the team",
    "by_team": "the team's members, in equal parts",
    "by_user": "each user alone",
}


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
