"""How a refused row is mended: small declarative changes of its fields.

Owns what a fix does to a row. Which rows it is for, and that they are booked then, is the ledger's.
"""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from models.enums import FixOperation


@dataclass(frozen=True)
class Fix:
    """What is changed in the refused rows of one code.

    `set` writes `new_text` into `field`; `replace` puts it wherever `old_text` stands in it. With
    `where_field` only in rows where that is `where_value`. Fields inside others are reached by points.
    """

    code: str
    field: str
    operation: FixOperation
    new_text: str
    old_text: str | None = None
    where_field: str | None = None
    where_value: str | None = None

    def __str__(self) -> str:
        """The fix in words, as lists show it."""
        done = (
            f"set {self.field} to {self.new_text!r}"
            if self.operation is FixOperation.SET
            else f"in {self.field} replace {self.old_text!r} by {self.new_text!r}"
        )
        return (
            f"{done} where {self.where_field} is {self.where_value!r}" if self.where_field else done
        )


def mended(row: Mapping[str, Any], fixes: Iterable[Fix]) -> dict[str, Any] | None:
    """The row with the fixes made, in their order; None where none of them changes anything.

    >>> mended({"cost": "0,5"}, [Fix("cost_invalid", "cost", FixOperation.REPLACE, ".", ",")])
    {'cost': '0.5'}
    """
    found = deepcopy(dict(row))
    for fix in fixes:
        if fix.where_field and str(_read(found, fix.where_field)) != fix.where_value:
            continue
        if fix.operation is FixOperation.SET:
            _write(found, fix.field, fix.new_text)
        elif isinstance(held := _read(found, fix.field), str) and fix.old_text:
            _write(found, fix.field, held.replace(fix.old_text, fix.new_text))
    return None if found == row else found


def _read(row: Mapping[str, Any], field: str) -> Any:
    # A name with points in it may also be the name of a column.
    if field in row:
        return row[field]
    value: Any = row
    for part in field.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _write(row: dict[str, Any], field: str, value: str) -> None:
    *path, last = [field] if field in row else field.split(".")
    for part in path:
        inner = row.get(part)
        row[part] = row = inner if isinstance(inner, dict) else {}
    row[last] = value
