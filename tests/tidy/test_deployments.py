"""What lies in deployments/ can be used as it is: its files are valid and name what there is."""

import re
from itertools import pairwise
from typing import Any

import pytest
import yaml
from prefect.events.schemas.automations import AutomationCore

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


def test_the_services_wait_for_what_they_need() -> None:
    services = COMPOSE["services"]
    order = ["postgres", "schema", "prefect", "deploy", "worker"]
    for before, after in pairwise(order):
        assert before in services[after]["depends_on"]


def test_the_table_of_what_runs_when_names_every_flow() -> None:
    table = text(FOLDER / "README.md")
    for one in deployments():
        assert f"`{one['entrypoint'].rpartition('.')[2].replace('_', '-')}`" in table
