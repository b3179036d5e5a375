"""What a person sees of a run: sentences and tables in one page, each table also as one that can be searched.

Owns how it looks in Prefect's UI. Names come from outside, so no markup of theirs is obeyed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any, NamedTuple

from prefect.artifacts import create_markdown_artifact, create_table_artifact

# A page is read, a table is searched; what is longer than this is in the ledger and its reports.
MOST_ROWS_ON_PAGE = 50
MOST_ROWS_IN_TABLE = 2000


class Link(NamedTuple):
    """A cell that leads somewhere."""

    words: str
    url: str


Cell = Any
Row = Mapping[str, Cell]


@dataclass
class Page:
    """What a run has to tell so far: sentences, what needs a person, and tables with their titles."""

    title: str
    said: list[str] = field(default_factory=list)
    for_a_person: list[str] = field(default_factory=list)
    tables: dict[str, tuple[str, Sequence[Row]]] = field(default_factory=dict)

    def add_table(self, key: str, title: str, rows: Sequence[Row]) -> None:
        """Show a table on the page, and leave it as an artifact of its own; an empty one is not shown.

        A later table of the same key takes the place of the earlier: what it showed has changed since.
        """
        if not rows:
            return
        self.tables[key] = (title, rows)
        shown = [
            {name.replace("_", " "): shown_cell(cell) for name, cell in row.items()} for row in rows
        ]
        create_table_artifact(
            shown[:MOST_ROWS_IN_TABLE],
            key=key,
            description=_counted(title, len(rows), MOST_ROWS_IN_TABLE),
        )

    def publish(self, key: str) -> None:
        """Leave the page on the run, as it is now."""
        create_markdown_artifact(self.markdown(), key=key, description=f"What {self.title} did.")

    def markdown(self) -> str:
        """The page as Markdown."""
        parts = [f"# {inert(self.title)}", _listed(self.said)]
        if self.for_a_person:
            parts += ["## Needs a person", _listed(self.for_a_person)]
        for title, rows in self.tables.values():
            parts += [
                f"## {inert(_counted(title, len(rows), MOST_ROWS_ON_PAGE))}",
                table(rows[:MOST_ROWS_ON_PAGE]),
            ]
        return "\n\n".join(part for part in parts if part)


def shown_cell(cell: Cell) -> str:
    """A cell as Markdown: a link, or its text as it is written."""
    if isinstance(cell, Link):
        return f"[{inert(cell.words)}]({cell.url})"
    return inert("" if cell is None else str(cell))


def inert(sentence: str) -> str:
    """Names may hold markup; the page shows it as it is written."""
    for mark in "\\`*_[]|":
        sentence = sentence.replace(mark, f"\\{mark}")
    return " ".join(escape(sentence, quote=False).split())


def _listed(sentences: Sequence[str]) -> str:
    return "\n".join(f"- {inert(sentence)}" for sentence in sentences)


def table(rows: Sequence[Row]) -> str:
    """Rows as a Markdown table; all have the names of the first."""
    names = list(rows[0])
    heads = [inert(name.replace("_", " ")) for name in names]
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(names)]
    lines += ["| " + " | ".join(shown_cell(row[name]) for name in names) + " |" for row in rows]
    return "\n".join(lines)


def _counted(title: str, count: int, most: int) -> str:
    return title if count <= most else f"{title} The first {most} of {count}."
