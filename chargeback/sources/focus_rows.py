"""What one row of a FOCUS export means: usage of a scope, or the first reason why it is none.

Owns the columns (FOCUS 1.0 to 1.4) and how they become usage. A cell's meaning is worked out once per
text, since times, accounts, services and tags repeat from row to row. Knows no file.
"""

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from decimal import Decimal
from functools import partial
from operator import itemgetter
from typing import Any, NamedTuple

from chargeback.errors import Invalid
from chargeback.money import decimal_of, enter, fits
from chargeback.remembered import Remembered
from chargeback.sources.contract import Refusal, Scope, Scoped, Usage
from chargeback.sources.focus_config import FocusConfig
from chargeback.sources.focus_tags import tags_of, value_of
from chargeback.sources.focus_times import RowTimes, row_times
from chargeback.sources.row_checks import NOT_STORABLE, shown, storable

TIMES = ("BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart")
ACCOUNTS = ("BillingAccountId", "SubAccountId")
KINDS = ("ServiceCategory", "ChargeCategory", "CommitmentDiscountStatus", "SkuPriceId", "SkuId")
TAGS = ("AllocatedTags", "Tags")
RESOURCES = ("AllocatedResourceId", "ResourceId")
QUANTITIES = ("ConsumedQuantity", "ConsumedUnit", "PricingQuantity", "PricingUnit")
CURRENCY = "BillingCurrency"
OPTIONAL = (*ACCOUNTS, *KINDS, *TAGS, *RESOURCES, *QUANTITIES, CURRENCY)
# A row without a quantity is one charge.
NO_UNIT = "Charge"
UNUSED = ", unused commitment"
LONGEST_NAME, LONGEST_RESOURCE = 255, 1_024
_is_plain = re.compile(r"-?\d{1,18}(?:\.\d{1,18})?", re.ASCII).fullmatch
_US_NUMBER = re.compile(r"(-?)\$?(\d{1,3}(?:,\d{3})*(?:\.\d+)?|\d+(?:\.\d+)?)", re.ASCII)
_ZERO = Decimal(0)
_ONE = Decimal(1)
_Cells = Sequence[str | None]


class _Kind(NamedTuple):
    resource_type: str
    sku: str | None


