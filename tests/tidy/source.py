"""The project's own files, for the tests that read them."""

import ast
import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (
    "models",
    "chargeback",
    "tasks",
    "flows",
    "entrypoints",
    "migrations",
    "examples",
    "tests",
)
MADE = {".git", ".venv", "var", "build", "dist", "node_modules"}


def files() -> Iterator[Path]:
    """Every file of the project that a person wrote or copied, not what tools made."""
    for folder, below, names in os.walk(ROOT):
        below[:] = [
            name
            for name in below
            if name not in MADE
            and not name.endswith(("cache__", "_cache", ".egg-info"))
            and name != ".hypothesis"
        ]
        yield from (Path(folder) / name for name in names)


def modules(*packages: str) -> Iterator[Path]:
    """The Python files of these packages, of all without any."""
    for package in packages or PACKAGES:
        yield from sorted((ROOT / package).rglob("*.py"))


def tree(path: Path) -> ast.Module:
    """The syntax of a Python file."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def shown(path: Path) -> str:
    """A path as a person would say it."""
    return path.relative_to(ROOT).as_posix()


def imported(path: Path) -> set[str]:
    """The dotted names of all that a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found
