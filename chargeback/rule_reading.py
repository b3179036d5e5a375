"""Reading an allocation rule: from a request body or a YAML entry to a `Rule`, or a refusal.

Owns what a single field can be refused for: one sentence each, naming the rule, the reason and
what to write instead. What fields need of each other is `rule_checks`.
"""

import json
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, Final, NoReturn, cast

from chargeback import money, periods
from chargeback.driver_reading import read_driver
from chargeback.errors import Invalid
from chargeback.quoting import quoted
from chargeback.rule import ALWAYS_FROM, ALWAYS_TO, EntityType, Rule
from chargeback.rule_checks import HUNDRED, check, refuse
from chargeback.storable import is_storable, texts_in
from models.enums import RuleType

BUILT_IN: Final = frozenset({"by_usage", "unattributed"})
MOST_RECEIVERS = 1_000
MOST_CRITERIA = 10_000
LONGEST_ID = 255
LARGEST_PRIORITY = 1_000_000
LAST_STAGE = 9
_TYPES: Final = tuple(kind for kind in RuleType if kind is not RuleType.UNATTRIBUTED)
_FIELDS: Final = (
    "rule_id", "name", "description", "rule_type", "enabled", "team_id", "user_ids", "entity_ids",
    "split_percentages", "driver", "stage", "priority", "valid_from", "valid_to", "match", "allocation_metadata",
)  # fmt: skip
_MATCH_FIELDS: Final = ("user_ids", "agent_ids", "account_ids", "resource_types")


def parse(spec: Mapping[str, Any]) -> Rule:
    """The rule that `spec` describes, as version 1 and not yet stored. Raises Invalid.

    Percentages come as text, int or Decimal; a reader of JSON or YAML must not make them floats.
    """
    reader = _Reader(spec)
    rule_type = reader.rule_type()
    rule = Rule(
        rule_id=reader.rule_id,
        rule_type=rule_type,
        name=reader.text("name", spec.get("name")) or reader.rule_id,
        description=reader.text("description", spec.get("description")),
        enabled=reader.flag("enabled", default=True),
        priority=reader.whole("priority", 100, 0, LARGEST_PRIORITY),
        stage=reader.whole("stage", 1, 1, LAST_STAGE),
        driver=read_driver(reader.rule_id, rule_type, spec.get("driver")),
        team_id=reader.optional_id("team_id"),
        user_ids=reader.ids("user_ids", MOST_RECEIVERS),
        match_user_ids=reader.match_ids("user_ids"),
        agent_ids=reader.match_ids("agent_ids"),
        account_ids=reader.match_ids("account_ids"),
        resource_types=reader.match_ids("resource_types"),
        entity_ids=reader.ids("entity_ids", MOST_RECEIVERS),
        entity_type=reader.entity_type(),
        split_percentages=reader.percentages(),
        valid_from=reader.day("valid_from", ALWAYS_FROM),
        valid_to=reader.day("valid_to", ALWAYS_TO),
        metadata=reader.metadata(),
    )
    check(rule)
    return rule


def id_of(value: object, what: str) -> str:
    """`value` as an id of 1 to 255 characters. Raises Invalid (`id_invalid`), calling it `what`."""
    if not isinstance(value, str):
        raise Invalid("id_invalid", f"{what} is {quoted(value)}; write it as text, in quotes.")
    if not value.strip():
        raise Invalid("id_invalid", f"{what} is blank; give an id or leave it out.")
    if value != value.strip():
        raise Invalid("id_invalid", f"{what} {quoted(value)} has spaces around it; remove them.")
    if len(value) > LONGEST_ID:
        raise Invalid(
            "id_invalid", f"{what} has {len(value)} characters; give {LONGEST_ID} at most."
        )
    if not is_storable(value):
        raise Invalid(
            "id_invalid", f"{what} {quoted(value)} holds a NUL or half a character; remove it."
        )
    return value


