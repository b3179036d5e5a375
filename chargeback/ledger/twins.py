"""Calls that look recorded twice: by one source under two ids, or by two sources.

Owns finding them. They are listed and not dropped: two calls may well be alike, and only a person knows.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, text

from chargeback.money import written
from chargeback.periods import Period


@dataclass(frozen=True)
class Twin:
    """A record and the one just before it that looks the same.

    Units: `cost` of the later one, in the ledger's currency.
    """

    usage_at: datetime
    source: str
    external_id: str
    other_source: str
    other_external_id: str
    agent_id: str | None
    model: str | None
    tokens: Decimal
    cost: Decimal

    def as_json(self) -> dict[str, Any]:
        """The pair, exact decimals as text."""
        return {
            **vars(self),
            "usage_at": self.usage_at.isoformat(),
            "tokens": written(self.tokens),
            "cost": written(self.cost),
        }


@dataclass(frozen=True)
class Twins:
    """The most costly pairs, and how many there are and what the later ones cost together."""

    pairs: tuple[Twin, ...]
    count: int
    cost: Decimal

    def as_json(self) -> dict[str, Any]:
        """All of it, exact decimals as text."""
        return {
            "count": self.count,
            "cost": written(self.cost),
            "pairs": [one.as_json() for one in self.pairs],
        }


def twins(connection: Connection, period: Period, most: int) -> Twins:
    """Pairs of the period's records that look like one call.

    In one source: the same agent, user, model, tokens and cost within 2 seconds, under two ids. In two sources that
    are both billed: the same id, or the same model and tokens within 2 seconds, and no agents that differ.
    """
    rows = connection.execute(
        _TWINS, {"start": period.start, "end": period.end, "most": most}
    ).all()
    pairs = tuple(Twin(*row[:9]) for row in rows)
    return Twins(pairs, rows[0].found if rows else 0, rows[0].whole if rows else Decimal(0))


# A window over the sorted records stays cheap where a join of many alike would not.
_TWINS = text("""
    WITH standing AS (
        SELECT s.name, r.source_id, r.external_id, r.usage_at, r.usage_id, r.agent_id, r.user_id, r.sku, r.quantity,
            r.cost, lower(r.unit) = 'tokens' AND r.quantity > 0 AS has_tokens
        FROM usage_records r JOIN usage_sources s USING (source_id)
        WHERE r.usage_date >= :start AND r.usage_date < :end AND s.role = 'allocate' AND r.record_count = 1
          AND r.usage_at >= CAST(:start AS date) - 2 AND r.usage_at < CAST(:end AS date) + 2
          AND NOT EXISTS (SELECT FROM usage_records v WHERE v.usage_id = r.usage_id AND v.revision > r.revision)),
    beside AS (
        SELECT s.*, 'source' AS kind, lag(name) OVER w AS other, lag(external_id) OVER w AS other_id,
            lag(usage_at) OVER w AS other_at, lag(agent_id) OVER w AS other_agent
        FROM standing s WHERE has_tokens
        WINDOW w AS (PARTITION BY source_id, agent_id, user_id, sku, quantity, cost ORDER BY usage_at, usage_id)
        UNION ALL
        SELECT s.*, 'call', lag(name) OVER w, lag(external_id) OVER w, lag(usage_at) OVER w, lag(agent_id) OVER w
        FROM standing s WHERE has_tokens AND (SELECT count(*) > 1 FROM usage_sources WHERE role = 'allocate')
        WINDOW w AS (PARTITION BY sku, quantity ORDER BY usage_at, usage_id)
        UNION ALL
        SELECT s.*, 'id', lag(name) OVER w, lag(external_id) OVER w, usage_at, agent_id
        FROM standing s WHERE (SELECT count(*) > 1 FROM usage_sources WHERE role = 'allocate')
        WINDOW w AS (PARTITION BY external_id ORDER BY usage_at, usage_id)),
    pairs AS (
        SELECT DISTINCT usage_at, name, external_id, other, other_id, agent_id, sku, quantity, cost FROM beside
        WHERE usage_at - other_at <= interval '2 seconds' AND other IS NOT NULL
          AND CASE kind WHEN 'source' THEN true
              ELSE other <> name AND coalesce(agent_id, other_agent, '') = coalesce(other_agent, agent_id, '') END)
    SELECT *, count(*) OVER () AS found, sum(cost) OVER () AS whole FROM pairs
    ORDER BY abs(cost) DESC, usage_at, name COLLATE "C", external_id COLLATE "C" LIMIT :most
""")
