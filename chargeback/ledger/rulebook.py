"""The allocation rules as they are kept: versions, never edited.

Owns reading and writing rules. Which rule takes a cost is `chargeback.rules`, booking it `allocation`.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from chargeback import chains, rules
from chargeback.errors import Invalid, NotFound
from chargeback.ledger import audit
from chargeback.ledger.appearance import appear, registered
from chargeback.rule import SPLITS, Driver, Rule
from chargeback.rules import Receiver
from models.enums import RuleType, SourceRole

BY_USAGE, UNATTRIBUTED = "by_usage", "unattributed"


@dataclass(frozen=True)
class KeptRule:
    """A rule version as kept, with its split's receivers as they were resolved when it was made."""

    rule: Rule
    receivers: tuple[Receiver, ...]

    @property
    def key(self) -> int:
        """The version's database id."""
        assert self.rule.key is not None, "a kept rule has a key"
        return self.rule.key


# The columns that a rule and its row hold alike, and those that are lists in the row.
_PLAIN = ("rule_id", "version", "name", "description", "enabled", "is_closing", "priority",
          "team_id", "entity_type", "valid_from", "valid_to", "stage")  # fmt: skip
_LISTS = ("user_ids", "match_user_ids", "agent_ids", "account_ids", "resource_types", "entity_ids")


def kept_rules(connection: Connection) -> list[KeptRule]:
    """Every version of every rule but the built-in ones, oldest first."""
    return _versions(connection, None)


def _versions(connection: Connection, rule_id: str | None) -> list[KeptRule]:
    """Every version of one rule, or of all."""
    rows = connection.execute(
        text("""SELECT * FROM allocation_rules WHERE rule_id NOT IN ('by_usage', 'unattributed')
                  AND (CAST(:id AS text) IS NULL OR rule_id = :id) ORDER BY rule_key"""),
        {"id": rule_id},
    )
    return [_kept(row._mapping) for row in rows]


def _kept(row: Any) -> KeptRule:
    columns: dict[str, Any] = {name: row[name] for name in (*_PLAIN, "metadata")}
    columns |= {name: tuple(row[name]) for name in _LISTS}
    shares = tuple((k, Decimal(v)) for k, v in row["split_percentages"].items())
    rule = Rule(
        key=row["rule_key"],
        rule_type=RuleType(row["rule_type"]),
        split_percentages=shares,
        driver=None if row["driver"] is None else Driver(**row["driver"]),
        **columns,
    )
    return KeptRule(rule, tuple(Receiver(t, u, int(w)) for t, u, w in row["receivers"]))


def current_rules(connection: Connection) -> list[KeptRule]:
    """The newest version of each rule that is not deleted, in rule_id order."""
    newest = {kept.rule.rule_id: kept for kept in kept_rules(connection)}
    return sorted(
        (kept for kept in newest.values() if not kept.rule.is_closing), key=lambda k: k.rule.rule_id
    )


def built_in_keys(connection: Connection) -> tuple[int, int]:
    """The keys of the built-in rules `by_usage` and `unattributed`."""
    keys = text("""SELECT rule_id, rule_key FROM allocation_rules
                   WHERE rule_id IN ('by_usage', 'unattributed')""")
    found = dict(connection.execute(keys).tuples().all())
    return found[BY_USAGE], found[UNATTRIBUTED]


class Change(NamedTuple):
    """A rule as it is kept now; `entry` and `days` (half-open) are None where it was so already."""

    kept: KeptRule
    entry: audit.Entry | None = None
    days: tuple[date, date] | None = None


def put(connection: Connection, rule: Rule, actor: str) -> tuple[KeptRule, bool]:
    """Make `rule` the current version of its id; the answer says whether that changed anything.

    An edit keeps its predecessor's dates unless it brings its own. The days it may decide are
    marked dirty in the same transaction. Raises Invalid for receivers of unknown kind.
    """
    change = write(connection, rule, actor)
    settle(connection, [change])
    return change.kept, change.entry is not None


