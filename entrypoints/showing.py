"""How answers are shown: tables and sentences for people, JSON for programs.

Owns layout only. Names from outside are shown as they are written: no markup of theirs is obeyed and no
control character reaches the terminal. Amounts are shown with every digit they have.
"""

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import IO, Any, Protocol
from uuid import UUID

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.measure import Measurement
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from chargeback.documents import wording
from chargeback.periods import Period

WIDTH_WITHOUT_TERMINAL = 200
_WORD = re.compile(r"\S{0,32}")
_NUMBER = re.compile(r"([-+]?[\d,]+(\.\d+)?)?")
STATUS_STYLES = {"paid": "green", "sent": "cyan", "overdue": "bold red", "cancelled": "dim",
                 "draft": "yellow", "pending": "yellow"}  # fmt: skip


class Show(Protocol):
    """Called while long work goes on: what is being done, how much is done, of how much if known."""

    def __call__(self, what: str, done: int, total: int | None) -> None:
        """Show how far the work is."""


def screen() -> Console:
    """Where answers go. Without a terminal lines are not folded, so that programs can read them."""
    # While rich shows a spinner it stands in for sys.stdout; what is printed must go through the same console.
    return _screen_on(getattr(sys.stdout, "rich_proxied_file", sys.stdout))


@lru_cache(1)
def _screen_on(file: IO[str]) -> Console:
    width = None if file.isatty() else WIDTH_WITHOUT_TERMINAL
    return Console(file=file, width=width, highlight=False, emoji=False, soft_wrap=False)


def beside() -> Console:
    """Where signs of ongoing work go: the same terminal, or standard error where answers go elsewhere."""
    return screen() if screen().is_terminal else Console(stderr=True, highlight=False, emoji=False)


def say(sentence: str | Text, style: str = "") -> None:
    """Show a sentence; long ones are not cut, so that paths can be copied."""
    shown = sentence if isinstance(sentence, Text) else Text(inert(sentence), style)
    screen().print(shown, soft_wrap=True)


def warn(sentence: str) -> None:
    """Show a sentence beside the answer, so that programs that read the answer do not read it."""
    beside().print(Text(inert(sentence), "yellow"), soft_wrap=True)


def say_dry_run() -> None:
    """Say that what was shown would be so, and is not."""
    say("Dry run: nothing was booked.", "bold yellow")


def heading(words: str) -> None:
    """Show a heading with a blank line above it."""
    say("")
    say(words, "bold")


def inert(value: object) -> str:
    """A value as text on one line, its control characters made visible."""
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return wording.exact(value)
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(value))


def table(
    rows: Sequence[Mapping[str, object]], right: Iterable[str] = (), title: str | None = None
) -> None:
    """Show rows under the names of their columns; those named in `right` are numbers, their points aligned.

    In a narrow terminal words are folded first; numbers never are, nor is any cut.
    """
    columns = {name: [_cell(row[name]) for row in rows] for name in (rows[0] if rows else ())}
    numbers = set(right)
    for name in numbers & columns.keys():
        columns[name] = _aligned(columns[name], len(name))
    words = {
        name for name, cells in columns.items() if all(_WORD.fullmatch(c.plain) for c in cells)
    }
    for whole in (numbers | words, numbers):
        made = _table(columns, whole, numbers, title)
        if _needed(made) <= screen().width:
            screen().print(made)
            return
    _print_wide(made)


def _table(
    columns: Mapping[str, Sequence[Text]], whole: set[str], numbers: set[str], title: str | None
) -> Table:
    made = Table(
        box=SIMPLE_HEAD, title=title, title_justify="left", title_style="bold",
        pad_edge=False, collapse_padding=True,
    )  # fmt: skip
    for name in columns:
        heading = Text(name, justify="right" if name in numbers else "left")
        made.add_column(heading, overflow="fold", no_wrap=name in whole)
    for cells in zip(*columns.values(), strict=True):
        made.add_row(*cells)
    return made


def _needed(made: Table) -> int:
    """The columns of the terminal that a table takes at least."""
    options = screen().options.update(max_width=10_000)
    return Measurement.get(screen(), options, made).minimum + len(made.columns)


def _print_wide(made: Table) -> None:
    """Print a table that is wider than the terminal, which folds its lines."""
    file = screen().file
    wide = Console(file=file, width=_needed(made), highlight=False, emoji=False)
    with wide.capture() as drawn:
        wide.print(made)
    # Blanks at the ends of lines would make the terminal fold empty ones.
    file.write("".join(f"{line.rstrip()}\n" for line in drawn.get().splitlines()))


def _cell(value: object) -> Text:
    return value if isinstance(value, Text) else Text(inert(value))


def facts(named: Mapping[str, object], title: str) -> None:
    """Show one thing's facts below each other, without those it does not have."""
    made = Table.grid(padding=(0, 3))
    for name, value in named.items():
        if value is not None:
            made.add_row(Text(f" {name}", "dim"), _cell(value))
    heading(title)
    screen().print(made)


def _aligned(cells: Sequence[Text], width: int) -> list[Text]:
    """The cells padded to `width` at least, their decimal points below each other where all are numbers."""
    behind = [0] * len(cells)
    if all(_NUMBER.fullmatch(cell.plain) for cell in cells):
        behind = [len(cell.plain) - len(cell.plain.partition(".")[0]) for cell in cells]
    most = max(behind, default=0)
    padded = [
        Text.assemble(cell, " " * (most - own)) for cell, own in zip(cells, behind, strict=True)
    ]
    width = max([width, *(len(cell) for cell in padded)])
    return [Text.assemble(" " * (width - len(cell)), cell) for cell in padded]


def status(value: str) -> Text:
    """A document's status in its colour."""
    return Text(inert(value), STATUS_STYLES.get(value, ""))


def money(amount: Decimal, currency: str) -> str:
    """A printed amount with its currency."""
    return f"{wording.money(amount, currency)} {currency}"


def print_json(value: object) -> None:
    """Print a value as JSON: amounts as text without exponent, dates as ISO 8601."""
    sys.stdout.write(json.dumps(plain(value), ensure_ascii=False, indent=2) + "\n")


def plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, Period):
        return value.label
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(one) for one in value]
    return value


@contextmanager
def progress(what: str) -> Iterator[Show]:
    """A progress bar for long work: on a terminal only, and gone when the work is done."""
    console = beside()
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[count]}"),
               TimeElapsedColumn())  # fmt: skip
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(what, total=None, count="")

        def show(what: str, done: int, total: int | None) -> None:
            count = f"{done:,}" if total is None else f"{done:,} of {total:,}"
            bar.update(task, description=inert(what), completed=done, total=total, count=count)

        yield show
