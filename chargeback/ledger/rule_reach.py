"""What a rule would take, and since when there is one: what an answer about rules says beside the rule."""

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy import Connection, text

from chargeback.ledger.classification import classify
from chargeback.ledger.rulebook import KeptRule, kept_rules


class Stamps(NamedTuple):
    """When a rule's first version was written, and its newest."""

    created_at: datetime
    updated_at: datetime


class Reach(NamedTuple):
    """How much cost outside frozen pools a rule takes, exact, and on how many days."""

    cost: Decimal
    days: int


def stamps(connection: Connection) -> dict[str, Stamps]:
    """The stamps of every rule there ever was."""
    rows = connection.execute(
        text("SELECT rule_id, min(created_at), max(created_at) FROM allocation_rules GROUP BY 1")
    )
    return {rule_id: Stamps(created_at, updated_at) for rule_id, created_at, updated_at in rows}


def reach(connection: Connection, kept: KeptRule) -> Reach:
    """What this version takes as rules, owners and frozen pools are now; nothing is booked.

    Usage in open batches is not counted: seal them first.
    """
    days = connection.execute(
        text("SELECT usage_date FROM allocation_days ORDER BY usage_date")
    ).scalars()
    classify(connection, list(days), kept_rules(connection))
    cost, count = connection.execute(
        text("""SELECT coalesce(sum(cost), 0), count(DISTINCT usage_date) FROM classified
                WHERE rule_key = :key"""),
        {"key": kept.key},
    ).one()
    return Reach(cost, count)
