"""What payers bear of a period, summed up per rule and payer, and the usage that it comes from.

Reads the views `seen_*`, in which every role finds what it may see. A share has no row of its own: its name
says the rule, the payer and the days, so the same question has the same name every time.
"""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple, Self

from sqlalchemy import Connection, text

from chargeback.errors import ChargebackError, NotFound
from chargeback.ledger.usage_reading import Place, Record, described
from chargeback.periods import Period

_PREFIX = "alloc-"


@dataclass(frozen=True)
class ShareName:
    """The rule, the payer and the days of a share; as text an id that outsiders may keep."""

    rule_id: str
    team_id: str | None
    user_id: str | None
    period: Period

    def __str__(self) -> str:
        days = [self.period.start.isoformat(), self.period.end.isoformat()]
        named = json.dumps([self.rule_id, self.team_id, self.user_id, *days], ensure_ascii=False)
        return _PREFIX + base64.urlsafe_b64encode(named.encode()).decode().rstrip("=")

    @classmethod
    def parse(cls, given: str) -> Self:
        """The share that an id names. Raises NotFound for what never was an id."""
        try:
            encoded = given.removeprefix(_PREFIX)
            padded = encoded + "=" * (-len(encoded) % 4)
            rule_id, team_id, user_id, start, end = json.loads(
                base64.b64decode(padded, altchars=b"-_", validate=True)
            )
            name = cls(
                rule_id,
                team_id,
                user_id,
                Period(date.fromisoformat(start), date.fromisoformat(end)),
            )
            if str(name) == given and isinstance(rule_id, str):
                return name
        except (ValueError, TypeError, RecursionError, ChargebackError):
            pass
        raise not_found(given)


def not_found(given: str) -> NotFound:
    """The one answer for a share that is not there, whyever."""
    return NotFound(
        "allocation_not_found",
        f"there is no allocation {given[:80]!r}; POST /allocate answers with those of a period",
    )


@dataclass(frozen=True)
class Share:
    """What one payer bears under one rule; the first usage ids it comes from, and whether there are more."""

    name: ShareName
    cost: Decimal
    quantity: Decimal
    usage_ids: tuple[str, ...]
    has_more_usage: bool


class Payers(NamedTuple):
    """Whose shares are asked for; None asks for anybody's."""

    team_id: str | None = None
    user_id: str | None = None
    rule_id: str | None = None


class After(NamedTuple):
    """Where a list of shares goes on."""

    rule_id: str = ""
    team_id: str = ""
    user_id: str = ""


_ASKED = """usage_date >= :start AND usage_date < :end
    AND (CAST(:team_id AS text) IS NULL OR team_id = :team_id)
    AND (CAST(:user_id AS text) IS NULL OR user_id = :user_id)
    AND (CAST(:rule_id AS text) IS NULL OR rule_id = :rule_id)"""
# The key of the list is made of texts that are never empty, so '' can stand for none.
_SHARES = text(f"""
    SELECT rule_id, team_id, user_id, sum(cost) AS cost, sum(quantity) AS quantity,
        array_agg(DISTINCT pool_id) AS pools, bool_or(is_divided) AS is_divided
    FROM seen_allocations WHERE {_ASKED}
      AND (rule_id COLLATE "C", coalesce(team_id, '') COLLATE "C", coalesce(user_id, '') COLLATE "C")
          > (:after_rule, :after_team, :after_user)
    GROUP BY rule_id, team_id, user_id
    ORDER BY rule_id COLLATE "C", coalesce(team_id, '') COLLATE "C", coalesce(user_id, '') COLLATE "C"
    LIMIT :most
""")  # noqa: S608 - made of constants only
_USAGE_IDS = text("""
    SELECT g.place, array_agg(u.external_id ORDER BY u.cell_id, u.usage_id) AS ids
    FROM jsonb_to_recordset(CAST(:groups AS jsonb)) AS g (place integer, user_id text, is_divided boolean, pools jsonb)
    CROSS JOIN LATERAL (
        SELECT r.external_id, r.cell_id, r.usage_id
        FROM (SELECT CAST(value AS bigint) AS pool_id, ordinality
              FROM jsonb_array_elements_text(g.pools) WITH ORDINALITY) p
        JOIN seen_records r USING (pool_id)
        WHERE g.is_divided OR r.user_id IS NOT DISTINCT FROM g.user_id
        ORDER BY p.ordinality, r.cell_id, r.usage_id LIMIT :most) u
    GROUP BY g.place
""")


def shares(
    connection: Connection, period: Period, payers: Payers, after: After, most: int, most_ids: int
) -> list[Share]:
    """The shares of the period's days in the order of rule, team and user; of each the first `most_ids` usage ids."""
    found = connection.execute(
        _SHARES,
        {"start": period.start, "end": period.end, **payers._asdict(), "most": most,
         "after_rule": after.rule_id, "after_team": after.team_id, "after_user": after.user_id},
    ).all()  # fmt: skip
    ids = _usage_ids(connection, found, most_ids)
    return [
        Share(
            ShareName(row.rule_id, row.team_id, row.user_id, period),
            row.cost,
            row.quantity,
            tuple(ids.get(place, ())[:most_ids]),
            len(ids.get(place, ())) > most_ids,
        )
        for place, row in enumerate(found)
    ]


def _usage_ids(connection: Connection, rows: Sequence[Any], most: int) -> dict[int, list[str]]:
    groups = [
        {"place": place, "user_id": row.user_id, "is_divided": row.is_divided, "pools": row.pools}
        for place, row in enumerate(rows)
    ]
    values = {"groups": json.dumps(groups), "most": most + 1}
    return {row.place: row.ids for row in connection.execute(_USAGE_IDS, values)}


_LINEAGE = text("""
    SELECT r.cell_id, r.usage_id AS record_id, r.revision, r.external_id, r.source_id, r.usage_at, r.team_id,
        r.user_id, r.agent_id, r.account_id, r.resource_type, r.unit, r.quantity, r.cost
    FROM seen_records r
    JOIN (SELECT DISTINCT pool_id, user_id, is_divided FROM seen_allocations
          WHERE usage_date >= :start AND usage_date < :end AND rule_id = :rule_id
            AND team_id IS NOT DISTINCT FROM :team_id AND user_id IS NOT DISTINCT FROM :user_id) a
      ON a.pool_id = r.pool_id AND (a.is_divided OR r.user_id IS NOT DISTINCT FROM a.user_id)
    WHERE (r.cell_id, r.usage_id, r.revision) > (:cell_id, CAST(:usage_id AS uuid), :revision)
    ORDER BY r.cell_id, r.usage_id, r.revision LIMIT :most
""")


def usage_of(connection: Connection, name: ShareName, after: Place, most: int) -> list[Record]:
    """The records that a share comes from; of a divided pool all of them, whoever bears them.

    Raises NotFound for a share that nobody bears.
    """
    asked = {"start": name.period.start, "end": name.period.end, "rule_id": name.rule_id,
             "team_id": name.team_id, "user_id": name.user_id}  # fmt: skip
    if not connection.execute(_EXISTS, asked).scalar():
        raise not_found(str(name))
    values = {**asked, **after._asdict(), "usage_id": str(after.usage_id), "most": most}
    return described(connection, connection.execute(_LINEAGE, values).all())


_EXISTS = text("""
    SELECT EXISTS (SELECT FROM seen_allocations
        WHERE usage_date >= :start AND usage_date < :end AND rule_id = :rule_id
          AND team_id IS NOT DISTINCT FROM :team_id AND user_id IS NOT DISTINCT FROM :user_id)
""")
