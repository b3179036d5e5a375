"""The allocation rules as they are kept: versions, never edited.

Owns reading and writing rules. Which rule takes a cost is `chargeback.rules`, booking it `allocation`.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from chargeback import rules
from chargeback.errors import NotFound
from chargeback.ledger import audit
from chargeback.rule import SPLITS, Rule
from chargeback.rules import Receiver
from models.enums import RuleType

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
          "team_id", "entity_type", "valid_from", "valid_to")  # fmt: skip
_LISTS = ("user_ids", "match_user_ids", "agent_ids", "account_ids", "resource_types", "entity_ids")


def kept_rules(connection: Connection) -> list[KeptRule]:
    """Every version of every rule but the built-in ones, oldest first."""
    rows = connection.execute(
        text("""SELECT * FROM allocation_rules WHERE rule_id NOT IN ('by_usage', 'unattributed')
                ORDER BY rule_key""")
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
    """
    made = [change for change in changes if change.entry is not None]
    spans = [change.days for change in made if change.days is not None]
    if spans:
        mark_days(connection, min(start for start, _ in spans), max(end for _, end in spans))
    audit.append(connection, *told, *(change.entry for change in made if change.entry is not None))


def write(connection: Connection, rule: Rule, actor: str) -> Change:
    """As `put`, but what else must happen in the transaction (`settle`) is left to the caller."""
    _lock(connection)
    versions = [k for k in kept_rules(connection) if k.rule.rule_id == rule.rule_id]
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
    versions = [k for k in kept_rules(connection) if k.rule.rule_id == rule_id]
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
    if rule.rule_type in SPLITS:
        teams, users = registered(connection, "teams"), registered(connection, "users")
        receivers = rules.receivers(rule, teams, users)
    columns = _as_json(rule)
    columns["receivers"] = json.dumps([[r.team_id, r.user_id, str(r.weight)] for r in receivers])
    for name in ("split_percentages", "metadata"):
        columns[name] = json.dumps(columns[name])
    columns["created_by"] = actor
    names = ", ".join(columns)
    values = ", ".join(f":{name}" for name in columns)
    key: int = connection.execute(
        text(f"INSERT INTO allocation_rules ({names}) VALUES ({values}) RETURNING rule_key"),  # noqa: S608
        columns,
    ).scalar_one()
    return KeptRule(replace(rule, key=key), receivers)


def registered(connection: Connection, payers: str) -> frozenset[str]:
    """The ids of all `teams` or all `users`."""
    column = {"teams": "team_id", "users": "user_id"}[payers]
    return frozenset(connection.execute(text(f"SELECT {column} FROM {payers}")).scalars())  # noqa: S608


_APPEARS = {
    "team": text("INSERT INTO teams (team_id, name) VALUES (:id, :id) ON CONFLICT DO NOTHING"),
    "user": text("INSERT INTO users (user_id, name) VALUES (:id, :id) ON CONFLICT DO NOTHING"),
}


def appear(
    connection: Connection, kind: str, ids: Iterable[str | None], actor: str, reason: str
) -> None:
    """A team or user never seen before is there from now on; in order, so that nobody waits in a circle."""
    for payer_id in sorted({payer_id for payer_id in ids if payer_id is not None}):
        if connection.execute(_APPEARS[kind], {"id": payer_id}).rowcount:
            entry = audit.Entry(actor, f"{kind}.added", kind, payer_id, None, {}, reason)
            audit.later(connection, entry)


def _register(connection: Connection, made: KeptRule, actor: str) -> None:
    """Whoever a rule names appears."""
    rule, reason = made.rule, f"named by rule {made.rule.rule_id}"
    teams = [rule.team_id, *(r.team_id for r in made.receivers)]
    users = [*rule.criteria.user_ids, *(r.user_id for r in made.receivers)]
    appear(connection, "team", teams, actor, reason)
    appear(connection, "user", users, actor, reason)


def _as_json(rule: Rule) -> dict[str, Any]:
    """The rule's columns as JSON values; percentages as text, so that no digit is lost."""
    return {
        **{name: getattr(rule, name) for name in (*_PLAIN, "rule_type")},
        **{name: list(getattr(rule, name)) for name in _LISTS},
        "split_percentages": {entity: str(share) for entity, share in rule.split_percentages},
        "metadata": dict(rule.metadata),
    }


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
