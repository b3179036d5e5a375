"""What decides, at this moment, what one source's usage costs: its currency, its setting for what costs nothing,
rates and fixes. Owns gathering that for `chargeback.sources.pricing`, which alone applies it.
"""

from sqlalchemy import Connection, text

from chargeback.errors import Invalid
from chargeback.ledger import audit, fixes, rates, usage_sources
from chargeback.settings import settings
from chargeback.sources import currency_of
from chargeback.sources.contract import ReadsRows
from chargeback.sources.pricing import Pricing
from models.enums import ZeroCost


def pricing_of(connection: Connection, kept: usage_sources.KeptSource, tracker: object) -> Pricing:
    """How usage of the source is priced now; `tracker` reads its refused rows again, if it can."""
    return Pricing(
        currency=settings().currency,
        source_currency=currency_of(kept.kind, kept.config),
        zone=settings().zone,
        zero_cost=kept.zero_cost,
        rate_card=rates.rate_card(connection),
        exchange=rates.exchange_rates(connection),
        fixes=fixes.in_force(connection, kept.name),
        read_row=tracker.read_row if isinstance(tracker, ReadsRows) else None,
    )


def decide_zero_cost(connection: Connection, name: str, given: str, actor: str) -> bool:
    """What becomes of the source's usage that has tokens and costs nothing; whether that is new.

    It holds for what is read from now on and for replays; usage that is held stays as it is booked until it is
    delivered again. Raises Invalid for a word that is none of the three.
    """
    if given not in list(ZeroCost):
        raise Invalid(
            "zero_cost_invalid",
            f"{given!r} is no way to treat what costs nothing; say {', '.join(ZeroCost)}",
        )
    kept = usage_sources.find(connection, name)
    if kept.zero_cost == given:
        return False
    connection.execute(
        text("UPDATE usage_sources SET zero_cost = :given WHERE source_id = :id"),
        {"given": given, "id": kept.source_id},
    )
    before = {"zero_cost": kept.zero_cost}
    audit.append(
        connection,
        audit.Entry(actor, "source.zero_cost", "source", name, before, {"zero_cost": given}),
    )
    return True
