"""Brings prefect.yaml onto the Prefect server, and does nothing where nothing changed.

The work is done by `entrypoints.prefect_setup` in a process of its own, because it imports Prefect
and every flow.
"""

import hashlib
import importlib.metadata
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from chargeback.errors import Unavailable
from chargeback.settings import settings
from entrypoints.postgres import tail
from entrypoints.prefect_server import POOL, get

DEPLOY_SECONDS = 300


class Deploying:
    """One deployment of prefect.yaml under way, or none where the server already has it."""

    def __init__(
        self, home: Path, api_url: str, environment: Mapping[str, str], *, is_forced: bool = False
    ) -> None:
        self._stamp = home / "run" / "deployed"
        self._log = home / "logs" / "deploy.log"
        self._digest = _digest(api_url)
        self._process: subprocess.Popen[bytes] | None = None
        if is_forced or not self._is_done(api_url):
            self._log.parent.mkdir(parents=True, exist_ok=True)
            with self._log.open("wb") as log:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "entrypoints.prefect_setup"],
                    env=dict(environment),
                    cwd=settings().root,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )

    def _is_done(self, api_url: str) -> bool:
        if not self._stamp.exists() or self._stamp.read_text(encoding="utf-8") != self._digest:
            return False
        return all(get(api_url, f"/deployments/name/{name}") for name in deployment_names())

    def wait(self) -> bool:
        """Return when all is deployed: whether anything had to be done.

        Raises Unavailable, with the end of the log, when it failed.
        """
        if self._process is None:
            return False
        try:
            status = self._process.wait(DEPLOY_SECONDS)
        except subprocess.TimeoutExpired:
            self.abandon()
            status = -1
        if status != 0:
            raise Unavailable(
                "deploy_failed",
                f"the flows of prefect.yaml could not be deployed; the end of {self._log}:\n{tail(self._log)}",
            )
        self._stamp.parent.mkdir(parents=True, exist_ok=True)
        self._stamp.write_text(self._digest, encoding="utf-8")
        return True

    def wait_for_pool(self, api_url: str) -> None:
        """Return when the work pool is there, or when deploying ended without making it."""
        while self._process is not None and self._process.poll() is None:
            if get(api_url, f"/work_pools/{POOL}") is not None:
                return
            time.sleep(0.2)

    def abandon(self) -> None:
        """End it where it stands; deploying again later does it whole."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()


def deployment_names() -> list[str]:
    """The deployments of prefect.yaml, as `flow/deployment`."""
    text = (settings().root / "prefect.yaml").read_text(encoding="utf-8")
    deployments: list[dict[str, Any]] = yaml.safe_load(text)["deployments"]
    return [f"{flow_name(each['entrypoint'])}/{each['name']}" for each in deployments]


def flow_name(entrypoint: str) -> str:
    """The flow's name in Prefect: its function's, with hyphens."""
    return entrypoint.rpartition(".")[2].replace("_", "-")


def _digest(api_url: str) -> str:
    """A digest of all that decides what is deployed, and where."""
    root = settings().root
    digest = hashlib.sha256(f"{api_url} {root} {importlib.metadata.version('prefect')}".encode())
    sources = [
        path
        for folder in ("flows", "models", "chargeback", "entrypoints")
        for path in (root / folder).rglob("*.py")
    ]
    for path in [root / "prefect.yaml", *sorted(sources)]:
        digest.update(path.read_bytes())
    digest.update(f"{settings().pool_runs}".encode())
    return digest.hexdigest()
