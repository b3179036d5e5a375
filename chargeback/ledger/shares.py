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
from chargeback.ledger.usage_reading import ENOUGH_CELLS, Place, Record, described, of_cells
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
# The pools that shares come from: their own, and of a later stage's those whose cost was passed on to it.
_BEHIND = text("""
    WITH RECURSIVE behind AS (
        SELECT place, pool_id, user_id, is_divided FROM jsonb_to_recordset(CAST(:own AS jsonb))
            AS own (place integer, pool_id bigint, user_id text, is_divided boolean)
        UNION
        SELECT b.place, t.from_pool_id, t.user_id, t.is_divided FROM behind b JOIN seen_passed_on t USING (pool_id))
    SELECT place, pool_id, user_id, is_divided FROM behind
""")
# Of each share enough cells for the ids that are shown; a divided pool's are those of all who bear it.
_CELLS = text("""
    SELECT place, cell_id FROM (
        SELECT w.place, c.cell_id, sum(abs(c.record_count))
            OVER (PARTITION BY w.place ORDER BY c.cell_id ROWS UNBOUNDED PRECEDING) - abs(c.record_count) AS before
        FROM seen_cells c
        JOIN jsonb_to_recordset(CAST(:wanted AS jsonb))
          AS w (place integer, pool_id bigint, user_id text, is_divided boolean)
          ON w.pool_id = c.pool_id AND (w.is_divided OR c.user_id IS NOT DISTINCT FROM w.user_id)
        WHERE c.reallocation_id IS NULL AND c.pool_id = ANY (CAST(:pools AS bigint[]))) counted
    WHERE before <= :most
""")
_IDS_OF_CELLS = text("""
    SELECT cell_id, array_agg(external_id ORDER BY usage_id) AS ids
    FROM seen_records WHERE cell_id = ANY (CAST(:cells AS bigint[])) GROUP BY cell_id ORDER BY cell_id
""")

# The planner takes the records of some cells for so many that it reads the table; of few cells they are found by
# index in a tenth of the time, whatever else the ledger holds. For many, as of a whole company, it is right.
_FEW_CELLS = 2_000
_ONLY_BY_INDEX = text("""
    SELECT set_config(name, :value, true)
    FROM unnest(ARRAY['enable_seqscan', 'enable_hashjoin', 'enable_mergejoin']) AS name
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
    """The first ids of each row's usage, and one more where there are more."""
    own = [
        {"place": place, "pool_id": pool, "user_id": row.user_id, "is_divided": row.is_divided}
        for place, row in enumerate(rows)
        for pool in row.pools
    ]
    wanted = _behind(connection, own)
    pools = sorted({one["pool_id"] for one in wanted})
    places: dict[int, list[int]] = {}
    values = {"wanted": json.dumps(wanted), "pools": pools, "most": most}
    for place, cell_id in connection.execute(_CELLS, values):
        places.setdefault(cell_id, []).append(place)
    ids: dict[int, list[str]] = {}
    for cell_id, found in _ids_of(connection, list(places)):
        for place in places[cell_id]:
            held = ids.setdefault(place, [])
            held += found[: most + 1 - len(held)]
    return ids


def _ids_of(connection: Connection, cells: Sequence[int]) -> Sequence[Any]:
    """Each cell and the ids of its records, in order."""
    are_few = len(cells) <= _FEW_CELLS
    if are_few:
        connection.execute(_ONLY_BY_INDEX, {"value": "off"})
    found = connection.execute(_IDS_OF_CELLS, {"cells": cells}).all()
    if are_few:
        connection.execute(_ONLY_BY_INDEX, {"value": "on"})
    return found


def _behind(connection: Connection, own: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    found = connection.execute(_BEHIND, {"own": json.dumps(own)})
    return [dict(row) for row in found.mappings()]


def usage_of(connection: Connection, name: ShareName, after: Place, most: int) -> list[Record]:
    """The records that a share comes from; of a divided pool all of them, whoever bears them.

    Raises NotFound for a share that nobody bears.
    """
    pools = connection.execute(
        _POOLS,
        {"start": name.period.start, "end": name.period.end, "rule_id": name.rule_id,
         "team_id": name.team_id, "user_id": name.user_id},
    ).all()  # fmt: skip
    if not pools:
        raise not_found(str(name))
    own = [
        {"place": 0, "pool_id": row.pool_id, "user_id": name.user_id, "is_divided": row.is_divided}
        for row in pools
    ]
    wanted = _behind(connection, own)
    values = {"wanted": json.dumps(wanted), "pools": sorted({one["pool_id"] for one in wanted})}
    cells = connection.execute(
        text(ENOUGH_CELLS.format(condition=_OF_POOLS)),
        {**values, "cell_id": after.cell_id, "most": most},
    ).scalars()
    return described(connection, of_cells(connection, list(cells), after, most))


_POOLS = text("""
    SELECT DISTINCT pool_id, is_divided FROM seen_allocations
    WHERE usage_date >= :start AND usage_date < :end AND rule_id = :rule_id
      AND team_id IS NOT DISTINCT FROM :team_id AND user_id IS NOT DISTINCT FROM :user_id
""")
_OF_POOLS = """pool_id = ANY (CAST(:pools AS bigint[])) AND EXISTS (
    SELECT FROM jsonb_to_recordset(CAST(:wanted AS jsonb)) AS w (pool_id bigint, user_id text, is_divided boolean)
    WHERE w.pool_id = c.pool_id AND (w.is_divided OR c.user_id IS NOT DISTINCT FROM w.user_id))"""