def settle(connection: Connection, changes: Iterable[Change], *told: audit.Entry) -> None:
    """Mark the days that changed rules may decide and tell of the changes, after those `told` before.

    Once for all of them, because days are locked by date and the audit head last.
    Raises Invalid where the rules together pass cost in a circle.
    """
    made = [change for change in changes if change.entry is not None]
    if any(change.kept.rule.stage > 1 for change in made):
        _refuse_circles(kept_rules(connection))
    spans = [change.days for change in made if change.days is not None]
    if spans:
        mark_days(connection, *_whole_months(min(s for s, _ in spans), max(e for _, e in spans)))
    audit.append(connection, *told, *(change.entry for change in made if change.entry is not None))


def write(connection: Connection, rule: Rule, actor: str) -> Change:
    """As `put`, but what else must happen in the transaction (`settle`) is left to the caller."""
    _lock(connection)
    versions = _versions(connection, rule.rule_id)
    held = versions[-1] if versions else None
    if held and not held.rule.is_closing:
        if rule.valid_from == date.min and rule.valid_to == date.max:
            rule = replace(rule, valid_from=held.rule.valid_from, valid_to=held.rule.valid_to)
        if _content(held.rule) == _content(rule):
            return Change(held)
    made = _insert(connection, replace(rule, version=len(versions) + 1), actor)
    _register(connection, made, actor)
    action = "rule.changed" if held and not held.rule.is_closing else "rule.created"
    before = _as_json(held.rule) if held else None
    entry = audit.Entry(actor, action, "rule", rule.rule_id, before, _as_json(made.rule))
    return Change(made, entry, _span(made.rule, held))


def _content(rule: Rule) -> Rule:
    """What makes two versions the same rule; the ledger does not keep the order of percentages."""
    percentages = tuple(sorted(rule.split_percentages))
    return replace(rule, key=None, version=1, split_percentages=percentages)


def locked(connection: Connection, rule_id: str) -> KeptRule:
    """The rule's newest version, which nobody else changes until commit. Raises NotFound."""
    _lock(connection)
    for kept in current_rules(connection):
        if kept.rule.rule_id == rule_id:
            return kept
    raise NotFound("rule_not_found", f"there is no rule {rule_id!r}; `chargeback rules` lists them")


def close(connection: Connection, rule_id: str, actor: str, reason: str | None = None) -> None:
    """Delete a rule: a closing version silences it; what is invoiced keeps its version.

    Raises NotFound for a rule that is not there.
    """
    _lock(connection)
    versions = _versions(connection, rule_id)
    if not versions or versions[-1].rule.is_closing:
        raise NotFound(
            "rule_not_found", f"there is no rule {rule_id!r}; `chargeback rules` lists them"
        )
    held = versions[-1]
    closing = replace(held.rule, version=len(versions) + 1, is_closing=True)
    _insert(connection, replace(closing, valid_from=date.min, valid_to=date.max), actor)
    mark_days(connection, date.min, date.max)
    audit.append(
        connection,
        audit.Entry(actor, "rule.deleted", "rule", rule_id, _as_json(held.rule), None, reason),
    )


def _lock(connection: Connection) -> None:
    """Rules are edited one at a time, so that versions are numbered without gaps."""
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('rulebook', 0))"))


def _insert(connection: Connection, rule: Rule, actor: str) -> KeptRule:
    receivers: tuple[Receiver, ...] = ()
    if not rule.is_closing:
        _check_driver(connection, rule)
    if rule.rule_type in SPLITS:
        teams, users = registered(connection, "teams"), registered(connection, "users")
        receivers = rules.receivers(rule, teams, users)
    columns = _as_json(rule)
    columns["receivers"] = json.dumps([[r.team_id, r.user_id, str(r.weight)] for r in receivers])
    for name in ("split_percentages", "metadata"):
        columns[name] = json.dumps(columns[name])
    columns["driver"] = None if rule.driver is None else json.dumps(columns["driver"])
    columns["created_by"] = actor
    names = ", ".join(columns)
    values = ", ".join(f":{name}" for name in columns)
    key: int = connection.execute(
        text(f"INSERT INTO allocation_rules ({names}) VALUES ({values}) RETURNING rule_key"),  # noqa: S608
        columns,
    ).scalar_one()
    return KeptRule(replace(rule, key=key), receivers)


