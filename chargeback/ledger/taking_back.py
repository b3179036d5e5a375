"""Who bears what takes billed cost back: those who bear that cost, as it was shared, whatever the rules say now.

Owns the allocations of reversal pools, and which shares follow a write-off. Works on `new_pools`, `classified`
and `frozen`, which `pools` and `classification` leave.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, text

from chargeback import money
from chargeback.ledger.staging import stage

# In a direct pool a cell's payer is the pool's one allocation of the cell's user.
_DIRECT = text("""
    INSERT INTO allocations (pool_id, usage_date, team_id, user_id, cost, quantity)
    SELECT n.pool_id, n.usage_date, a.team_id, a.user_id, sum(c.cost), sum(c.quantity)
    FROM new_pools n JOIN pool_cells h USING (pool_id) JOIN classified c ON c.cell_id = h.cell_id
    JOIN allocations a ON a.pool_id = n.of_pool_id AND a.user_id IS NOT DISTINCT FROM c.user_id
    WHERE n.kind = 'reversal' AND n.rule_type IN ('by_usage', 'by_user', 'unattributed')
    GROUP BY n.pool_id, n.usage_date, a.team_id, a.user_id
""")

# A divided pool and what took of it before: what its payers bear of it now.
_BORNE = text("""
    SELECT n.pool_id, n.of_pool_id, n.usage_date, n.cost AS taken_cost, n.quantity AS taken_quantity,
        o.team_id, o.user_id, b.cost, b.quantity, coalesce(o.weight, 1) AS weight
    FROM new_pools n JOIN allocations o ON o.pool_id = n.of_pool_id
    CROSS JOIN LATERAL (
        SELECT sum(a.cost) AS cost, sum(a.quantity) AS quantity FROM cost_pools p JOIN allocations a USING (pool_id)
        WHERE (p.pool_id = n.of_pool_id OR (p.of_pool_id = n.of_pool_id AND p.kind = 'reversal'))
          AND p.retired_at IS NULL
          AND a.team_id IS NOT DISTINCT FROM o.team_id AND a.user_id IS NOT DISTINCT FROM o.user_id) b
    WHERE n.kind = 'reversal' AND n.rule_type NOT IN ('by_usage', 'by_user', 'unattributed')
    ORDER BY n.pool_id, o.team_id COLLATE "C" NULLS FIRST, o.user_id COLLATE "C" NULLS FIRST
""")

_MARK_DIVIDED = text("""
    UPDATE cost_pools p SET split_digest = o.split_digest FROM new_pools n JOIN cost_pools o ON o.pool_id = n.of_pool_id
    WHERE p.pool_id = n.pool_id AND n.kind = 'reversal' AND o.split_digest IS NOT NULL
""")


def allocate_reversals(connection: Connection) -> int:
    """Allocate the new reversal pools to those who bear what they take back; how many allocations that makes."""
    if not connection.execute(
        text("SELECT EXISTS (SELECT FROM new_pools WHERE kind = 'reversal')")
    ).scalar_one():
        return 0
    allocations = connection.execute(_DIRECT).rowcount
    connection.execute(_MARK_DIVIDED)
    rows = connection.execute(_BORNE).all()
    taken: dict[int, dict[str, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0]))
    shares = [
        share
        for _, pool in groupby(rows, key=lambda row: row.pool_id)
        for share in _take_back(list(pool), taken)
    ]
    stage(
        connection, "taken_shares",
        "pool_id bigint, usage_date date, team_id text, user_id text, cost numeric, quantity numeric, weight numeric",
        shares,
    )  # fmt: skip
    return (
        allocations
        + connection.execute(
            text("""INSERT INTO allocations (pool_id, usage_date, team_id, user_id, cost, quantity, weight)
                SELECT pool_id, usage_date, team_id, user_id, cost, quantity, weight FROM taken_shares""")
        ).rowcount
    )


def _take_back(
    rows: Sequence[Any], taken: dict[int, dict[str, list[int]]]
) -> Iterator[tuple[object, ...]]:
    """One reversal's shares: afterwards each payer bears exactly the split of what is left, by the first weights.

    So taking all of it back leaves each payer with 0, in one step or in many. `taken` holds what other new
    reversals of the same pools take.
    """
    weights = {_key(row): money.units(row.weight) for row in rows}
    left = {}
    for at, name in enumerate(("cost", "quantity")):
        before = {
            _key(row): money.units(getattr(row, name)) + taken[row.of_pool_id][_key(row)][at]
            for row in rows
        }
        amount = money.units(getattr(rows[0], f"taken_{name}"))
        after = money.split(sum(before.values()) + amount, weights)
        left[name] = {key: after[key] - before[key] for key in before}
    for row in rows:
        key = _key(row)
        cost, quantity = left["cost"][key], left["quantity"][key]
        taken[row.of_pool_id][key][0] += cost
        taken[row.of_pool_id][key][1] += quantity
        yield (row.pool_id, row.usage_date, row.team_id, row.user_id,
               money.amount(cost), money.amount(quantity), row.weight)  # fmt: skip


def _key(row: Any) -> str:
    """The payer as one text, as `sharing` orders them."""
    return f"{row.team_id or ''}\0{row.user_id or ''}"


# A share is written off where the document that claims it is cancelled and kept its claims, or where it corrects
# such a share of the same payer.
_IS_OFF = """EXISTS (
    SELECT FROM allocations o
    WHERE o.pool_id = p.of_pool_id AND o.team_id IS NOT DISTINCT FROM a.team_id
      AND o.user_id IS NOT DISTINCT FROM a.user_id
      AND EXISTS (  -- What a later stage passes on of a billed pool is no share of it.
          SELECT FROM cost_pools q JOIN allocation_rules before ON before.rule_key = q.rule_key
          JOIN allocation_rules now ON now.rule_key = p.rule_key
          WHERE q.pool_id = o.pool_id AND (before.stage = 1) = (now.stage = 1))
      AND (o.is_written_off OR EXISTS (
          SELECT FROM line_allocations c JOIN invoice_lines l USING (line_id) JOIN invoices i USING (invoice_id)
          WHERE c.allocation_id = o.allocation_id AND c.released_by_line_id IS NULL AND i.status = 'cancelled')))"""
_WRITE_OFF = text(f"""
    UPDATE allocations a SET is_written_off = true FROM cost_pools p
    WHERE p.pool_id = a.pool_id AND p.pool_id IN (SELECT pool_id FROM new_pools WHERE kind <> 'usage') AND {_IS_OFF}
""")  # noqa: S608 - made of constants only
_OUTDATED = text(f"""
    SELECT DISTINCT p.pool_id FROM cost_pools p JOIN allocations a USING (pool_id)
    WHERE p.usage_date = ANY (:days) AND p.of_pool_id IS NOT NULL AND p.retired_at IS NULL
      AND NOT EXISTS (SELECT FROM frozen f WHERE f.pool_id = p.pool_id) AND a.is_written_off <> {_IS_OFF}
""")  # noqa: S608 - made of constants only


def write_off_with_originals(connection: Connection) -> None:
    """Mark the new shares that correct what was written off: nobody is asked for them, nobody gets them back."""
    connection.execute(_WRITE_OFF)


def pools_of_new_write_offs(connection: Connection, days: Sequence[date]) -> list[int]:
    """The unfrozen corrections of the days whose originals were written off since."""
    return list(connection.execute(_OUTDATED, {"days": list(days)}).scalars())
