"""The product runs no text as code, opens no shell, and takes apart only what it wrote itself."""

import ast
import tomllib
from collections.abc import Iterator

import pytest
import yaml

from chargeback.payers_file import TextLoader
from tests.tidy.source import ROOT, modules, shown, tree

PRODUCT = ("models", "chargeback", "tasks", "flows", "entrypoints", "migrations")
FORBIDDEN = {
    "eval", "exec", "__import__", "os.system", "os.popen", "tempfile.mktemp", "yaml.unsafe_load", "yaml.full_load",
    "yaml.load_all", "marshal.loads", "marshal.load", "shelve.open", "ssl._create_unverified_context", "random.choice",
    "random.random", "random.randbytes", "hashlib.md5", "hashlib.sha1", "pickle.loads", "pickle.load", "yaml.load",
    "xml.etree.ElementTree.parse", "xml.etree.ElementTree.fromstring",
}  # fmt: skip
# What a child process of our own, started from our own source, writes to our pipe; and texts that stay texts.
LOOKED_AT = {
    ("chargeback/ledger/reading.py", "pickle.load"),
    ("chargeback/documents/drawing_process.py", "pickle.load"),
    ("chargeback/payers_file.py", "yaml.load"),
    ("chargeback/rate_files.py", "yaml.load"),
}
SAFE_LOADERS = {"TextLoader"}


def calls(module: ast.Module) -> Iterator[ast.Call]:
    return (node for node in ast.walk(module) if isinstance(node, ast.Call))


def unsafe(module: ast.Module) -> set[str]:
    """What is called that may run what it is given, or trusts what it should not."""
    found = {ast.unparse(call.func) for call in calls(module)} & FORBIDDEN
    for call in calls(module):
        for keyword in call.keywords:
            value = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
            if (keyword.arg, value) in {("shell", True), ("verify", False), ("autoescape", False)}:
                found.add(f"{keyword.arg}={value!r}")
    return found


def test_nothing_runs_what_it_is_given() -> None:
    found = {(shown(path), name) for path in modules(*PRODUCT) for name in unsafe(tree(path))}
    assert found == LOOKED_AT


def test_yaml_is_read_by_a_loader_that_makes_no_objects() -> None:
    for path in modules(*PRODUCT):
        for call in calls(tree(path)):
            if ast.unparse(call.func) == "yaml.load":
                (loader,) = [one.value for one in call.keywords if one.arg == "Loader"]
                assert ast.unparse(loader) in SAFE_LOADERS
    with pytest.raises(yaml.YAMLError):
        yaml.load("!!python/object/apply:os.getcwd []", Loader=TextLoader)  # noqa: S506


def test_the_search_finds_what_it_looks_for() -> None:
    made = "eval(a)\nsubprocess.run(a, shell=True)\nhttpx.get(a, verify=False)\npickle.loads(a)\nfine(b, check=False)"
    assert unsafe(ast.parse(made)) == {"eval", "shell=True", "verify=False", "pickle.loads"}


def test_ruffs_security_rules_are_on_for_the_product() -> None:
    """Children are started from lists (S603, S607), and assertions stay on (S101); nothing else is let off."""
    lint = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["ruff"][
        "lint"
    ]
    assert "S" in lint["select"]
    assert {code for code in lint["ignore"] if code.startswith("S") and code[1:].isdigit()} == {
        "S101", "S603", "S607"
    }  # fmt: skip
    let_off = {
        where
        for where, codes in lint["per-file-ignores"].items()
        if any(code.startswith("S") and code[1:].isdigit() for code in codes)
    }
    assert let_off == {"tests/**"}


def test_a_secret_is_compared_in_a_time_that_tells_nothing() -> None:
    """`==` ends at the first character that differs; only `hmac.compare_digest` looks at a secret's hash."""
    path = ROOT / "chargeback/ledger/tokens.py"
    compared = [ast.unparse(one) for one in ast.walk(tree(path)) if isinstance(one, ast.Compare)]
    assert not [one for one in compared if "secret" in one or "_hash" in one]
    (call,) = [one for one in calls(tree(path)) if ast.unparse(one.func) == "hmac.compare_digest"]
    assert "secret_hash" in ast.unparse(call)
