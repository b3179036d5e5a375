"""What the README, .env.example, the Makefile and prefect.yaml say is what is there, all of it."""

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic.fields import FieldInfo

from chargeback.settings import Settings
from tests.tidy.source import ROOT, modules, shown, tree

README = ROOT / "README.md"
FLOWS = [path for path in modules("flows") if re.search(r"^@flow\b", path.read_text("utf-8"), re.M)]
VARIABLE = re.compile(r"^#? ?((?:CHARGEBACK|PREFECT)_[A-Z_]+)=", re.MULTILINE)


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def variable(name: str, field: FieldInfo) -> str:
    alias = field.validation_alias
    return alias if isinstance(alias, str) else f"CHARGEBACK_{name.upper()}"


VARIABLES = sorted(variable(name, field) for name, field in Settings.model_fields.items())


def spoken_commands() -> set[str]:
    """The commands in the README's blocks of shell, as written, without a prompt or a comment."""
    blocks = re.findall(r"```(?:sh|shell|bash|console)\n(.*?)```", text(README), flags=re.DOTALL)
    lines = [line.removeprefix("$ ").strip() for block in blocks for line in block.splitlines()]
    return {line for line in lines if line.startswith(("make ", "chargeback "))}


def deployments() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(text(ROOT / "prefect.yaml"))["deployments"]
    return found


def test_env_example_has_every_setting_and_no_other() -> None:
    assert sorted(VARIABLE.findall(text(ROOT / ".env.example"))) == VARIABLES


@pytest.mark.parametrize("name", VARIABLES)
def test_the_readme_names_every_setting(name: str) -> None:
    assert name in text(README)


def test_the_readme_shows_the_demo_and_the_tests_first() -> None:
    first = re.findall(r"^(?:\$ )?(make \w+)", text(README), flags=re.MULTILINE)[:2]
    assert first == ["make demo", "make test"]


def test_every_make_command_of_the_readme_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", text(ROOT / "Makefile"), flags=re.MULTILINE))
    spoken = {line.split()[1] for line in spoken_commands() if line.startswith("make ")}
    assert spoken <= targets


def test_every_chargeback_command_of_the_readme_exists() -> None:
    """Asks each command for its help, which says no to a name or an option it does not know."""
    words = {words_of(line) for line in spoken_commands() if line.startswith("chargeback ")}
    unknown = [command for command in sorted(words) if not has_help(command)]
    assert not unknown


def words_of(line: str) -> tuple[str, ...]:
    """The names of command and subcommand at the head of a line."""
    words = line.split()[1:3]
    return tuple(word for word in words if re.fullmatch(r"[a-z][a-z-]+", word))


def has_help(words: tuple[str, ...]) -> bool:
    command = [sys.executable, "-m", "entrypoints.cli", *words, "--help"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)
    return done.returncode == 0 and words[0] in done.stdout


@pytest.mark.parametrize("path", FLOWS, ids=shown)
def test_every_flow_is_deployed_and_says_what_it_does(path: Path) -> None:
    functions = {
        node.name: node
        for node in tree(path).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert path.stem in functions, "a flow is called as its file"
    assert ast.get_docstring(functions[path.stem])
    entrypoints = {each["entrypoint"] for each in deployments()}
    assert f"flows.{path.stem}.{path.stem}" in entrypoints


def test_every_deployment_has_its_flow() -> None:
    modules_of_flows = {f"flows.{path.stem}.{path.stem}" for path in FLOWS}
    assert {each["entrypoint"] for each in deployments()} <= modules_of_flows


@pytest.mark.parametrize("deployment", deployments(), ids=lambda each: str(each["entrypoint"]))
def test_a_schedule_keeps_its_slot_when_deployed_again_or_when_clocks_change(
    deployment: dict[str, Any],
) -> None:
    assert "concurrency_limit" not in deployment
    assert deployment["description"]
    for schedule in deployment.get("schedules", []):
        assert schedule["timezone"] == "UTC"
        assert schedule["slug"]
