"""The files that bring prices of tokens and rates of currencies in: YAML or CSV, read into plain values.

Owns their shape and their checks, not the ledger.
"""

import csv
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from io import StringIO
from itertools import pairwise
from typing import Annotated, Any, Self, TypeVar

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from chargeback import money
from chargeback.errors import Invalid
from chargeback.payers_file import Text, TextLoader
from chargeback.periods import Period
from chargeback.rate_card import Rate

PER_TOKENS = (1, 1_000, 1_000_000)


def _number(value: Any) -> Decimal:
    try:
        return money.decimal_of(value)
    except (Invalid, TypeError) as error:
        raise ValueError(str(error)) from None


def _month(value: Any) -> date:
    try:
        return Period.month(str(value)).start
    except Invalid as error:
        raise ValueError(error.message) from None


def _currency(value: Any) -> str:
    try:
        money.minor_digits(str(value))
    except Invalid as error:
        raise ValueError(error.message) from None
    return str(value)


def _per_tokens(value: Any) -> int:
    if str(value) not in map(str, PER_TOKENS):
        raise ValueError(f"{value} is none of {', '.join(map(str, PER_TOKENS))}")
    return int(value)


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RateRow(_Row):
    """What `per_tokens` tokens of one kind of a model cost, from one day up to another; without dates always."""

    model: Text = Field(min_length=1, max_length=255)
    token_kind: Text = Field(min_length=1, max_length=64)
    price: Annotated[Decimal, BeforeValidator(_number)] = Field(ge=0)
    per_tokens: Annotated[int, BeforeValidator(_per_tokens)]
    valid_from: date = Field(date.min, alias="from")
    valid_to: date = Field(date.max, alias="to")

    @model_validator(mode="after")
    def _begins_before_it_ends(self) -> Self:
        if self.valid_from >= self.valid_to:
            raise ValueError(f"from {self.valid_from} is not before to {self.valid_to}")
        return self

    @property
    def rate(self) -> Rate:
        """The same as a rate of the card."""
        return Rate(
            self.model, self.token_kind, self.price, self.per_tokens, self.valid_from, self.valid_to
        )


class ExchangeRow(_Row):
    """What one unit of a currency is in the ledger's, in a calendar month."""

    month: Annotated[date, BeforeValidator(_month)]
    currency: Annotated[str, BeforeValidator(_currency)]
    rate: Annotated[Decimal, BeforeValidator(_number)] = Field(gt=0)


R = TypeVar("R", bound=_Row)


def read_rates(content: str, name: str) -> list[RateRow]:
    """The prices in a YAML file (a list under `rates`) or a CSV with the same names.

    Raises Invalid naming the file, the row and what is wrong, two prices for one day included.
    """
    found = _rows(content, name, "rates", RateRow)
    ordered = sorted(found, key=lambda row: (row.model, row.token_kind, row.valid_from))
    for one, other in pairwise(ordered):
        if (one.model, one.token_kind) == (other.model, other.token_kind) and (
            other.valid_from < one.valid_to
        ):
            raise _invalid(
                name,
                f"{one.model} has two rates for {one.token_kind} tokens on {other.valid_from}; "
                "end the first with `to` before the second begins",
            )
    return ordered


def read_exchange_rates(content: str, name: str) -> list[ExchangeRow]:
    """The rates in a YAML file (a list under `exchange_rates`) or a CSV with the same names.

    Raises Invalid naming the file, the row and what is wrong, two rates for one month included.
    """
    found = _rows(content, name, "exchange_rates", ExchangeRow)
    ordered = sorted(found, key=lambda row: (row.month, row.currency))
    for one, other in pairwise(ordered):
        if (one.month, one.currency) == (other.month, other.currency):
            raise _invalid(
                name, f"{one.currency} has two rates for {one.month:%Y-%m}; keep one of them"
            )
    return ordered


def _rows(content: str, name: str, key: str, shape: type[R]) -> list[R]:
    rows = _of_csv(content, name) if name.lower().endswith(".csv") else _of_yaml(content, name, key)
    found = []
    for place, row in enumerate(rows, 1):
        try:
            found.append(shape.model_validate(row))
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            field = ".".join(str(part) for part in fault["loc"]) or "the row"
            reason = fault["msg"].removeprefix("Value error, ")
            raise _invalid(name, f"row {place}, {field}: {reason}") from None
    if not found:
        raise _invalid(name, "it has no rows; write at least one")
    return found


def _of_csv(content: str, name: str) -> list[dict[str, str]]:
    reader = csv.DictReader(StringIO(content.removeprefix("\N{BYTE ORDER MARK}")), strict=True)
    try:
        rows = list(reader)
    except csv.Error as error:
        raise _invalid(name, f"it is no CSV that can be read ({error})") from None
    # A cell without a column is under None; an empty one says nothing.
    return [
        {str(key): str(value) for key, value in row.items() if value not in (None, "")}
        for row in rows
    ]


def _of_yaml(content: str, name: str, key: str) -> Sequence[Mapping[str, Any]]:
    try:
        document = yaml.load(content, Loader=TextLoader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ValueError) as error:
        said = " ".join(str(error).split())
        raise _invalid(name, f"it is no YAML that can be read: {said}") from None
    rows = document.get(key) if isinstance(document, dict) and len(document) == 1 else None
    if not isinstance(rows, list):
        raise _invalid(name, f"it has no list under `{key}` and nothing else beside it")
    return rows


def _invalid(name: str, fault: str) -> Invalid:
    return Invalid("rate_file_invalid", f"{name}: {fault}; nothing was changed")
