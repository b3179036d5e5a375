"""What lies in deployments/ can be used as it is: its files are valid and name what there is."""

import re
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

import prefect.settings
import pytest
import yaml
from prefect.events.schemas.automations import AutomationCore

from chargeback.settings import Settings
from tests.tidy.source import ROOT
from tests.tidy.test_documented import deployments, has_help, text

FOLDER = ROOT / "deployments"
EXAMPLES = sorted((FOLDER / "automations").glob("*.yaml"))
COMPOSE: dict[str, Any] = yaml.safe_load(text(FOLDER / "compose.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_of_an_automation_is_one_that_prefect_takes(path: Any) -> None:
    automation = AutomationCore.model_validate(yaml.safe_load(text(path)))
    assert automation.name.startswith("chargeback: ")
    assert automation.actions


def test_every_command_that_services_start_exists() -> None:
    units = "".join(text(path) for path in sorted((FOLDER / "systemd").iterdir()))
    started = {
        tuple(line.split()) for line in re.findall(r"^ExecStart=\S+/chargeback (.*)$", units, re.M)
    }
    for service in COMPOSE["services"].values():
        command = service.get("entrypoint", [])
        if command[:1] == ["chargeback"]:
            started.add(tuple(command[1:]))
    assert started == {("up",), ("worker",), ("deploy",), ("db", "upgrade")}
    assert all(has_help(command) for command in started)


def test_every_module_that_services_start_exists() -> None:
    modules = {
        service["entrypoint"][2]
        for service in COMPOSE["services"].values()
        if service.get("entrypoint", [])[:2] == ["python", "-m"]
    }
    assert modules == {"entrypoints.api.server"}
    assert all(find_spec(module) for module in modules)


def test_services_set_only_what_there_is_to_set() -> None:
    """A variable that is misspelt would change nothing, and say nothing."""
    named = {
        name for service in COMPOSE["services"].values() for name in service.get("environment", {})
    }
    for unit in (FOLDER / "systemd").iterdir():
        named |= set(re.findall(r"^Environment=(\w+)=", text(unit), re.M))
    ours = {name for name in named if name.startswith("CHARGEBACK_")} - {"CHARGEBACK_PASSWORD"}
    assert {name.removeprefix("CHARGEBACK_").lower() for name in ours} <= set(Settings.model_fields)
    prefects = {name for name in named if name.startswith("PREFECT_")}
    assert {name for name in prefects if not hasattr(prefect.settings, name)} == set()


def test_the_image_takes_nothing_of_this_machine_with_it() -> None:
    left_out = text(ROOT / ".dockerignore").splitlines()
    assert {".git", ".venv", ".env", "var"} <= set(left_out)


def test_each_unit_may_write_its_home() -> None:
    for unit in (FOLDER / "systemd").iterdir():
        home = re.search(r"^Environment=CHARGEBACK_HOME=/var/lib/(.*)$", text(unit), re.M)
        state = re.search(r"^StateDirectory=(.*)$", text(unit), re.M)
        assert home, unit.name
        assert state, unit.name
        assert home[1] == state[1], unit.name


def test_the_services_wait_for_what_they_need() -> None:
    services = COMPOSE["services"]
    order = ["postgres", "schema", "prefect", "deploy", "worker"]
    for before, after in pairwise(order):
        assert before in services[after]["depends_on"]


def test_the_table_of_what_runs_when_names_every_flow() -> None:
    table = text(FOLDER / "README.md")
    for one in deployments():
        assert f"`{one['entrypoint'].rpartition('.')[2].replace('_', '-')}`" in table
