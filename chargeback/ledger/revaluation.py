"""Usage that entered at a rate which is no longer its month's: taken back, and booked at the rate there is now.

Owns finding it. What changed is booked as any changed usage (`usage.load`), and a scope of a snapshot as if it were
delivered again; prices of tokens are not looked at, for records do not tell kinds of tokens: such usage is priced anew
when its source delivers it again.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import text

from chargeback.ledger import intake, usage, usage_sources
from chargeback.ledger.chunks import chunks
from chargeback.ledger.database import snapshot, transaction
from chargeback.ledger.reading import Order
from chargeback.ledger.snapshot_sync import sync_snapshot
from chargeback.settings import settings
from chargeback.sources.contract import Scope, Scoped, Usage, Window
from chargeback.sources.pricing import priced

_DELIVERY = "booked at another rate"
_MOST_AT_ONCE = 10_000
_FIRST_ID = "00000000-0000-0000-0000-000000000000"


def revalue() -> int:
    """Book everything at the rates of its month; how many records changed.

    Rerun: what was booked at the right rate stays; a run that was killed is finished.
    """
    with transaction() as connection:
        kept = usage_sources.sources(connection)
    return sum(_revalue(one) + _revalue_scopes(one) for one in kept)


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
            batch = usage.load(connection, kept.source_id, _DELIVERY, [chunk], None)
        changed, after = changed + batch.changed, str(rows[-1].usage_id)


def _revalue_scopes(kept: usage_sources.KeptSource) -> int:
    with transaction() as connection:
        scopes = list(connection.execute(_SCOPES, {"source": kept.source_id}).scalars())
        pricing = intake.pricing_of(connection, kept, None)
    if not scopes:
        return 0
    held = _HeldScopes(scopes, pricing.currency)
    everything = Window(None, None)
    order = Order(kept.name, held, everything, settings().zone, settings().batch_records, pricing)
    return sum(one.new for one in sync_snapshot(order, kept, _DELIVERY, is_judged=False))


class _HeldScopes:
    """What is held of these scopes, as their source would deliver it again."""

    is_large = False

    def __init__(self, scopes: Sequence[int], currency: str) -> None:
        self._scopes = scopes
        self._currency = currency

    def read(self, window: Window) -> Iterator[Usage]:
        """The rows without their scopes."""
        return (found.row for found in self.read_scopes(window) if isinstance(found.row, Usage))

    def read_scopes(
        self,
        window: Window,  # noqa: ARG002 - scopes are read whole
        known: Sequence[int] = (),  # noqa: ARG002 - they are few
    ) -> Iterator[Scoped]:
        """Every record that stands."""
        some = {"yield_per": _MOST_AT_ONCE}
        with snapshot() as connection:
            for row in connection.execute(_HELD, {"scopes": self._scopes}, execution_options=some):
                scope = Scope(row.period_start, row.period_end, row.account)
                usage = _as_delivered(row)._replace(external_id="")
                yield Scoped(scope, usage._replace(currency=usage.currency or self._currency))


def _as_delivered(row: Any) -> Usage:
    """The record as its source told it; its days stay those it was booked on."""
    cost = row.cost + row.residual if row.original_cost is None else row.original_cost
    return Usage(
        1, row.external_id, row.usage_at, row.team_id, row.user_id, row.agent_id, row.account_id, row.owner_tag,
        row.resource_type, row.sku, row.unit, row.quantity, cost, row.usage_date, row.charge_date,
        row.original_currency,
    )  # fmt: skip


# Of what cost nothing no rate makes anything; of what was taken back nothing stands.
_STANDING = """r.record_count = 1
      AND NOT EXISTS (SELECT FROM usage_records v WHERE v.usage_id = r.usage_id AND v.revision > r.revision)"""
_ENTERED_AT_ANOTHER = f"""
    FROM usage_records r JOIN exchange_rates e
      ON e.currency = r.original_currency AND e.period_month = date_trunc('month', r.usage_date)
    WHERE r.source_id = :source AND r.original_currency IS NOT NULL AND r.exchange_rate <> e.rate
      AND r.original_cost <> 0 AND {_STANDING}
"""
_AT_OTHER_RATES = text(f"""
    SELECT r.* {_ENTERED_AT_ANOTHER} AND r.scope_id IS NULL AND r.usage_id > CAST(:after AS uuid)
    ORDER BY r.usage_id LIMIT :limit
""")
_SCOPES = text(f"SELECT DISTINCT r.scope_id {_ENTERED_AT_ANOTHER} AND r.scope_id IS NOT NULL")
_HELD = text(f"""
    SELECT r.*, s.period_start, s.period_end, s.account
    FROM usage_records r JOIN usage_scopes s USING (scope_id)
    WHERE r.scope_id = ANY (:scopes) AND {_STANDING} ORDER BY r.usage_id
""")  # noqa: S608 - made of constants only
