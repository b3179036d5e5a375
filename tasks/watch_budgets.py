"""Hold what teams spent against their budgets, and tell Prefect of thresholds passed."""

import logging
from datetime import date, timedelta
from typing import Any

from httpx import HTTPError
from prefect.client.orchestration import get_client
from prefect.events import Event
from prefect.exceptions import PrefectException

from chargeback.documents.wording import percent
from chargeback.errors import Unavailable
from chargeback.ledger import budgets
from chargeback.ledger.budgets import Alert, BudgetStanding
from chargeback.ledger.database import transaction
from chargeback.ledger.invoices import plain
from chargeback.money import ZERO, written
from chargeback.periods import Period
from tasks.steps import step

log = logging.getLogger("chargeback.tasks")

EVENT = "chargeback.budget.threshold"
WATCHER = "chargeback"


@step("watch budgets as of {as_of}")
def watch_budgets(as_of: date) -> dict[str, Any]:
    """Write down the thresholds that the month and the month before passed, and tell Prefect of each, once.

    The month before is looked at too, since usage comes late. Rerun: what was written down and told stays so.
    Raises Unavailable where Prefect did not hear; what waits is told by the next try.
    """
    month = Period.month_of(as_of)
    before = Period.month_of(month.start - timedelta(1))
    with transaction() as connection:
        noticed = budgets.notice(connection, budgets.standings(connection, before, as_of), WATCHER)
        standing = budgets.standings(connection, month, as_of)
        noticed += budgets.notice(connection, standing, WATCHER)
        waiting = budgets.untold(connection)
    told = [_tell(alert_id) for alert_id in waiting]
    if None in told:
        raise Unavailable(
            "events_wait",
            f"{told.count(None)} budget events could not be sent; run this again when Prefect answers",
        )
    over = [_row(one) for one in standing if _is_worth_telling(one)]
    return {"noticed": noticed, "told": sum(map(bool, told)), "over": over}


def _is_worth_telling(one: BudgetStanding) -> bool:
    """Whether a budget is passed in part, or will be passed whole."""
    if one.amount is None:
        return False
    return bool(one.passed) or (one.forecast is not None and one.forecast > one.amount)


def _row(one: BudgetStanding) -> dict[str, str]:
    assert one.amount is not None, "only budgets are told of"
    return {
        "team": one.team_id,
        f"budget ({one.currency})": written(one.amount),
        "spent": written(one.spent),
        "of it": percent(one.spent_share or ZERO),
        "forecast": "" if one.forecast is None else written(one.forecast),
        "will be": percent(one.forecast_share or ZERO),
    }


def _tell(alert_id: int) -> bool | None:
    """Tell one alert under its lock: True when told, False when another process did, None when nobody heard."""
    with transaction() as connection:
        alert = budgets.lock(connection, alert_id)
        if alert is None:
            return False
        try:
            send_event(event_of(alert))
        except (HTTPError, PrefectException, OSError) as failure:
            log.warning(
                "budget.untold team=%s month=%s reason=%r", alert.team_id, alert.month, failure
            )
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
