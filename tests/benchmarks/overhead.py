"""What running under Prefect costs: a month of many teams through a worker, less the time of our own functions.

The wall time is that of the run, from the moment it was asked for; our own is that of its steps, in the journal.
"""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
from sqlalchemy import text

from chargeback.ledger import payers, usage_sources
from chargeback.ledger.database import engine, snapshot, transaction
from chargeback.payers_file import read
from chargeback.settings import settings
from entrypoints.prefect_server import get
from entrypoints.stack import running
from models.enums import SourceRole
from tests.benchmarks.company import payers_yaml, write_usage
from tests.benchmarks.ledger import Measured

RECORDS_PER_TEAM = 100
ENDS = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
PORT = "4397"


def measure(folder: Path, teams: int) -> Iterator[Measured]:
    """Bill a month of `teams` teams on a stack of its own, and say what was spent outside of our steps."""
    home = folder / "stack"
    home.mkdir(mode=0o755)
    export = folder / "month.csv"
    write_usage(export, teams * RECORDS_PER_TEAM, teams)
    names = ("CHARGEBACK_HOME", "CHARGEBACK_PREFECT_PORT", "CHARGEBACK_DATABASE_URL")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update({"CHARGEBACK_HOME": str(home), "CHARGEBACK_PREFECT_PORT": PORT})
    os.environ.pop("CHARGEBACK_DATABASE_URL", None)
    settings.cache_clear()
    try:
        with running(home) as stack:
            url = stack.database_url
            with transaction(url) as connection:
                payers.import_file(connection, read(payers_yaml(teams), "company"), "bench")
                config = {"path": str(export), "form": "csv"}
                usage_sources.put(
                    connection, "tracker", "cost_tracker", SourceRole.ALLOCATE, config, "bench"
                )
            wall = _billed(stack.prefect_api_url)
            ours, steps = _own_seconds(url)
            engine(url).dispose()
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})
        settings.cache_clear()
    overhead = wall - ours
    bound = max(0.15 * wall, 10)
    yield Measured(
        f"monthly-billing of {teams:,} teams, {steps} steps", wall, ours,
        f"{overhead:.1f} s outside of our functions, {overhead / wall:.0%}", "<= 15 % or 10 s", overhead <= bound,
    )  # fmt: skip


def _billed(api: str) -> float:
    deployment = get(api, "/deployments/name/monthly-billing/chargeback")
    body = {"parameters": {"period": "2026-10", "business_date": "2026-11-01"}}
    began = time.perf_counter()
    made = httpx.post(
        f"{api}/deployments/{deployment['id']}/create_flow_run", json=body, trust_env=False
    ).json()
    while (state := get(api, f"/flow_runs/{made['id']}")["state"])["type"] not in ENDS:
        time.sleep(0.1)
    wall = time.perf_counter() - began
    assert state["type"] == "COMPLETED", json.dumps(state["message"])
    return wall


def _own_seconds(url: str) -> tuple[float, int]:
    """The time that steps took, without what keeping their journal takes, and how many there were."""
    with snapshot(url) as connection:
        row = connection.execute(
            text("""SELECT sum(extract(epoch FROM ended_at - started_at)) AS seconds, count(*) AS steps
                    FROM billing_steps""")
        ).one()
    return float(row.seconds), row.steps
