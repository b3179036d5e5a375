"""Money is Decimal from text or int: no float anywhere it could pass through."""

import ast
import re
from pathlib import Path

import pytest

from tests.tidy.source import ROOT, modules, shown, tree

# Where a float measures paper or waiting, never money; each with what it measures.
MEASURES = {
    "chargeback/documents": "points on paper",
    "chargeback/sources/http_delivery.py": "seconds to wait",
}
MONEY_PATH = [
    path
    for path in modules("models", "chargeback", "tasks", "flows")
    if not shown(path).startswith(tuple(MEASURES))
]


def floats(module: ast.Module) -> set[int]:
    """The lines on which a float is written, made or named.

    Asking whether something is one is fine, and so is telling Prefect how long to wait.
    """
    asked = {
        id(part)
        for node in ast.walk(module)
        if (isinstance(node, ast.Call) and ast.unparse(node.func) == "isinstance")
        or (isinstance(node, ast.keyword) and node.arg == "retry_jitter_factor")
        for part in ast.walk(node)
    }
    return {
        node.lineno
        for node in ast.walk(module)
        if id(node) not in asked
        and (
            (isinstance(node, ast.Constant) and isinstance(node.value, float))
            or (isinstance(node, ast.Name) and node.id == "float")
        )
    }


@pytest.mark.parametrize("path", MONEY_PATH, ids=shown)
def test_no_float_is_in_a_money_path(path: Path) -> None:
    assert not floats(tree(path))


def test_the_search_finds_every_kind_of_float() -> None:
    source = "a = 0.1\nb: float = a\nc = float('1')\nd = isinstance(a, float)\n"
    assert floats(ast.parse(source)) == {1, 2, 3}


@pytest.mark.parametrize("path", sorted((ROOT / "migrations").rglob("*.sql")), ids=shown)
def test_no_column_is_a_float(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.findall(r"\b(?:real|float\d?|double precision)\b", text, flags=re.IGNORECASE)
