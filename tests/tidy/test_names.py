"""No file hides a module of the standard library or of an installed package, or says nothing by its name."""

import importlib.metadata
import sys
from pathlib import Path

import pytest

from tests.tidy.source import PACKAGES, modules, shown

SAY_NOTHING = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}
INSTALLED = {
    name
    for name, distributions in importlib.metadata.packages_distributions().items()
    if set(distributions) != {"chargeback"}
}
TAKEN = set(sys.stdlib_module_names) | INSTALLED
NAMED = [path for path in modules() if path.stem not in ("__init__", "__main__")]


@pytest.mark.parametrize("path", NAMED, ids=shown)
def test_a_file_has_a_name_of_its_own_that_says_something(path: Path) -> None:
    assert path.stem not in TAKEN
    assert path.stem not in SAY_NOTHING


def test_no_package_is_named_like_an_installed_one() -> None:
    assert not set(PACKAGES) & TAKEN
