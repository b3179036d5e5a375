"""The guide's words: what the ledger's values are called and how they are written in JSON."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from chargeback.driver_reading import written
from chargeback.exact_json import figure
from chargeback.ledger.posting import Held
from chargeback.ledger.rule_reach import Stamps
from chargeback.ledger.shares import Share
from chargeback.ledger.usage_reading import Record, Summary, Sums
from chargeback.periods import Period
from chargeback.rule import ALWAYS_FROM, ALWAYS_TO, Rule
from chargeback.stretch import Stretch, end_of, start_of
from chargeback.views import InvoiceView, LineView
from models.enums import LineKind

ROOT = "/api/chargeback"


def instant(at: datetime) -> str:
    """An instant in UTC, with microseconds where it has some."""
    written = at.strftime("%Y-%m-%dT%H:%M:%S")
    return f"{written}.{at:%f}Z" if at.microsecond else f"{written}Z"


def day(on: date | None) -> str | None:
    """A calendar date as the guide writes dates."""
    return None if on is None else f"{on.isoformat()}T00:00:00Z"


def usage_record(held: Held | Record) -> dict[str, Any]:
    """A usage record; `record_id` is the ledger's own id of it."""
    return {
        "usage_id": held.usage_id,
        "record_id": held.record_id,
        "team_id": held.team_id,
        "user_id": held.user_id,
        "agent_id": held.agent_id,
        "account_id": held.account_id,
        "resource_type": held.resource_type,
        "resource_id": held.resource_id,
        "quantity": figure(held.quantity),
        "unit": held.unit,
        "cost_usd": figure(held.cost),
        "timestamp": instant(held.usage_at),
        "metadata": held.metadata,
    }


def listed_record(record: Record) -> dict[str, Any]:
    """A record in a list: also which revision it is, and which source it came from."""
    return {**usage_record(record), "source": record.source, "revision": record.revision}


def summary(
    found: Summary, stretch: Stretch, team_id: str | None, user_id: str | None
) -> dict[str, Any]:
    """What was used in a stretch of time."""
    return {
        "period_start": stretch.start,
        "period_end": stretch.end,
        "team_id": team_id,
        "user_id": user_id,
        "total_cost_usd": figure(found.total.cost),
        "total_quantity": figure(found.total.quantity),
        "record_count": found.total.record_count,
        "by_resource_type": _by(found.by_resource_type),
        "by_agent": _by(found.by_agent),
    }


def _by(sums: dict[str, Sums]) -> dict[str, dict[str, Decimal]]:
    return {
        key: {"cost": figure(one.cost), "quantity": figure(one.quantity)}
        for key, one in sums.items()
    }


def allocation(share: Share) -> dict[str, Any]:
    """What one payer bears of a period under one rule, with the ids of the usage it comes from."""
    name = share.name
    return {
        "allocation_id": str(name),
        "rule_id": name.rule_id,
        "team_id": name.team_id,
        "user_id": name.user_id,
        "period_start": start_of(name.period),
        "period_end": end_of(name.period),
        "total_cost_usd": figure(share.cost),
        "total_quantity": figure(share.quantity),
        "usage_records": list(share.usage_ids),
        "has_more_usage_records": share.has_more_usage,
        "usage_url": f"{ROOT}/allocations/{name}/usage",
        "allocation_details": {},
    }


def invoice(view: InvoiceView) -> dict[str, Any]:
    """An invoice or credit note whole."""
    return {
        "invoice_id": view.invoice_id,
        "invoice_number": view.number,
        "kind": view.kind.value,
        "scope": view.scope.value,
        "team_id": view.team_id,
        "user_id": view.user_id,
        "period_start": start_of(view.period),
        "period_end": end_of(view.period),
        "status": view.status.value,
        "line_items": [_line(line, view.period) for line in view.lines],
        "subtotal_usd": figure(view.subtotal),
        "rounding_difference_usd": figure(view.rounding_difference),
        "tax_rate": figure(view.tax_rate),
        "tax_usd": figure(view.tax),
        "total_usd": figure(view.total),
        "currency": view.currency,
        "issue_date": day(view.issue_date),
        "due_date": day(view.due_date),
        "paid_date": day(view.paid_date),
        "revision": view.revision,
        "is_stale": view.is_stale,
        "credits_invoice_number": view.credits_number,
        "credited_by_number": view.credited_by_number,
        "held_elsewhere": [
            {"invoice_number": number, "amount_usd": figure(amount)}
            for number, amount in view.held_elsewhere
        ],
        "pdf_url": f"{ROOT}/invoices/{view.invoice_id}/pdf",
    }


def rule(kept: Rule, known: Stamps) -> dict[str, Any]:
    """A rule in its current version, since when there is one of its id and since when it is so."""
    stamps = {name: f"{at:%Y-%m-%dT%H:%M:%S.%fZ}" for name, at in known._asdict().items()}
    return {**rule_fields(kept), "version": kept.version, **stamps}


def rule_fields(kept: Rule) -> dict[str, Any]:
    """The rule in the words in which it can be given again."""
    return {
        "rule_id": kept.rule_id,
        "name": kept.name,
        "description": kept.description,
        "rule_type": kept.rule_type.value,
        "enabled": kept.enabled,
        "team_id": kept.team_id,
        "user_ids": list(kept.user_ids),
        "entity_ids": list(kept.entity_ids),
        "split_percentages": {entity: figure(share) for entity, share in kept.split_percentages},
        "driver": written(kept.driver),
        "stage": kept.stage,
        "priority": kept.priority,
        "valid_from": _bound(kept.valid_from),
        "valid_to": _bound(kept.valid_to),
        "match": {
            "user_ids": list(kept.match_user_ids),
            "agent_ids": list(kept.agent_ids),
            "account_ids": list(kept.account_ids),
            "resource_types": list(kept.resource_types),
        },
        "allocation_metadata": dict(kept.metadata),
    }


def _bound(on: date) -> str | None:
    return None if on in (ALWAYS_FROM, ALWAYS_TO) else on.isoformat()


def figures(told: Any) -> Any:
    """A reconciliation as it is told elsewhere, its amounts as numbers."""
    if isinstance(told, list):
        return [figures(one) for one in told]
    if not isinstance(told, dict):
        return told
    return {
        name: figure(Decimal(value))
        if isinstance(value, str) and name not in _NAMES
        else figures(value)
        for name, value in told.items()
    }


_NAMES = frozenset(
    {"period", "currency", "source", "role", "number", "kind", "status", "team_id", "user_id"}
)


def _line(line: LineView, period: Period) -> dict[str, Any]:
    description = line.description
    if line.kind is LineKind.USAGE:
        name = line.resource_type.replace("_", " ").title()
        described = f"{name} Usage - {start_of(period)} to {end_of(period)}"
        is_credit = description.startswith("Credit: ")
        description = f"Credit: {described}" if is_credit else described
    return {
        "description": description,
        "quantity": figure(line.quantity),
        "unit": line.unit,
        "unit_price": figure(line.unit_price),
        "total_price": figure(line.amount),
        "resource_type": line.resource_type,
    }