def _register(connection: Connection, made: KeptRule, actor: str) -> None:
    """Whoever a rule names appears."""
    rule, reason = made.rule, f"named by rule {made.rule.rule_id}"
    teams = [rule.team_id, *(r.team_id for r in made.receivers)]
    users = [*rule.criteria.user_ids, *(r.user_id for r in made.receivers)]
    appear(connection, "team", teams, actor, reason)
    appear(connection, "user", users, actor, reason)


def _check_driver(connection: Connection, rule: Rule) -> None:
    """Raises Invalid for a driver's source that is not there, or does not give weights."""
    if rule.driver is None or rule.driver.source is None:
        return
    name = rule.driver.source
    role = connection.execute(
        text("SELECT role FROM usage_sources WHERE name = :name"), {"name": name}
    ).scalar()
    if role != SourceRole.WEIGHTS:
        known = "there is no such source" if role is None else f"its role is {role}"
        raise Invalid(
            "driver_source_unknown",
            f"Rule {rule.rule_id!r}: source {name!r} gives no weights, because {known}; "
            f"add it first with `chargeback sources add {name} --role weights`",
        )


def _refuse_circles(kept: Sequence[KeptRule]) -> None:
    """Raises Invalid where, on any day, the rules in force pass cost in a circle."""
    later = [one for one in kept if one.rule.stage > 1]
    by_key = {one.key: one for one in later}
    turns = {day for one in kept for day in (one.rule.valid_from, one.rule.valid_to)} - {date.max}
    for day in sorted(turns) if later else ():
        in_force = rules.in_force([one.rule for one in kept], day)
        chains.refuse_circle(
            chains.Pass(rule, receiver.team_id)
            for rule in in_force
            if rule.key in by_key
            for receiver in by_key[rule.key].receivers
            if receiver.team_id is not None and receiver.weight
        )


def _as_json(rule: Rule) -> dict[str, Any]:
    """The rule's columns as JSON values; percentages as text, so that no digit is lost."""
    return {
        **{name: getattr(rule, name) for name in (*_PLAIN, "rule_type")},
        **{name: list(getattr(rule, name)) for name in _LISTS},
        "split_percentages": {entity: str(share) for entity, share in rule.split_percentages},
        "metadata": dict(rule.metadata),
        "driver": None if rule.driver is None else _named(rule.driver),
    }


def _named(driver: Driver) -> dict[str, str]:
    """The driver's fields that say something."""
    return {name: value for name, value in driver._asdict().items() if value is not None}


def _whole_months(start: date, end: date) -> tuple[date, date]:
    """The months of `start <= day < end`: what a rule takes on one of their days may weigh on all the others."""
    is_last_month = (end.year, end.month) == (date.max.year, date.max.month)
    if end.day > 1:
        end = (
            date.max if is_last_month else (end.replace(day=1) + timedelta(days=31)).replace(day=1)
        )
    return start.replace(day=1), end


def _span(rule: Rule, held: KeptRule | None) -> tuple[date, date]:
    """The days an edit can decide: those of the new version and of the one it follows."""
    if held is None:
        return rule.valid_from, rule.valid_to
    return min(rule.valid_from, held.rule.valid_from), max(rule.valid_to, held.rule.valid_to)


def mark_days(connection: Connection, start: date, end: date) -> None:
    """Mark every day in `start <= day < end` that has usage as dirty."""
    connection.execute(
        text("""UPDATE allocation_days SET is_dirty = true WHERE usage_date IN (
                    SELECT usage_date FROM allocation_days
                    WHERE usage_date >= :start AND usage_date < :end
                    ORDER BY usage_date FOR UPDATE)"""),
        {"start": start, "end": end},
    )
