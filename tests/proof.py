"""The table of `make prove`: what was tried, by kind of fault, and what came out differently.

A test says what it tried with `record_property("proof", (kind, cases))`, and may say how many of them differed with
`record_property("proof differences", count)`; one that fails without counts as one. Owns adding up and writing down.
"""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.faults.findings import RAW_WORDS
from tests.postgres import embedded_programs

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- the table: written by `make prove` -->", "<!-- end of the table -->"
COLUMNS = ("what was tried", "cases", "differences", "raw errors", "seconds")


@dataclass
class Row:
    """What was tried of one kind; seconds are those of its tests, on however many processes."""

    cases: int = 0
    differences: int = 0
    raw_errors: int = 0
    seconds: float = 0.0

    def add(self, other: "Row") -> None:
        """Count these too."""
        self.cases += other.cases
        self.differences += other.differences
        self.raw_errors += other.raw_errors
        self.seconds += other.seconds

    def cells(self, kind: str) -> tuple[str, ...]:
        """The row as it is shown."""
        numbers = (self.cases, self.differences, self.raw_errors, round(self.seconds))
        return (kind, *(f"{number:,}" for number in numbers))


@dataclass(eq=False)
class Table:
    """Adds up what the tests' reports tell, wherever they ran."""

    rows: dict[str, Row] = field(default_factory=dict)
    begun_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    _called: dict[str, pytest.TestReport] = field(default_factory=dict)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep how a test went until its last report, which has all that it recorded."""
        if report.when == "call" or report.failed:
            self._called[report.nodeid] = report
        if report.when == "teardown" and report.nodeid in self._called:
            self._take(self._called.pop(report.nodeid), dict_of(report))

    def _take(self, called: pytest.TestReport, told: dict[str, list[object]]) -> None:
        kinds = [counted(value) for value in told.get("proof", [])]
        if called.failed and not kinds:
            kinds = [("failed before anything was counted", 0)]
        differences = sum(int(str(count)) for count in told.get("proof differences", []))
        raw = str(called.longrepr).count(RAW_WORDS) if called.failed else 0
        for place, (kind, cases) in enumerate(kinds):
            is_first = place == 0
            lost = max(differences, int(called.failed)) if is_first else 0
            row = Row(cases, lost, raw if is_first else 0, called.duration / len(kinds))
            self.rows.setdefault(kind, Row()).add(row)

    def lines(self) -> Iterator[tuple[str, ...]]:
        """The rows by name, then their sum."""
        whole = Row()
        for kind, row in sorted(self.rows.items()):
            whole.add(row)
            yield row.cells(kind)
        yield whole.cells("all")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show the table where anything was counted, and write it down where that is asked for."""
        if not any(row.cases for row in self.rows.values()):
            return
        terminalreporter.section("what was proved")
        lines = [COLUMNS, *self.lines()]
        widths = [max(len(line[place]) for line in lines) for place in range(len(COLUMNS))]
        for line in lines:
            numbers = (cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))
            terminalreporter.write_line("  ".join([line[0].ljust(widths[0]), *numbers]))
        page = terminalreporter.config.getoption("proof_page")
        if page:
            write(Path(page), self)


def counted(value: Any) -> tuple[str, int]:
    """A recorded kind and its cases; on its way between processes a tuple becomes a list."""
    kind, cases = value
    return str(kind), int(cases)


def dict_of(report: pytest.TestReport) -> dict[str, list[object]]:
    """What a test recorded, by name; a name may be recorded often."""
    told: dict[str, list[object]] = {}
    for name, value in report.user_properties:
        told.setdefault(name, []).append(value)
    return told


def write(page: Path, table: Table) -> None:
    """Put the table into the page, in the place of the one that is there; what people wrote around it stays."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    assert end, f"{page} has no place for the table"
    head = ["| " + " | ".join(COLUMNS) + " |", "| --- | ---: | ---: | ---: | ---: |"]
    rows = ["| " + " | ".join(line) + " |" for line in table.lines()]
    parts = [BEGIN, "", *circumstances(table), "", *head, *rows, "", END]
    page.write_text(before + "\n".join(parts) + after, encoding="utf-8")


def circumstances(table: Table) -> list[str]:
    """From what, when, on what and how long."""
    minutes = (datetime.now(UTC) - table.begun_at).total_seconds() / 60
    version = _said([str(embedded_programs() / "postgres"), "--version"]).removeprefix("postgres ")
    changed = (
        " and changes that are not committed" if _said(["git", "status", "--porcelain"]) else ""
    )
    return [
        f"- Commit: `{_said(['git', 'rev-parse', 'HEAD'])}`{changed}",
        f"- When: {table.begun_at:%Y-%m-%d %H:%M} UTC, {minutes:.1f} minutes",
        f"- On: {os.cpu_count()} cores, {version}",
    ]


def _said(command: list[str]) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()
