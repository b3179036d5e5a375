"""Builds usage from the facts of a row, whatever source they come from, or says what is wrong with them.

Owns the checks in their order. A source gives the facts under the names that `Usage` has, and says
what it calls them itself, so that messages speak its language.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from chargeback.days import FIRST_YEAR, LAST_YEAR, parse_instant
from chargeback.errors import Invalid
from chargeback.sources.contract import Refusal, Usage
from chargeback.sources.row_checks import (
    checked_cost,
    checked_id,
    checked_name,
    checked_quantity,
    no_object,
    shown,
    shown_id,
    storable,
)

NAMES = (
    "team_id",
    "user_id",
    "agent_id",
    "account_id",
    "owner_tag",
    "resource_type",
    "sku",
    "unit",
)
FACTS = ("external_id", "usage_at", *NAMES, "quantity", "cost", "currency")
_MOST_NAMES = 100_000
_FIRST = datetime(FIRST_YEAR, 1, 1, tzinfo=UTC)
_AFTER_LAST = datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC)


class UsageFacts:
    """Reads the rows of one delivery.

    `called` is what the source calls each fact; a fact it does not name goes by its own name. `currency` is
    the source's: a row's is kept where it is another. A refused row keeps its facts under their own names.
    """

    def __init__(
        self, called: Mapping[str, str], currency: str, *, may_be_negative: bool = False
    ) -> None:
        self._called = {fact: called.get(fact, fact) for fact in (*FACTS, "tokens")}
        self._currency = currency
        self._may_be_negative = may_be_negative
        # Names that passed the checks together: few, and repeated row after row.
        self._known: dict[tuple[Any, ...], tuple[Any, ...]] = {}

    def usage(self, position: int, facts: Any) -> Usage | Refusal:
        """The usage that the facts state, or the first thing that is wrong with them."""
        if not isinstance(facts, Mapping):
            return no_object(position, facts)
        try:
            return self._usage(position, facts)
        except Invalid as fault:
            return self._refusal(position, facts, fault)

    def _usage(self, position: int, facts: Mapping[str, Any]) -> Usage:
        get, called = facts.get, self._called
        external_id = checked_id(get("external_id"), called["external_id"], "external_id")
        cost = checked_cost(get("cost"), called["cost"])
        usage_at = self._usage_at(get("usage_at"))
        quantity = checked_quantity(
            get("quantity"), called["quantity"], may_be_negative=self._may_be_negative
        )
        team, user, agent, account, tag, kind, sku, unit = self._names(
            tuple([get(fact) for fact in NAMES])
        )
        currency, tokens = self._other_currency(get("currency")), get("tokens")
        return Usage(
            position, external_id, usage_at, team, user, agent, account, tag, kind, sku, unit, quantity, cost,
            currency=currency, tokens=self._tokens(tokens) if tokens else (),
        )  # fmt: skip

    def _names(self, given: tuple[Any, ...]) -> tuple[Any, ...]:
        """The names as they are kept, the resource type and the unit among them."""
        try:
            return self._known[given]
        except (KeyError, TypeError):
            return self._checked_names(given)

    def _checked_names(self, given: tuple[Any, ...]) -> tuple[Any, ...]:
        called = self._called
        names = tuple(
            checked_name(name, called[fact], fact) for fact, name in zip(NAMES, given, strict=True)
        )
        for fact in ("resource_type", "unit"):
            if names[NAMES.index(fact)] is None:
                raise Invalid(f"{fact}_missing", f"{called[fact]} is missing; name what was used.")
        if len(self._known) < _MOST_NAMES:
            self._known[given] = names
        return names

    def _usage_at(self, given: Any) -> datetime:
        called = self._called["usage_at"]
        if given is None or given == "":
            raise Invalid("usage_at_missing", f"{called} is missing; give the time of the usage.")
        if isinstance(given, datetime):
            if _FIRST <= given < _AFTER_LAST:
                return given
            raise Invalid(
                "usage_at_invalid", f"{called} is outside the years {FIRST_YEAR} to {LAST_YEAR}."
            )
        if not isinstance(given, str):
            raise Invalid("usage_at_invalid", f"{called} is no text; write it like ISO 8601.")
        try:
            return parse_instant(given)
        except Invalid as fault:
            raise Invalid("usage_at_invalid", f"{called}: {fault}") from None

    def _other_currency(self, given: Any) -> str | None:
        """The row's currency where it is not the source's."""
        if given is None or given == "" or given == self._currency:
            return None
        code = str(given).upper()
        if len(code) != 3 or not (code.isascii() and code.isalpha()):
            called = self._called["currency"]
            raise Invalid("currency_invalid", f"{called} is no currency; write a code like USD.")
        return None if code == self._currency else code

    def _tokens(self, given: Any) -> tuple[tuple[str, Decimal], ...]:
        called = self._called["tokens"]
        if not isinstance(given, Mapping):
            raise Invalid("tokens_invalid", f"{called}: write the number of each kind of token.")
        counted = ((kind, checked_quantity(number, called)) for kind, number in given.items())
        return tuple((kind, number) for kind, number in counted if number)

    def _refusal(self, position: int, facts: Mapping[str, Any], fault: Invalid) -> Refusal:
        usage_at = raw_cost = currency = None
        with suppress(Invalid):
            usage_at = self._usage_at(facts.get("usage_at"))
        with suppress(Invalid):
            raw_cost = checked_cost(facts.get("cost"), "cost")
        with suppress(Invalid):
            currency = self._other_currency(facts.get("currency"))
        row = {fact: shown(facts[fact]) for fact in FACTS if fact in facts}
        if isinstance(tokens := facts.get("tokens"), Mapping):
            row["tokens"] = {str(kind): shown(count) for kind, count in tokens.items()}
        reason, external_id = storable(fault.message), shown_id(facts.get("external_id"))
        return Refusal(position, external_id, usage_at, fault.code, reason, row, raw_cost, currency)


class FactsSource:
    """What sources that are read through `UsageFacts` have in common: their refused rows can be read again."""

    _facts: UsageFacts

    def read_row(self, position: int, row: Mapping[str, Any]) -> Usage | Refusal:
        """What a refused row means once it was mended."""
        return self._facts.usage(position, row)
