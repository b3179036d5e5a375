"""What `chargeback bill` and `chargeback invoice --via prefect` do: run the deployed flow, wait, show the result."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from chargeback.ledger import invoices, issuing, publications, runs
from chargeback.ledger.database import snapshot
from chargeback.ledger.reconcile import reconcile
from chargeback.ledger.standing import standing
from chargeback.payer import billed
from chargeback.periods import Period
from chargeback.settings import settings
from entrypoints import figures, paper, showing
from entrypoints.commands import asked
from entrypoints.flow_runs import Ended, run_deployment
from entrypoints.ledger_at_hand import using_environment
from entrypoints.run_display import busy, watching
from entrypoints.stack import running

INVOICE_ON_DEMAND = "invoice-on-demand/chargeback"
MONTHLY_BILLING = "monthly-billing/chargeback"


@contextmanager
def _ended(deployment: str, parameters: dict[str, Any], *, is_quiet: bool) -> Iterator[Ended]:
    """How a deployment's run ended, on the stack that is up or on one of our own; its ledger is at hand meanwhile."""
    with (
        busy("Looking for a running stack") as now,
        running(settings().home, say=now.update) as stack,
    ):
        now.stop()
        with using_environment(stack.environment):
            with watching(is_quiet=is_quiet) as watch:
                ended = run_deployment(stack, deployment, parameters, watch)
            yield ended


def bill(period: str, on: str | None, as_json: bool) -> int:
    """Run monthly-billing on the stack that is up, or on one of our own, and show what it made."""
    wanted, day = Period.parse(period), asked.business_date(on)
    parameters = {"period": wanted.label, "business_date": day.isoformat()}
    with _ended(MONTHLY_BILLING, parameters, is_quiet=as_json) as ended, snapshot() as connection:
        found, reconciled = standing(connection, wanted), reconcile(connection, wanted)
    if as_json:
        showing.print_json({
            "run_id": ended.run_id, "message": ended.sentence, "needs_a_person": ended.needs_a_person,
            "documents": found.documents, "reconciliation": reconciled.as_json(),
        })  # fmt: skip
        return 0
    figures.show_documents(found.documents, f"Documents of {wanted.label}")
    figures.show_reconciliation(reconciled)
    showing.say(ended.sentence, "bold yellow" if ended.needs_a_person else "bold")
    return 0


def invoice(
    period: str,
    team: str | None,
    user: str | None,
    everybody: bool,
    number: str | None,
    on: str | None,
    as_json: bool,
) -> int:
    """Have a worker draft or refresh one payer's invoice, and show it as it stands then."""
    payer, wanted = billed(team, user, everybody=everybody), Period.parse(period)
    parameters = {"team": payer.team_id or "", "user": payer.user_id or "", "period": wanted.label,
                  "business_date": asked.business_date(on).isoformat(), "number": number or "",
                  "everybody": everybody}  # fmt: skip
    with _ended(INVOICE_ON_DEMAND, parameters, is_quiet=as_json) as ended, snapshot() as connection:
        # By the run: somebody else may have drafted for the same payer meanwhile.
        made = runs.find(connection, ended.run_id).counts
        (view,) = invoices.views(connection, [issuing.find(connection, made["number"])])
        pdf = publications.newest(connection, "invoice")[view.number]
    path = str(settings().files / pdf.uri)
    if as_json:
        told = {"run_id": ended.run_id, "outcome": made["outcome"], "pdf": path}
        showing.print_json({**told, **showing.plain(view)})
        return 0
    paper.show(view)
    showing.say(f"PDF  {path}")
    return 0