class _Reader:
    """The fields of one spec, each read and refused under the rule's id."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        if not isinstance(spec, Mapping):
            raise Invalid("rule_invalid", f"{quoted(spec)} is no rule; write an object of fields.")
        if spec.get("rule_id") is None:
            raise Invalid("rule_id_missing", "A rule has no rule_id; give it one.")
        self.rule_id = id_of(spec["rule_id"], "rule_id")
        self.spec = spec
        if self.rule_id in BUILT_IN:
            self.refuse("rule_id_built_in", f"{self.rule_id} is built in", "choose another rule_id")
        self.known_fields(spec, _FIELDS, "")
        self.match = self.mapping("match")
        self.known_fields(self.match, _MATCH_FIELDS, "match.")

    def refuse(self, code: str, reason: str, remedy: str) -> NoReturn:
        refuse(self.rule_id, code, reason, remedy)

    def known_fields(self, given: Mapping[str, Any], known: tuple[str, ...], place: str) -> None:
        for name in given:
            if name in known:
                continue
            close = get_close_matches(str(name), known, n=1)
            if not place and name in _MATCH_FIELDS:
                remedy = f"write it as match.{name}"
            elif close:
                remedy = f"did you mean {place}{close[0]}"
            else:
                remedy = f"the fields are {', '.join(known)}"
            self.refuse("field_unknown", f"there is no field {quoted(f'{place}{name}')}", remedy)

    def mapping(self, name: str) -> Mapping[str, Any]:
        value = self.spec.get(name)
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            self.refuse("field_invalid", f"{name} is {quoted(value)}", "write an object of fields")
        return value

    def rule_type(self) -> RuleType:
        value = self.spec.get("rule_type")
        if value not in _TYPES:
            self.refuse(
                "rule_type_unknown",
                f"{quoted(value)} is no rule_type",
                f"write one of {', '.join(_TYPES)}",
            )
        return RuleType(value)

    def text(self, name: str, value: object) -> str:
        if value is None:
            return ""
        if not isinstance(value, str) or not is_storable(value):
            self.refuse("field_invalid", f"{name} is {quoted(value)}", "write it as plain text")
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        value = self.spec.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.refuse("field_invalid", f"{name} is {quoted(value)}", "write true or false")
        return value

    def whole(self, name: str, default: int, first: int, last: int) -> int:
        value = self.spec.get(name)
        if value is None:
            return default
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        if not is_whole or not first <= value <= last:
            self.refuse(
                "field_invalid",
                f"{name} is {quoted(value)}",
                f"write a whole number from {first} (first) to {last}",
            )
        return cast(int, value)

    def optional_id(self, name: str) -> str | None:
        value = self.spec.get(name)
        return None if value is None else self.an_id(value, name)

    def an_id(self, value: object, what: str) -> str:
        return id_of(value, f"Rule {quoted(self.rule_id)}: {what}")

    def ids(self, name: str, most: int, value: object = None) -> tuple[str, ...]:
        given = self.spec.get(name) if value is None else value
        if given is None:
            return ()
        if not isinstance(given, list | tuple):
            self.refuse("field_invalid", f"{name} is {quoted(given)}", "write a list of ids")
        self.at_most(name, len(given), most)
        seen: set[str] = set()
        for one in given:
            if self.an_id(one, f"an id in {name}") in seen:
                self.refuse("ids_repeated", f"{quoted(one)} is in {name} twice", "list it once")
            seen.add(one)
        return tuple(given)

    def match_ids(self, name: str) -> tuple[str, ...]:
        if self.match.get(name) is None:
            return ()
        return self.ids(f"match.{name}", MOST_CRITERIA, self.match[name])

    def at_most(self, name: str, count: int, most: int) -> None:
        if count > most:
            self.refuse("too_many_ids", f"{name} lists {count:,}", f"list {most:,} at most")

    def metadata(self) -> dict[str, Any]:
        """As JSON keeps it: a number with a point or a date is its text."""
        given = dict(self.mapping("allocation_metadata"))
        try:
            kept: dict[str, Any] = json.loads(json.dumps(given, default=str, allow_nan=False))
        except (TypeError, ValueError):
            kept = {}
        if (given and not kept) or not all(map(is_storable, texts_in(kept))):
            self.refuse(
                "field_invalid",
                f"allocation_metadata is {quoted(given)}",
                "write texts, numbers and lists under text keys",
            )
        return kept

    def entity_type(self) -> EntityType | None:
        value = self.mapping("allocation_metadata").get("entity_type")
        if value not in ("team", "user", None):
            self.refuse(
                "entity_type_unknown",
                f"allocation_metadata.entity_type is {quoted(value)}",
                "write team or user",
            )
        return cast(EntityType | None, value)

    def day(self, name: str, default: date) -> date:
        value = self.spec.get(name)
        if value is None:
            return default
        if isinstance(value, date) and not isinstance(value, datetime):
            return value
        try:
            return periods.parse_day(str(value))
        except Invalid as error:
            raise Invalid(error.code, f"Rule {quoted(self.rule_id)}: {name} {error}") from None

    def percentages(self) -> tuple[tuple[str, Decimal], ...]:
        given = self.mapping("split_percentages")
        self.at_most("split_percentages", len(given), MOST_RECEIVERS)
        return tuple(
            (self.an_id(entity, "an id in split_percentages"), self.percentage(entity, share))
            for entity, share in given.items()
        )

    def percentage(self, entity: str, share: object) -> Decimal:
        try:
            number = money.decimal_of(share)
            money.units(number)
        except Invalid as error:
            message = f"Rule {quoted(self.rule_id)}: the percentage of {quoted(entity)}: {error}"
            raise Invalid("percentage_invalid", message) from None
        if not 0 <= number <= HUNDRED:
            self.refuse(
                "percentage_invalid",
                f"the percentage of {quoted(entity)} is {number}",
                "write one from 0 to 100",
            )
        return number
