"""Events for automations: what became of documents, periods and figures, told to Prefect.

Told at most once, after the ledger has committed; the ledger is the record, an event only calls somebody.
"""

import logging
from collections.abc import Mapping
from typing import Any

from prefect.events import emit_event

log = logging.getLogger("chargeback.flows")


def tell(event: str, kind: str, subject: str, payload: Mapping[str, Any]) -> None:
    """Emit `chargeback.<event>` about one thing, like `chargeback.invoice.sent` about INV-20261101-0001."""
    try:
        emit_event(
            f"chargeback.{event}",
            resource={
                "prefect.resource.id": f"chargeback.{kind}.{subject}",
                "prefect.resource.name": subject,
            },
            payload={name: str(value) for name, value in payload.items() if value is not None},
        )
    except Exception:
        # Whatever keeps Prefect from hearing it, what happened has happened.
        log.exception("event.untold event=%s subject=%s", event, subject)
