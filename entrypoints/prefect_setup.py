"""What a Prefect server needs to run the flows: a work pool with its limit, automations, deployments, closed forms.

Run as `python -m entrypoints.prefect_setup` with `PREFECT_API_URL` and `CHARGEBACK_ROOT` set.
Rerun: what is there already stays; everything takes on what prefect.yaml, the flows and the settings say now.
"""

import runpy
import sys

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.workers.process import ProcessWorker

from chargeback.errors import ChargebackError
from chargeback.ledger import usage_sources
from chargeback.ledger.database import transaction
from chargeback.settings import settings
from entrypoints.automations import AUTOMATIONS, keep_automation
from entrypoints.deploying import deployment_names
from entrypoints.prefect_server import POOL
from flows.forms import close_form


def main() -> None:
    """Make the pool and the automations, have Prefect deploy everything, then close the forms."""
    with get_client(sync_client=True) as client:
        make_pool(client)
        for automation in AUTOMATIONS:
            keep_automation(client, automation)
    _deploy()
    sources = _source_names()
    with get_client(sync_client=True) as client:
        for name in deployment_names():
            close_form(client, name, sources)


def _deploy() -> None:
    """`prefect deploy --all`, in this process, which has imported everything already."""
    sys.argv = ["prefect", "deploy", "--all", "--no-prompt"]
    try:
        runpy.run_module("prefect", run_name="__main__")
    except SystemExit as ended:
        if ended.code not in (0, None):
            raise


def make_pool(client: SyncPrefectClient) -> None:
    """The pool of processes, from the template inside Prefect: `work-pool create` fetches one online."""
    limit = settings().pool_runs
    try:
        held = client.read_work_pool(POOL)
    except ObjectNotFound:
        template = ProcessWorker.get_default_base_job_template()
        pool = WorkPoolCreate(
            name=POOL, type="process", base_job_template=template, concurrency_limit=limit
        )
        try:
            client.create_work_pool(pool)
            return
        except ObjectAlreadyExists:
            # A worker made it at the same moment.
            held = client.read_work_pool(POOL)
    if held.concurrency_limit != limit:
        client.update_work_pool(POOL, WorkPoolUpdate(concurrency_limit=limit))


def _source_names() -> list[str]:
    """The sources there are to choose from; none where the ledger cannot say."""
    try:
        with transaction() as connection:
            return [source.name for source in usage_sources.sources(connection)]
    except ChargebackError:
        return []


if __name__ == "__main__":
    main()
