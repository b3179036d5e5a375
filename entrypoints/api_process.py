"""The HTTP API as the stack runs it: its command, its readiness, and what it says at its start."""

import sys
import time
from collections.abc import Mapping
from pathlib import Path

import httpx

from chargeback.settings import settings
from entrypoints.children import Child

READY_SECONDS = 60


def api(home: Path, base: Mapping[str, str]) -> Child:
    """The API's process."""
    command = [sys.executable, "-m", "entrypoints.api.server"]
    return Child("api", command, base, home, settings().root)


def api_url() -> str:
    """Where the API is reached from this machine."""
    host = settings().api_host
    here = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104
    return f"http://{here}:{settings().api_port}"


def wait_until_serving(child: Child) -> str:
    """Wait for its first answer; what it said of who may call. Raises Unavailable with the end of its log."""
    deadline = time.monotonic() + READY_SECONDS
    while not _answers():
        if not child.is_alive():
            raise child.failure("did not start")
        if time.monotonic() > deadline:
            raise child.failure(f"did not answer within {READY_SECONDS} s")
        time.sleep(0.1)
    said = [
        line
        for line in child.log.read_text(encoding="utf-8").splitlines()
        if line.startswith("The API")
    ]
    return said[-1] if said else ""


def _answers() -> bool:
    try:
        return httpx.get(f"{api_url()}/health", timeout=5, trust_env=False).is_success
    except httpx.HTTPError:
        return False
