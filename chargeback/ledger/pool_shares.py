"""Pools read with their shares, so that what each bears of a record can be worked out.

Reads the views `seen_*`: a viewer finds of others' shares their weights only.
"""

from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import Connection, text

from chargeback import money
from chargeback.lineage import Pool, PoolShare

_LATER = text("""
    WITH RECURSIVE later AS (
        SELECT unnest(CAST(:pools AS bigint[])) AS pool_id
        UNION
        SELECT t.pool_id FROM later l JOIN seen_taken t ON t.from_pool_id = l.pool_id)
    SELECT pool_id FROM later
""")
_OWN = text("""
    SELECT pool_id, allocation_id, user_id, is_divided FROM seen_shares WHERE pool_id = ANY (CAST(:pools AS bigint[]))
""")
_WEIGHTS = text("""
    SELECT pool_id, allocation_id, weight, place FROM seen_weights WHERE pool_id = ANY (CAST(:pools AS bigint[]))
""")
_TAKEN = text("""
    SELECT allocation_id, pool_id FROM seen_taken WHERE from_pool_id = ANY (CAST(:pools AS bigint[])) ORDER BY pool_id
""")


def load_pools(connection: Connection, pool_ids: Collection[int]) -> dict[int, Pool]:
    """These pools and those of later stages that took shares of them."""
    asked = {"pools": list(connection.execute(_LATER, {"pools": list(pool_ids)}).scalars())}
    own = connection.execute(_OWN, asked).all()
    taken: dict[int, tuple[int, ...]] = {}
    for allocation_id, pool_id in connection.execute(_TAKEN, asked):
        taken[allocation_id] = (*taken.get(allocation_id, ()), pool_id)
    divided = {row.pool_id for row in own if row.is_divided}
    whole = [row for row in own if not row.is_divided]
    shares = _direct(whole, taken)
    if divided:
        shares |= _divided(connection.execute(_WEIGHTS, {"pools": sorted(divided)}), taken)
    return {pool_id: Pool(pool_id in divided, tuple(found)) for pool_id, found in shares.items()}


def _direct(rows: Iterable[Any], taken: dict[int, tuple[int, ...]]) -> dict[int, list[PoolShare]]:
    found: dict[int, list[PoolShare]] = {}
    for row in rows:
        passed_to = taken.get(row.allocation_id, ())
        share = PoolShare(row.allocation_id, row.user_id, 1, row.allocation_id, passed_to)
        found.setdefault(row.pool_id, []).append(share)
    return found


def _divided(rows: Iterable[Any], taken: dict[int, tuple[int, ...]]) -> dict[int, list[PoolShare]]:
    found: dict[int, list[PoolShare]] = {}
    for row in rows:
        passed_to = taken.get(row.allocation_id, ())
        share = PoolShare(row.allocation_id, None, money.units(row.weight), row.place, passed_to)
        found.setdefault(row.pool_id, []).append(share)
    return found
