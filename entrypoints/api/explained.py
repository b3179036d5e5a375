"""The guide's words for lines explained and for who bears a record."""

from typing import Any
from urllib.parse import quote

from chargeback.exact_json import figure
from chargeback.ledger.bearers import RecordExplained
from chargeback.ledger.line_usage import BorneRecord
from chargeback.lineage import AllocationExplained, Bearer, LineExplained, RulePart
from entrypoints.api.wire import ROOT, listed_record


def line(found: LineExplained, given: str) -> dict[str, Any]:
    """A line with its rules, and where its allocations and its usage are."""
    own = found.line
    here = f"{ROOT}/invoices/{quote(given, safe='')}/lines/{own.position}"
    return {
        "invoice_number": found.number,
        "kind": found.document.value,
        "status": found.status.value,
        "position": own.position,
        "cause": own.cause.value,
        "late_month": found.late_month.isoformat() if found.late_month else None,
        "credits_invoice_number": found.credits_number,
        "description": own.description,
        "quantity": figure(own.quantity),
        "unit": own.unit,
        "unit_price": figure(own.unit_price),
        "total_price": figure(own.amount),
        "resource_type": own.resource_type,
        "exact_cost_usd": figure(own.exact),
        "rules": [_rule(part) for part in found.rules],
        "allocations_url": f"{here}/allocations",
        "usage_url": f"{here}/usage",
    }


def _rule(part: RulePart) -> dict[str, Any]:
    return {
        "rule_id": part.rule_id,
        "rule_version": part.rule_version,
        "rule_name": part.rule_name,
        "rule_type": part.rule_type,
        "stage": part.stage,
        "source": part.source,
        "kind": part.kind,
        "is_reallocated": part.is_reallocated,
        "first_day": part.first_day.isoformat(),
        "last_day": part.last_day.isoformat(),
        "pools": part.pools,
        "allocations": part.allocations,
        "pool_cost_usd": None if part.pool_cost is None else figure(part.pool_cost),
        "cost_usd": figure(part.cost),
        "quantity": figure(part.quantity),
        "remarks": list(part.remarks),
        "came_from": [
            {
                "rule_id": one.rule_id,
                "rule_version": one.rule_version,
                "team_id": one.team_id,
                "cost_usd": figure(one.cost),
            }
            for one in part.came_from
        ],
    }


def allocation(one: AllocationExplained) -> dict[str, Any]:
    """One allocation of a line."""
    return {
        "allocation_id": one.allocation_id,
        "usage_date": one.usage_date.isoformat(),
        "source": one.source,
        "rule_id": one.rule_id,
        "rule_version": one.rule_version,
        "rule_type": one.rule_type,
        "kind": one.kind,
        "team_id": one.team_id,
        "user_id": one.user_id,
        "resource_type": one.resource_type,
        "unit": one.unit,
        "cost_usd": figure(one.cost),
        "quantity": figure(one.quantity),
        "weight": None if one.weight is None else figure(one.weight),
        "pool_cost_usd": None if one.pool_cost is None else figure(one.pool_cost),
        "remark": one.remark,
    }


def borne(one: BorneRecord) -> dict[str, Any]:
    """A record behind a line."""
    return {**listed_record(one.record), "borne_usd": figure(one.borne)}


def bearers(found: RecordExplained) -> dict[str, Any]:
    """A record and who bears it."""
    return {
        "revisions": [listed_record(one) for one in found.revisions],
        "cost_usd": figure(found.cost),
        "unallocated_usd": figure(found.unallocated),
        "bearers": [_bearer(one) for one in found.bearers],
    }


def _bearer(one: Bearer) -> dict[str, Any]:
    return {
        "revision": one.revision,
        "allocation_id": one.allocation_id,
        "rule_id": one.rule_id,
        "rule_version": one.rule_version,
        "rule_type": one.rule_type,
        "team_id": one.team_id,
        "user_id": one.user_id,
        "cause": one.cause,
        "cost_usd": figure(one.cost),
        "invoice_number": one.number,
        "position": one.position,
        "description": one.description,
        "status": one.status.value if one.status else None,
        "is_current": one.is_current,
        "is_written_off": one.is_written_off,
    }