class FocusRows:
    """Reads the rows of one table, whose header says where its columns are.

    Columns are found in any case and order; optional ones may be absent, unknown ones are not read.
    """

    def __init__(
        self, header: Sequence[str], config: FocusConfig, ledger_currency: str, name: str
    ) -> None:
        self._config = config
        self._header = list(header)
        self._nulls = frozenset({None, *config.null_words})
        self._order = place_of(header, config, name)
        self._pick_times = self._picker(*TIMES)
        self._pick_accounts = self._picker(*ACCOUNTS)
        self._pick_kind = self._picker(config.resource_type, *KINDS)
        self._pick_tags = self._picker(*TAGS)
        self._pick_resources = self._picker(*RESOURCES)
        self._pick_numbers = self._picker(config.cost_metric, *QUANTITIES, CURRENCY)
        self._times = Remembered(self._times_of)
        self._accounts = Remembered(self._accounts_of)
        self._kinds = Remembered(self._kind_of)
        self._owners = Remembered(self._owners_of)
        self._resources = Remembered(self._resource_of)
        self._costs = Remembered(self._cost)
        self._units = Remembered(self._unit)
        self._currencies = Remembered(partial(_other_currency, config, ledger_currency))
        self._scopes: dict[tuple[Any, ...], Scope] = {}

    def row(self, position: int, cells: list[str | None], fingerprint: int | None = None) -> Scoped:
        """What the row means whose `cells` stand in the header's order; `fingerprint` is its text's."""
        cells.append(None)  # where the columns that the table does not have are read
        try:
            times: RowTimes = self._times[self._pick_times(cells)]
            account_id, account = self._accounts[self._pick_accounts(cells)]
            kind: _Kind = self._kinds[self._pick_kind(cells)]
            team_id, user_id, owner_tag = self._owners[self._pick_tags(cells)]
            agent_id = self._resources[self._pick_resources(cells)]
            cost, consumed, consumed_unit, priced, pricing_unit, currency = self._pick_numbers(
                cells
            )
            quantity, unit = self._quantity(consumed, consumed_unit, priced, pricing_unit)
            foreign = self._currencies[currency]
            usage = Usage._make((
                position, "", times.usage_at, team_id, user_id, agent_id, account_id, owner_tag,
                kind.resource_type, kind.sku, unit, quantity, self._costs[cost],
                times.usage_date, times.charge_date, foreign, (), None,
            ))  # fmt: skip
        except Invalid as fault:
            return self._refused(position, cells, fault)
        # What is converted costs what its rate says, which may change while its text does not.
        return Scoped(self._scope(times, account), usage, None if foreign else fingerprint)

    def misfit(self, position: int, written: Sequence[str]) -> Scoped:
        """The refusal of a row with too few or too many cells; not even its scope can be trusted."""
        width = len(self._header)
        code = "row_short" if len(written) < width else "row_long"
        reason = f"The row has {len(written)} cells where the header has {width}; mend its commas."
        row = {"cells": [shown(str(cell)) for cell in written[:width]]}
        return Scoped(None, Refusal(position, None, None, code, reason, row, None))

    def _picker(self, *columns: str) -> Callable[[_Cells], tuple[str | None, ...]]:
        return itemgetter(*(self._order.get(column.casefold(), -1) for column in columns))

    def _times_of(self, cells: tuple[str | None, ...]) -> RowTimes:
        for column, cell in zip(TIMES, cells, strict=True):
            if cell in self._nulls:
                raise Invalid("time_missing", f"{column} is missing; give every row one.")
        start, end, charged = (str(cell) for cell in cells)
        return row_times(start, end, charged, self._config.dates)

    def _accounts_of(self, cells: tuple[str | None, ...]) -> tuple[str | None, str]:
        """The account that usage is attributed by, and the one whose period is a scope."""
        billing, sub = (
            self._name(column, cell) for column, cell in zip(ACCOUNTS, cells, strict=True)
        )
        scoped = [billing, sub] if self._config.scope == "SubAccountId" else [billing]
        return sub or billing, "/".join(name or "" for name in scoped)

    def _kind_of(self, cells: tuple[str | None, ...]) -> _Kind:
        names = (self._config.resource_type, *KINDS)
        service, category, charge, status, price, sku = (
            self._name(column, cell) for column, cell in zip(names, cells, strict=True)
        )
        resource_type = service or category or charge or "Usage"
        # What was committed to and not used is a cost of its own, for a rule to share.
        suffix = UNUSED if status and status.casefold() == "unused" else ""
        return _Kind(resource_type + suffix, price or sku)

    def _owners_of(
        self, cells: tuple[str | None, ...]
    ) -> tuple[str | None, str | None, str | None]:
        """Team, user and owner tag; tags that a split cost was allocated by come first."""
        config = self._config
        if not (config.team_tag or config.user_tag or config.owner_tag):
            return None, None, None
        given = [
            tags_of(column, cell)
            for column, cell in zip(TAGS, cells, strict=True)
            if cell is not None and cell not in self._nulls
        ]

        def tag(key: str | None) -> str | None:
            values = [value_of(tags, key) for tags in given] if key else []
            return next((self._name(f"tag {key}", value) for value in values if value), None)

        owner = tag(config.owner_tag)
        owner_tag = owner and self._name("owner_tag", f"{config.owner_tag}={owner}", 511)
        return tag(config.team_tag), tag(config.user_tag), owner_tag

    def _resource_of(self, cells: tuple[str | None, ...]) -> str | None:
        names = (
            self._name(column, cell, LONGEST_RESOURCE)
            for column, cell in zip(RESOURCES, cells, strict=True)
        )
        return next(filter(None, names), None)

    def _name(self, column: str, cell: str | None, longest: int = LONGEST_NAME) -> str | None:
        """A name as it was given, without space around it; none where nothing is."""
        name = None if cell in self._nulls else (cell or "").strip()
        if name and len(name) > longest:
            raise Invalid(
                "name_invalid", f"{column} has {len(name)} characters; give {longest} at most."
            )
        if name and NOT_STORABLE.search(name):
            raise Invalid(
                "name_invalid", f"{column} has a NUL or a broken character; export it as UTF-8."
            )
        return name or None

    def _quantity(
        self, consumed: str | None, unit: str | None, priced: str | None, pricing_unit: str | None
    ) -> tuple[Decimal, str]:
        """What was consumed, else what was priced, else one charge."""
        for column, quantity, name in (
            ("ConsumedQuantity", consumed, unit),
            ("PricingQuantity", priced, pricing_unit),
        ):
            if quantity is not None and quantity not in self._nulls:
                # What is plain has few enough digits.
                if _is_plain(quantity):
                    return Decimal(quantity) or _ZERO, self._units[name]
                number = self._number(column, quantity)
                if not fits(number):
                    raise Invalid(
                        "quantity_out_of_range",
                        f"{column} has more than 20 digits or 18 decimals; give fewer.",
                    )
                return number or _ZERO, self._units[name]
        return _ONE, NO_UNIT

    def _unit(self, cell: str | None) -> str:
        return self._name("the unit", cell) or NO_UNIT

    def _cost(self, cell: str | None) -> Decimal:
        metric = self._config.cost_metric
        if cell in self._nulls:
            raise Invalid("cost_missing", f"{metric} is missing; write 0 where nothing is charged.")
        cost = self._number(metric, str(cell))
        if cost.adjusted() > 17:
            enter(cost)
        return cost or _ZERO

    def _number(self, column: str, text: str) -> Decimal:
        if _is_plain(text):
            return Decimal(text)
        plain = text.strip()
        if self._config.numbers == "us" and (match := _US_NUMBER.fullmatch(plain)):
            plain = match[1] + match[2].replace(",", "")
        try:
            number = decimal_of(plain)
            enter(number)
        except Invalid as fault:
            raise Invalid(
                "number_invalid", f"{column}: {fault}{self._number_hint(plain)}"
            ) from None
        return number

    def _number_hint(self, text: str) -> str:
        is_us = self._config.numbers == "plain" and _US_NUMBER.fullmatch(text)
        return " If it means 1234.50, set the source's `numbers` to us." if is_us else ""

    def _scope(self, times: RowTimes, account: str) -> Scope:
        key = (times.period_start, times.period_end, account)
        return self._scopes.get(key) or self._scopes.setdefault(key, Scope(*key))

    def _refused(self, position: int, cells: _Cells, fault: Invalid) -> Scoped:
        """The row as it came, with whatever of it can be read: its scope, its instant and its cost."""
        scope = usage_at = cost = None
        with suppress(Invalid):
            times = self._times[self._pick_times(cells)]
            usage_at = times.usage_at
            scope = self._scope(times, self._accounts[self._pick_accounts(cells)][1])
        with suppress(Invalid):
            cost = self._cost(self._pick_numbers(cells)[0])
        row = {
            column: shown(str(cell))
            for column, cell in zip(self._header, cells[:-1], strict=True)
            if cell not in self._nulls
        }
        return Scoped(
            scope,
            Refusal(position, None, usage_at, fault.code, storable(fault.message), row, cost),
        )


def place_of(header: Sequence[str], config: FocusConfig, name: str) -> dict[str, int]:
    """Where each column stands, by its name in one case. Raises Invalid naming what is missing."""
    order: dict[str, int] = {}
    for place, column in enumerate(header):
        folded = column.strip().casefold()
        if folded in order:
            raise Invalid(
                "delivery_invalid",
                f"{name} names the column {column[:80]!r} twice; export it again.",
            )
        order[folded] = place
    for column in (*TIMES, config.cost_metric):
        if column.casefold() not in order:
            raise Invalid(
                "delivery_invalid",
                f"{name} has no column {column}, so it is no FOCUS export that can be charged; "
                "export it again, or set the source's `cost_metric` to a cost it has.",
            )
    return order


def _other_currency(config: FocusConfig, ledger_currency: str, cell: str | None) -> str | None:
    """What a row is in where that is not the ledger's currency."""
    code = config.currency if cell is None or cell in config.null_words else cell.strip()
    if not re.fullmatch("[A-Z]{3}", code):
        raise Invalid("currency_invalid", f"{CURRENCY} is no code like USD.")
    return None if code == ledger_currency else code
