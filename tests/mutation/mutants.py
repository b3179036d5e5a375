"""The money core changed a little in a thousand ways, and which of the changes its tests notice.

Owns which modules are changed and which tests have to notice, and the reading of what mutmut found. mutmut works in
a copy of the tree. Of SQL it changes nothing, for that is text; `tests.seeded` has faults in SQL.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from tests.tidy.source import ROOT, files

EXPLAINED: Final = Path(__file__).parent / "survivors.yaml"
LEAST_KILLED_PERCENT: Final = 95
_NOTICED: Final = {"killed", "timeout"}


@dataclass(frozen=True)
class Round:
    """Modules that are changed, and the tests that have to notice."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]


# Every change in the second round needs a Postgres: it takes an hour, and is asked for by its name.
ALWAYS: Final = ("pure",)
ROUNDS: Final = {
    "pure": Round(
        (
            "chargeback/money.py",
            "chargeback/periods.py",
            "chargeback/days.py",
            "chargeback/numbering.py",
            "chargeback/invoice_status.py",
            "chargeback/rules.py",
            "chargeback/identity.py",
        ),
        ("tests/chargeback",),
    ),
    "ledger": Round(
        ("chargeback/ledger/claims.py", "chargeback/ledger/document_numbers.py"),
        (
            "tests/ledger/test_document_numbers.py",
            "tests/scenarios/test_drafts.py",
            "tests/scenarios/test_late_usage.py",
            "tests/scenarios/test_overlapping_periods.py",
        ),
    ),
}


@dataclass(frozen=True)
class Mutant:
    """One change: the function it is in, what a line of it becomes, and what came of it."""

    function: str
    becomes: str
    status: str

    @property
    def module(self) -> str:
        """The module it is in."""
        return self.function.partition(":")[0]

    @property
    def is_noticed(self) -> bool:
        """Whether a test failed, or never ended."""
        return self.status in _NOTICED


def mutate(asked: Round, folder: Path, at_once: int) -> list[Mutant]:
    """Change the round's modules in a copy under `folder`, and run their tests on every change."""
    _copy(folder, asked)
    subprocess.run([*_MUTMUT, "run", "--max-children", str(at_once)], cwd=folder, check=True)
    found = _said(folder, "results", "--all", "true")
    pairs = re.findall(r"^\s+(\S+): ([a-z ]+)$", found, flags=re.MULTILINE)
    assert pairs, f"mutmut found nothing to change: {found[-500:]}"
    return [
        Mutant(_function(name), "" if status in _NOTICED else _becomes(folder, name), status)
        for name, status in pairs
    ]


_MUTMUT: Final = (sys.executable, "-m", "mutmut")


def _said(folder: Path, *arguments: str) -> str:
    command = [*_MUTMUT, *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def _copy(folder: Path, asked: Round) -> None:
    for path in files():
        target = folder / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    settings = {
        "source_paths": ["chargeback/"],
        "only_mutate": list(asked.modules),
        "also_copy": sorted(
            path.name
            for path in folder.iterdir()
            if path.name not in ("chargeback", "tests", "mutants")
        ),
        "pytest_add_cli_args_test_selection": list(asked.tests),
        "pytest_add_cli_args": ["-p", "no:cacheprovider"],
        # What loops for ever is given five times the time of its tests and not fifteen times, as is usual.
        "timeout_multiplier": 5,
        "timeout_constant": 5,
    }
    # A JSON text of strings, numbers and lists is TOML, too.
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    with (folder / "pyproject.toml").open("a", encoding="utf-8") as project:
        project.write("\n".join(["", "[tool.mutmut]", *lines, ""]))


def _function(name: str) -> str:
    """`chargeback.money.x_split__mutmut_3` is in chargeback.money:split, `xǁPeriodǁparse…` in periods:Period.parse."""
    module, _, mangled = name.rpartition(".")
    plain = re.sub(r"__mutmut_\d+$", "", mangled)
    return f"{module}:{re.sub('^x_', '', plain).removeprefix('xǁ').replace('ǁ', '.')}"


def _becomes(folder: Path, name: str) -> str:
    """The changed lines, folded to one."""
    lines = [
        line for line in _said(folder, "show", name).splitlines() if re.match(r"\+(?!\+\+)", line)
    ]
    return " ".join(" ".join(line[1:] for line in lines).split())


@dataclass(frozen=True)
class Explanation:
    """Why no test can, or need, notice a change."""

    function: str
    becomes: str
    why: str


def explanations() -> list[Explanation]:
    """Those that are written down."""
    return [
        Explanation(**one) for one in yaml.safe_load(EXPLAINED.read_text(encoding="utf-8")) or ()
    ]


def unexplained(mutants: Iterable[Mutant]) -> list[Mutant]:
    """The changes that nothing noticed and nobody explained."""
    known = {(one.function, one.becomes) for one in explanations()}
    return [
        one for one in mutants if not one.is_noticed and (one.function, one.becomes) not in known
    ]


def killed_percent(mutants: Iterable[Mutant]) -> int:
    """Of a hundred changes, how many were noticed; rounded down."""
    noticed = [one.is_noticed for one in mutants]
    return 100 * sum(noticed) // len(noticed)
