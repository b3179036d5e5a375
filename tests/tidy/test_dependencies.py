"""Every package that is imported is asked for by name, so that no other package's change takes it away."""

import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path

import pytest

from tests.tidy.source import PACKAGES, ROOT, imported, modules, shown

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DISTRIBUTIONS = importlib.metadata.packages_distributions()


def asked(requirements: list[str]) -> set[str]:
    """The names of the packages asked for, in the one spelling that counts."""
    found = (re.match(r"[\w.-]+", requirement) for requirement in requirements)
    return {normal(match.group()) for match in found if match}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


RUNTIME = asked(PROJECT["dependencies"])
# What reads Parquet says itself what to install, where it is missing.
PARQUET = asked(PROJECT["optional-dependencies"]["parquet"])
READS_PARQUET = {"chargeback/sources/focus_files.py"}
DEV = RUNTIME | asked(PROJECT["optional-dependencies"]["dev"])


@pytest.mark.parametrize("path", list(modules()), ids=shown)
def test_every_imported_package_is_asked_for(path: Path) -> None:
    allowed = DEV if shown(path).startswith("tests/") else RUNTIME
    if shown(path) in READS_PARQUET or shown(path).startswith("tests/"):
        allowed = allowed | PARQUET
    tops = {name.partition(".")[0] for name in imported(path)}
    foreign = tops - set(sys.stdlib_module_names) - set(PACKAGES)
    missing = {
        name
        for name in foreign
        if not {normal(each) for each in DISTRIBUTIONS.get(name, ["?"])} & allowed
    }
    assert not missing
