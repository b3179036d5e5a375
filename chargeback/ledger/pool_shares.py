"""Pools read with their shares, so that what each bears of a record can be worked out.

Reads the views `seen_*`: to a viewer the shares of all others are one, with what is left of the weights. What its own
bear of a record may then differ in the eighteenth decimal from what is told to those who see every share.
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
    SELECT pool_id, allocation_id, weight, whole, place FROM seen_weights WHERE pool_id = ANY (CAST(:pools AS bigint[]))
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


_OTHERS = 0


def _divided(rows: Iterable[Any], taken: dict[int, tuple[int, ...]]) -> dict[int, list[PoolShare]]:
    found: dict[int, list[PoolShare]] = {}
    left: dict[int, int] = {}
    for row in rows:
        weight, passed_to = money.units(row.weight), taken.get(row.allocation_id, ())
        share = PoolShare(row.allocation_id, None, weight, row.place, passed_to)
        found.setdefault(row.pool_id, []).append(share)
        left[row.pool_id] = left.get(row.pool_id, money.units(row.whole)) - weight
    for pool_id, weight in left.items():
        if weight:
            found[pool_id].append(PoolShare(_OTHERS, None, weight, len(found[pool_id]) + 10**9))
    return found
