"""Usage that entered at a rate which is no longer its month's: taken back, and booked at the rate there is now.

Owns finding it. What changed is booked as any changed usage (`usage.load`); prices of tokens are not looked at, for
records do not tell kinds of tokens: such usage is priced anew when its source delivers it again.
"""

from typing import Any

from sqlalchemy import text

from chargeback.ledger import intake, usage, usage_sources
from chargeback.ledger.chunks import chunks
from chargeback.ledger.database import transaction
from chargeback.settings import settings
from chargeback.sources.contract import Usage
from chargeback.sources.pricing import priced

_MOST_AT_ONCE = 10_000
_FIRST_ID = "00000000-0000-0000-0000-000000000000"


def revalue() -> int:
    """Book everything at the rates of its month; how many records changed.

    Rerun: what was booked at the right rate stays; a run that was killed is finished.
    """
    with transaction() as connection:
        kept = usage_sources.sources(connection)
    return sum(_revalue(one) for one in kept)


def _revalue(kept: usage_sources.KeptSource) -> int:
    changed, after = 0, _FIRST_ID
    while True:
        with transaction() as connection:
            # As every load does, so that nothing about the source changes meanwhile.
            connection.execute(
                text("SELECT FROM usage_sources WHERE source_id = :id FOR UPDATE"),
                {"id": kept.source_id},
            )
            rows = connection.execute(
                _AT_OTHER_RATES,
                {"source": kept.source_id, "after": after, "limit": _MOST_AT_ONCE},
            ).all()
            if not rows:
                return changed
            pricing = intake.pricing_of(connection, kept, None)
            told = priced(map(_as_delivered, rows), pricing)
            (chunk,) = chunks(told, kept.name, settings().zone, len(rows))
            batch = usage.load(connection, kept.source_id, "booked at another rate", chunk, None)
        changed, after = changed + batch.changed, str(rows[-1].usage_id)


def _as_delivered(row: Any) -> Usage:
    """The record as its source told it; its days stay those it was booked on."""
    return Usage(
        1, row.external_id, row.usage_at, row.team_id, row.user_id, row.agent_id, row.account_id, row.owner_tag,
        row.resource_type, row.sku, row.unit, row.quantity, row.original_cost, row.usage_date, row.charge_date,
        row.original_currency,
    )  # fmt: skip


# Of what cost nothing no rate makes anything; of what was taken back nothing stands.
_AT_OTHER_RATES = text("""
    SELECT r.* FROM usage_records r JOIN exchange_rates e
      ON e.currency = r.original_currency AND e.period_month = date_trunc('month', r.usage_date)
    WHERE r.source_id = :source AND r.original_currency IS NOT NULL AND r.exchange_rate <> e.rate
      AND r.original_cost <> 0 AND r.record_count = 1 AND r.usage_id > CAST(:after AS uuid)
      AND NOT EXISTS (SELECT FROM usage_records v WHERE v.usage_id = r.usage_id AND v.revision > r.revision)
    ORDER BY r.usage_id LIMIT :limit
""")
