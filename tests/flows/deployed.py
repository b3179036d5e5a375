"""The deployed flows as people use them: started and looked at through Prefect's API, on a ledger of the test's own."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from entrypoints.prefect_server import get
from tests.faults.killed_stack import KilledStack, Round

# Long, for a schedule is made ahead and another test may bill on the other core meanwhile.
WAIT_SECONDS = 240
ENDS = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


def wait_for(condition: Callable[[], Any], seconds: float = WAIT_SECONDS) -> Any:
    """What the condition says once it says something true."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} seconds"
        time.sleep(0.3)
    return found


@dataclass(frozen=True)
class Deployed:
    """A stack with everything deployed, and the ledgers of its rounds."""

    killed: KilledStack

    @property
    def api(self) -> str:
        return self.killed.stack.prefect_api_url

    def deployment(self, flow: str) -> dict[str, Any]:
        return dict(get(self.api, f"/deployments/name/{flow}/chargeback"))

    def ask(self, method: str, path: str, body: Any = None) -> httpx.Response:
        return httpx.request(method, self.api + path, json=body, trust_env=False, timeout=30)

    def create(
        self,
        flow: str,
        parameters: Mapping[str, Any],
        round_: Round,
        key: str | None = None,
        **settings: str,
    ) -> httpx.Response:
        """Ask for a run on the round's ledger."""
        body = {
            "parameters": dict(parameters),
            "job_variables": {"env": {**round_.environment, **settings}},
            **({"idempotency_key": key} if key else {}),
        }
        return self.ask("POST", f"/deployments/{self.deployment(flow)['id']}/create_flow_run", body)

    def start(
        self, flow: str, parameters: Mapping[str, Any], round_: Round, **settings: str
    ) -> str:
        """The id of a run that was created."""
        answer = self.create(flow, parameters, round_, **settings)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def run(self, run_id: str) -> dict[str, Any]:
        return dict(get(self.api, f"/flow_runs/{run_id}") or {"state": {}})

    def state(self, run_id: str) -> dict[str, Any]:
        return dict(self.run(run_id).get("state") or {})

    def ended(self, run_id: str, seconds: float = WAIT_SECONDS) -> dict[str, Any]:
        """The state in which a run ended."""
        return dict(wait_for(lambda: (s := self.state(run_id)).get("type") in ENDS and s, seconds))

    def suspended(self, run_id: str) -> dict[str, Any]:
        """The form that a suspended run shows: its description."""
        state = wait_for(lambda: (s := self.state(run_id)).get("name") == "Suspended" and s)
        key = state["state_details"]["run_input_keyset"]["description"]
        return {"description": wait_for(lambda: get(self.api, f"/flow_runs/{run_id}/input/{key}"))}

    def retry(self, run_id: str) -> None:
        """What the Retry button of the UI does."""
        state = {"type": "SCHEDULED", "name": "AwaitingRetry"}
        assert (
            self.ask("POST", f"/flow_runs/{run_id}/set_state", {"state": state}).json()["status"]
            == "ACCEPT"
        )
        wait_for(lambda: self.state(run_id).get("type") not in ENDS)

    def page(self, run_id: str, key: str) -> str:
        """The newest artifact of that key that the run left."""
        body = {
            "artifacts": {"flow_run_id": {"any_": [run_id]}, "key": {"any_": [key]}},
            "sort": "CREATED_DESC",
        }
        return str(wait_for(lambda: self.ask("POST", "/artifacts/filter", body).json())[0]["data"])

    def runs_of(self, flow: str) -> list[dict[str, Any]]:
        body = {"flows": {"name": {"any_": [flow]}}}
        return list(self.ask("POST", "/flow_runs/filter", body).json())

    def events(self, prefix: str) -> list[dict[str, Any]]:
        body = {"filter": {"event": {"prefix": [prefix]}}, "limit": 50}
        return list(self.ask("POST", "/events/filter", body).json()["events"])
