"""Seeded bugs: patches that each put one known fault into the product, and whether our tests see it.

Owns reading, applying and judging them. A patch begins with `Fault:` (whose incident it was, and what went
wrong) and `Caught by:` (the tests that have to fail); the diff follows. Patches are applied to copies, never here.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.tidy.source import ROOT, files

PATCHES = Path(__file__).parent / "patches"
LONGEST_SECONDS = 600
# Lines that moved are found; of the lines around a change one above and one below have to be as they were.
APPLY = ("git", "apply", "-p1", "-C1", "--whitespace=nowarn")
_TESTS_FAILED = 1


@dataclass(frozen=True)
class SeededBug:
    """One fault: whose it was, and the tests (as pytest is given them) that have to notice it."""

    path: Path
    fault: str
    caught_by: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name of its file."""
        return self.path.stem


@dataclass(frozen=True)
class Verdict:
    """What the tests said of a seeded bug: the first that failed, or None; `said` is pytest's own words."""

    bug: SeededBug
    failed: str | None
    said: str
    seconds: int

    @property
    def is_caught(self) -> bool:
        """Whether a test failed, and not merely could not run."""
        return self.failed is not None


def seeded_bugs() -> list[SeededBug]:
    """All of them, in the order of their numbers."""
    return [_read(path) for path in sorted(PATCHES.glob("*.patch"))]


def _read(path: Path) -> SeededBug:
    head = path.read_text(encoding="utf-8").partition("\n--- ")[0]
    fields = dict(re.findall(r"^([A-Z][a-z ]+): (.+)$", head, flags=re.MULTILINE))
    assert fields.keys() == {"Fault", "Caught by"}, f"{path.name} begins with Fault and Caught by"
    return SeededBug(path, fields["Fault"], tuple(fields["Caught by"].split()))


def complaint(bug: SeededBug) -> str:
    """Why the patch does not apply to the tree as it is; empty where it does."""
    command = [*APPLY, "--check", str(bug.path)]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    return done.stderr.strip() if done.returncode else ""


def judge(bug: SeededBug) -> Verdict:
    """Put the bug into a copy of the tree and run the tests that have to catch it."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="seeded-") as folder:
        copy = Path(folder) / "tree"
        _copy_tree(copy)
        subprocess.run([*APPLY, str(bug.path)], cwd=copy, check=True)
        done = run_tests(copy, bug.caught_by)
    said = done.stdout + done.stderr
    failed = re.search(r"^FAILED (\S+)", said, flags=re.MULTILINE)
    is_caught = done.returncode == _TESTS_FAILED and failed is not None
    seconds = round(time.monotonic() - began)
    return Verdict(bug, failed.group(1) if failed and is_caught else None, said, seconds)


def judge_all(bugs: Iterable[SeededBug], at_once: int | None = None) -> Iterator[Verdict]:
    """The verdicts in the order of the bugs, as many worked out at once as there are processors."""
    with ThreadPoolExecutor(at_once or os.cpu_count() or 1) as threads:
        yield from threads.map(judge, bugs)


def _copy_tree(copy: Path) -> None:
    for path in files():
        target = copy / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


def run_tests(folder: Path, tests: Iterable[str]) -> "subprocess.CompletedProcess[str]":
    """pytest in a process of its own that imports from `folder` alone; it stops at the first failure."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")
    }
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-x",
            "-q",
            "-rf",
            "--tb=short",
            "-p",
            "no:cacheprovider",
            *tests,
        ],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(folder)},
        check=False,
        capture_output=True,
        text=True,
        timeout=LONGEST_SECONDS,
    )
