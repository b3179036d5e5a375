"""The guide's four Python examples, word for word, against the real stack."""

import contextlib
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from chargeback.clock import today
from chargeback.settings import ROOT, Settings, settings
from entrypoints.stack import Stack, running
from tests.entrypoints.conftest import free_port

EXAMPLES = re.findall(
    r"```python\n(.*?)```", (ROOT / "examples" / "guide_examples.md").read_text(), re.DOTALL
)
GUIDES_PORT = 5000

pytestmark = pytest.mark.timeout(600)


def port() -> int:
    """The guide's own port, or another one where somebody has that."""
    with contextlib.suppress(OSError), socket.socket() as probe:
        probe.bind(("127.0.0.1", GUIDES_PORT))
        return GUIDES_PORT
    return free_port()


@pytest.fixture(scope="module")
def stack(module_home: Path) -> Iterator[Stack]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(Settings.model_config, "env_file", None)
        patch.setenv("CHARGEBACK_PREFECT_PORT", str(free_port()))
        patch.setenv("CHARGEBACK_API_PORT", str(port()))
        settings.cache_clear()
        said: list[str] = []
        with running(
            module_home, with_api=True, with_worker=False, deploy=False, say=said.append
        ) as started:
            assert any("open to everybody on this machine" in one for one in said)
            yield started
        settings.cache_clear()


def run(script: str, address: str) -> list[str]:
    """What a script prints; its address is another one only where the port had to be."""
    script = script.replace("http://localhost:5000", address.replace("127.0.0.1", "localhost"))
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_guides_examples_run_as_they_are(stack: Stack) -> None:
    assert len(EXAMPLES) == 4
    address = api_url_of(stack)
    first, *rest = EXAMPLES
    assert run(first, address) == [
        "Total allocations: 0"
    ]  # the usage is of today, the period is not
    printed = [run(f"import requests\n{example}", address) for example in rest]
    assert printed[0] == []
    assert re.fullmatch(r"Invoice INV-\d{8}-\d{4}: \$0\.0", printed[1][0])
    assert printed[2] == ["Total cost: $0.0", "Invoices: 0", "Allocations: 0"]
    check_what_was_recorded(address)


def api_url_of(stack: Stack) -> str:
    """Where the API of the stack is; read from what its process was told."""
    api = next(child for child in stack.children if child.name == "api")
    told = dict(
        line.split("=", 1)
        for line in Path(f"/proc/{api.pid}/environ").read_text().split("\0")
        if "=" in line
    )
    return f"http://127.0.0.1:{told['CHARGEBACK_API_PORT']}"


def check_what_was_recorded(address: str) -> None:
    """Ten posts of 10.00 by ten users, split equally among the team's users of the month."""
    on = today(settings().zone).isoformat()
    asked = {"period_start": on, "period_end": on}
    with httpx.Client(base_url=f"{address}/api/chargeback", trust_env=False) as client:
        summary = client.get("/usage/summary", params=asked).json()["summary"]
        assert (summary["total_cost_usd"], summary["record_count"]) == (100, 10)
        found = client.post("/allocate", json=asked).json()["allocations"]
        assert {one["rule_id"] for one in found} == {"team-equal-split"}
        assert [one["total_cost_usd"] for one in found] == [10] * 10
        rules = client.get("/allocation-rules").json()["rules"]
        assert [rule["rule_id"] for rule in rules] == ["fixed-split-rule", "team-equal-split"]
