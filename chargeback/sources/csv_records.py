"""Reads the rows of a CSV export line by line, whatever its size, after checking its header.

Owns quoting, line ends and the order of the columns. Does not know what a cell means.
"""

import csv
from collections.abc import Callable, Iterator, Sequence
from io import TextIOBase
from typing import Any

from chargeback.errors import Invalid

LONGEST_LINE_CHARACTERS = 2**20


def csv_rows(
    text: TextIOBase, columns: Sequence[str], name: str
) -> Iterator[tuple[int, list[str] | None, list[str]]]:
    """Each row as (its first line, its cells in the order of `columns`, its cells as written).

    The second is None where the row has more or fewer cells than the header. Blank lines are no
    rows. Raises Invalid (`delivery_invalid`) naming `name` and the line when the header is not
    the contract's, or quotes are broken so that no later row can be trusted.
    """
    header, rows = csv_table(text, name)
    order = _order(header, columns, name)
    width, is_in_order = len(header), order == list(range(len(header)))
    for line, cells in rows:
        if len(cells) == width:
            yield line, cells if is_in_order else [cells[place] for place in order], cells
        else:
            yield line, None, cells


def written_rows(text: TextIOBase, name: str) -> Iterator[tuple[int, str]]:
    """Each row below the header as (its first line, its text), unread; a quote may hold several lines together."""
    number = 1
    lines = _lines(text, name)
    for line in lines:
        first, row = number, line
        while row.count('"') % 2:
            more = next(lines, None)
            if more is None or len(row) > LONGEST_LINE_CHARACTERS:
                raise Invalid(
                    "delivery_invalid",
                    f"{name} has a broken quote in the row at line {first}; export it again.",
                )
            row += more
            number += 1
        number += 1
        if not row.isspace():
            yield first, row


def cell_reader(name: str) -> Callable[[str, int], list[Any]]:
    """Gives the cells of a row's text and its line; that raises Invalid where the row's quotes are broken."""
    given: list[str] = []
    # One reader for all rows, for making one takes as long as reading a row. It takes what lies ready.
    reader = csv.reader(iter(given.pop, None), strict=True)

    def cells_of(row: str, line: int) -> list[Any]:
        given.append(row)
        try:
            return next(reader)
        except (csv.Error, IndexError) as fault:
            why = fault if isinstance(fault, csv.Error) else "unexpected end of data"
            raise Invalid(
                "delivery_invalid",
                f"{name} has a broken quote in the row at line {line} ({why}); export it again.",
            ) from None

    return cells_of


def csv_table(text: TextIOBase, name: str) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """The header, and each row below it as (its first line, its cells); blank lines are no rows.

    Raises Invalid (`delivery_empty`) where there is no header.
    """
    rows = _rows(text, name)
    _, header = next(rows, (0, None))
    if header is None:
        raise Invalid("delivery_empty", f"{name} is empty; export it again.")
    return header, ((line, cells) for line, cells in rows if cells)


def _rows(text: TextIOBase, name: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(_lines(text, name), strict=True)
    line = 1
    try:
        for cells in reader:
            yield line, cells
            line = reader.line_num + 1
    except csv.Error as fault:
        raise Invalid(
            "delivery_invalid",
            f"{name} has a broken quote in the row at line {line} ({fault}); export it again.",
        ) from None


def _lines(text: TextIOBase, name: str) -> Iterator[str]:
    """The lines with their ends; one without end would otherwise fill the memory."""
    number = 1
    while line := text.readline(LONGEST_LINE_CHARACTERS):
        if len(line) == LONGEST_LINE_CHARACTERS:
            raise Invalid(
                "delivery_invalid",
                f"Line {number} of {name} is longer than {LONGEST_LINE_CHARACTERS} characters; "
                "export it again.",
            )
        yield line
        number += 1


def _order(header: list[str], columns: Sequence[str], name: str) -> list[int]:
    """Where each of `columns` stands in the header. Raises Invalid naming the first fault."""
    fault = _header_fault(header, columns)
    if fault:
        raise Invalid(
            "delivery_invalid",
            f"The header of {name} {fault}; export it again with the columns {', '.join(columns)}.",
        )
    return [header.index(column) for column in columns]


def _header_fault(header: list[str], columns: Sequence[str]) -> str | None:
    for column in columns:
        if column not in header:
            return f"lacks the column {column!r}"
    for place, column in enumerate(header, 1):
        if not column.strip():
            return f"has a column without a name, number {place}"
        if header.count(column) > 1:
            return f"names the column {column[:80]!r} twice"
    return None
