"""Hold what teams spent against their budgets, and tell Prefect of thresholds passed."""

from datetime import date, timedelta
from typing import Any

from httpx import HTTPError
from prefect.client.orchestration import get_client
from prefect.events import Event
from prefect.exceptions import PrefectException

from chargeback.errors import Unavailable
from chargeback.ledger import budgets
from chargeback.ledger.budgets import Alert
from chargeback.ledger.database import transaction
from chargeback.ledger.invoices import plain
from chargeback.periods import Period
from tasks.steps import step

EVENT = "chargeback.budget.threshold"
WATCHER = "chargeback"


@step("watch budgets as of {as_of}")
def watch_budgets(as_of: date) -> dict[str, Any]:
    """Write down the thresholds that the month and the month before passed, and tell Prefect of each, once.

    The month before is looked at too, since usage comes late. Rerun: what was written down and told stays so.
    Raises Unavailable where Prefect did not hear; what waits is told by the next try.
    """
    month = Period.month_of(as_of)
    with transaction() as connection:
        noticed = sum(
            budgets.notice(connection, budgets.standings(connection, one, as_of), WATCHER)
            for one in (Period.month_of(month.start - timedelta(1)), month)
        )
        waiting = budgets.untold(connection)
    told = [_tell(alert_id) for alert_id in waiting]
    if None in told:
        raise Unavailable(
            "events_wait",
            f"{told.count(None)} budget events could not be sent; run this again when Prefect answers",
        )
    return {"noticed": noticed, "told": sum(map(bool, told))}


def _tell(alert_id: int) -> bool | None:
    """Tell one alert under its lock: True when told, False when another process did, None when nobody heard."""
    with transaction() as connection:
        alert = budgets.lock(connection, alert_id)
        if alert is None:
            return False
        try:
            send_event(event_of(alert))
        except (HTTPError, PrefectException, OSError):
            budgets.note_attempt(connection, alert_id, is_told=False)
            return None
        budgets.note_attempt(connection, alert_id, is_told=True)
        return True


def event_of(alert: Alert) -> Event:
    """The alert as Prefect's automations see it; the same alert always has the same id."""
    return Event(
        id=alert.event_id,
        occurred=alert.noticed_at,
        event=EVENT,
        resource={
            "prefect.resource.id": f"chargeback.team.{alert.team_id}",
            "prefect.resource.name": alert.team_id,
        },
        payload={
            "team": alert.team_id,
            "month": f"{alert.month:%Y-%m}",
            "threshold_percent": alert.threshold,
            "budget": f"{plain(alert.amount):f}",
            "spent": f"{plain(alert.spent):f}",
        },
    )


def send_event(event: Event) -> None:
    """Hand the event to the Prefect server and wait until it has it. Raises what the connection raises."""
    with get_client(sync_client=True) as client:
        client.request("POST", "/events", json=[event.model_dump(mode="json")])
