"""No SQL is built from what somebody said: values are bound, and what is put into a statement is written in the source.

Every f-string, `+`, `%` and `.format` that makes SQL is looked at. What it puts in is a constant, or the answer of one
of the functions that write conditions from constants, or stands in LOOKED_AT: names of tables and columns, and
conditions, that the function around it picks from constants. What is new there has to be looked at, and added.
"""

import ast
import re
from collections.abc import Iterator

from tests.tidy.source import modules, shown, tree

PRODUCT = ("models", "chargeback", "tasks", "flows", "entrypoints", "migrations")
STATEMENT = re.compile(
    r"(?:^|[\s(])(?:SELECT |INSERT INTO |DELETE FROM |UPDATE \w+ (?:\w+ )?SET |TRUNCATE |COPY |ANALYZE |SET LOCAL |"
    r"(?:CREATE|DROP|ALTER) (?:TEMPORARY |UNIQUE )?(?:TABLE|INDEX|ROLE|DATABASE|SYSTEM|VIEW|FUNCTION)|WHERE |JOIN )"
)
CONSTANT = re.compile(r"_?[A-Z][A-Z_]*")
# Each makes a condition or a column from a text that stands in the source where it is called.
WRITE_CONDITIONS = {
    "_archived", "_covered_by_payer", "_facts_of", "around_days", "in_days", "in_days_or_undated", "in_documents",
    "shown",
}  # fmt: skip
LOOKED_AT: dict[str, set[str]] = {
    "chargeback/ledger/appearance.py": {"_PAYERS[kind][1]", "column", "ids", "payers", "table"},
    "chargeback/ledger/archived_rows.py": {"', '.join(COLUMNS)", "casts", "columns", "staged"},
    "chargeback/ledger/claims.py": {
        "' UNION ALL '.join(parts)",
        "_BEARS[scope]",
        "covered",
        "payer",
        "scope",
    },
    "chargeback/ledger/classification.py": {"_KEYS[k]", "found", "k", "table"},
    "chargeback/ledger/digest.py": {
        "f'{after} 00:00:00+00'",
        "f'{month} 00:00:00+00'",
        "query",
        "setting",
    },
    "chargeback/ledger/drafts.py": {"open_ones"},
    "chargeback/ledger/held_usage.py": {"condition", "table"},
    "chargeback/ledger/invariants/documents.py": {"keys", "strange", "table.name", "values"},
    "chargeback/ledger/invariants/usage.py": {"table"},
    "chargeback/ledger/passing.py": {"table"},
    "chargeback/ledger/payers.py": {"key", "settings", "table"},
    "chargeback/ledger/pools.py": {"condition", "taken", "taken_id"},
    "chargeback/ledger/record_pages.py": {"' '.join(conditions)"},
    "chargeback/ledger/reconcile.py": {"_IN_DAYS.replace('AND ', 'AND p.')"},
    "chargeback/ledger/reports.py": {"_COLUMNS[subject]", "column", "table"},
    "chargeback/ledger/rulebook.py": {"names", "values"},
    "chargeback/ledger/site_figures.py": {
        "_PARTS.format(whose=whose)",
        "column",
        "subject",
        "whose",
    },
    "chargeback/ledger/staging.py": {"columns", "table"},
    "chargeback/ledger/usage_reading.py": {
        "' UNION ALL '.join(parts)",
        "column",
        "condition",
        "is_then",
        "number",
        "table",
    },
    "chargeback/ledger/verify.py": {"query"},
    "chargeback/sources/litellm_db.py": {
        "', '.join(columns)",
        "self._name",
        "self.config.database_schema",
        "table",
    },
    "entrypoints/demo_litellm.py": {"columns"},
    "entrypoints/doctor.py": {"name"},
    "entrypoints/postgres.py": {"name", 'str(folder).replace("\'", "\'\'")'},
}


def put_in(module: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and source of what is put into SQL, without what is constant."""
    for node in ast.walk(module):
        for part in _parts(node):
            if not _is_constant(part):
                yield part.lineno, ast.unparse(part)


def _parts(node: ast.AST) -> list[ast.expr]:
    """What this expression puts into the SQL it makes; nothing where it makes none."""
    if isinstance(node, ast.JoinedStr):
        return (
            [one.value for one in node.values if isinstance(one, ast.FormattedValue)]
            if _is_sql(node)
            else []
        )
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mod):
        sides = [node.left, node.right]
        return [side for side in sides if not _is_text(side)] if any(map(_is_sql, sides)) else []
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "format"
    ):
        held = node.func.value
        if _is_sql(held) or (isinstance(held, ast.Name) and CONSTANT.fullmatch(held.id)):
            return [*node.args, *(keyword.value for keyword in node.keywords)]
    return []


def _is_sql(node: ast.expr) -> bool:
    return _is_text(node) and STATEMENT.search(_written(node)) is not None


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def _written(node: ast.expr) -> str:
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    return "".join(str(one.value) for one in parts if isinstance(one, ast.Constant))


def _is_constant(node: ast.expr) -> bool:
    match node:
        case ast.Constant():
            return True
        case ast.Name(id=name):
            return CONSTANT.fullmatch(name) is not None
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
            return name in WRITE_CONDITIONS and all(map(_is_constant, args))
    return False


def test_what_is_put_into_sql_is_constant_or_was_looked_at() -> None:
    found: dict[str, set[str]] = {}
    for path in modules(*PRODUCT):
        for _, source in put_in(tree(path)):
            found.setdefault(shown(path), set()).add(source)
    assert found == LOOKED_AT


def test_the_search_finds_every_way_to_build_a_statement() -> None:
    made = """
a = f"SELECT * FROM teams WHERE team_id = '{given}'"
b = "DELETE FROM teams WHERE team_id = " + given
c = "UPDATE teams SET name = '%s'" % given
d = "SELECT {} FROM teams".format(given)
e = _QUERY.format(column=given)
f = f"SELECT {_COLUMNS} FROM teams WHERE {in_days('usage_date')}"
g = f"{given} was not found where it was looked for"
"""
    assert list(put_in(ast.parse(made))) == [(line, "given") for line in range(2, 7)]
