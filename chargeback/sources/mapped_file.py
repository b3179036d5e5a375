"""Any table in a file: CSV or JSON lines, with a map from the ledger's facts to the file's columns.

Owns the map. What Helicone, Langfuse, a CUR export or a spreadsheet calls a thing is said in the
source's configuration, so that anything with a table can be billed.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from io import TextIOBase
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from chargeback import money
from chargeback.errors import Invalid
from chargeback.sources.contract import ROLES, Contract, Refusal, Role, Usage, Window, World
from chargeback.sources.csv_records import csv_rows
from chargeback.sources.delivery import as_text, is_large_file, steady_file
from chargeback.sources.json_lines import json_lines
from chargeback.sources.source_config import FileName, SourceConfig
from chargeback.sources.tracker_checks import misfit
from chargeback.sources.usage_facts import FACTS, FactsSource, UsageFacts

_NEEDED = ("external_id", "usage_at", "cost", "resource_type", "unit")


class MappedFileConfig(SourceConfig):
    """Which file, and where each fact stands in it.

    `columns` maps a fact to its column (in JSON lines a path like `usage.total`), the id to one column
    or to several that together tell rows apart. `fixed` gives what is the same in every row.
    """

    path: FileName = Field(description="File, from the project's root.")
    form: Literal["csv", "json_lines"] = Field(description="What the file is written in.")
    columns: dict[str, str | list[str]] = Field(description="Column of each fact.")
    fixed: dict[str, str] = Field({}, description="Facts that are the same in every row.")
    null_words: list[str] = Field([""], description="Cells that mean nothing is there.")
    time_format: str | None = Field(
        None, description="Form of the times like %d.%m.%Y, read as UTC; without it, ISO 8601."
    )
    cost_factor: str = Field(
        "1",
        pattern=r"^-?\d{1,12}(\.\d{1,12})?$",
        description="The cost is the column times this: 0.01 for cents.",
    )

    @field_validator("columns", "fixed")
    @classmethod
    def _are_facts(cls, given: dict[str, Any]) -> dict[str, Any]:
        if unknown := [fact for fact in given if fact not in FACTS]:
            raise ValueError(f"{unknown[0][:40]!r} is no fact; the facts are {', '.join(FACTS)}")
        if "external_id" in given and not given["external_id"]:
            raise ValueError("name the column, or the columns, that tell rows apart")
        return given

    @model_validator(mode="after")
    def _has_what_is_needed(self) -> Self:
        if twice := sorted(self.columns.keys() & self.fixed.keys()):
            raise ValueError(f"{twice[0]} is both in `columns` and in `fixed`; keep one")
        for fact in _NEEDED:
            if fact not in self.columns and (fact not in self.fixed or fact == "external_id"):
                raise ValueError(f"`columns` does not say where {fact} stands")
        for fact, column in self.columns.items():
            if fact != "external_id" and not isinstance(column, str):
                raise ValueError(f"{fact} stands in one column, not in a list")
        return self


class MappedFile(FactsSource):
    """A file as a source: one event per row."""

    kind: ClassVar[str] = "mapped_file"
    contract: ClassVar[Contract] = "events"
    roles: ClassVar[tuple[Role, ...]] = ROLES
    config_class: ClassVar[type[SourceConfig]] = MappedFileConfig

    def __init__(self, config: MappedFileConfig, world: World) -> None:
        self.config = config
        self._world = world
        self._nulls = frozenset(config.null_words)
        self._factor = money.decimal_of(config.cost_factor)
        self._ids = _listed(config.columns["external_id"])
        self._columns = {
            fact: column
            for fact, column in config.columns.items()
            if isinstance(column, str) and fact != "external_id"
        }
        called = {**self._columns, "external_id": " and ".join(self._ids)}
        self._facts = UsageFacts(called, config.currency, may_be_negative=True)

    def plan(self, _window: Window) -> Window:
        """A file costs the same whatever is asked of it, so all of it is read."""
        return Window(None, None)

    @property
    def is_large(self) -> bool:
        """A file of many rows."""
        return is_large_file(self._world.root / self.config.path)

    def read(self, _window: Window) -> Iterator[Usage | Refusal]:
        """Every row of the file; it raises where the file is cut or changes meanwhile."""
        path = self.config.path
        with steady_file(self._world.root / path, path) as file, as_text(file, path) as text:
            for position, row in self._rows(text):
                if isinstance(row, Refusal):
                    yield row
                elif isinstance(row, Mapping):
                    yield self._facts.usage(position, self._told(row))
                else:
                    yield self._facts.usage(position, row)

    def _rows(self, text: TextIOBase) -> Iterator[tuple[int, Any]]:
        if self.config.form == "json_lines":
            yield from json_lines(text, self.config.path)
            return
        columns = tuple(dict.fromkeys((*self._ids, *self._columns.values())))
        for line, cells, written in csv_rows(text, columns, self.config.path):
            if cells is None:
                yield line, misfit(line, len(columns), written)
            else:
                yield line, dict(zip(columns, cells, strict=True))

    def _told(self, row: Mapping[str, Any]) -> dict[str, Any]:
        facts: dict[str, Any] = dict(self.config.fixed)
        for fact, column in self._columns.items():
            facts[fact] = self._value(row, column)
        parts = [self._value(row, column) for column in self._ids]
        if all(part is not None for part in parts):
            facts["external_id"] = _joined(parts)
        if self._factor != 1:
            with suppress(Invalid, TypeError):
                facts["cost"] = money.EXACT.multiply(
                    money.decimal_of(facts.get("cost")), self._factor
                )
        if self.config.time_format is not None:
            facts["usage_at"] = self._instant(facts.get("usage_at"))
        return facts

    def _value(self, row: Mapping[str, Any], column: str) -> Any:
        """What stands in a column, or at the end of a path; None for a word that means so."""
        value = row.get(column)
        if value is None and "." in column and column not in row:
            value = row
            for part in column.split("."):
                value = value.get(part) if isinstance(value, Mapping) else None
        return None if isinstance(value, str) and value in self._nulls else value

    def _instant(self, written: Any) -> Any:
        """The instant in the configured form; what does not fit it stays as it is, to be refused."""
        try:
            form = self.config.time_format or ""
            instant = datetime.strptime(written, form)  # noqa: DTZ007 - naive is UTC, below
        except (TypeError, ValueError):
            return f"{written} (not like {self.config.time_format})"
        return instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)


def _listed(columns: str | list[str]) -> tuple[str, ...]:
    return (columns,) if isinstance(columns, str) else tuple(columns)


def _joined(parts: list[Any]) -> str:
    """One id of several; ("a/b", "c") and ("a", "b/c") differ."""
    if len(parts) == 1:
        return str(parts[0])
    return "/".join(str(part).replace("%", "%25").replace("/", "%2F") for part in parts)
