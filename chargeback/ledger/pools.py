"""Cost pools: which of them stay, which are taken back, and the new ones, in set-based SQL.

Works on the temporary tables `frozen` and `classified` that `classification` fills, leaves `new_pools`. What
later stages take is `passing`'s; taking pools back and making them is the same for both.
In them `pool_team` is '' where a pool has no team, since ids are never empty, and `of_pool_id` and
`reallocation_id` are 0 where it has none.
"""

from collections.abc import Iterable, Sequence
from datetime import date

from sqlalchemy import Connection, text

# A cell is settled when the pool that holds it is the one it belongs to now, under the same team.
# A pool is stale when one of its cells is not settled, or when an unsettled cell belongs to it.
_STALE = text("""
    CREATE TEMPORARY TABLE stale_pools ON COMMIT DROP AS
    WITH unsettled AS (
        SELECT c.* FROM classified c LEFT JOIN cost_pools p ON p.pool_id = c.held_pool_id
        WHERE p.pool_id IS NULL
           OR NOT (c.is_held_alike AND p.rule_key = c.rule_key AND coalesce(p.team_id, '') = c.pool_team
               AND p.kind = c.kind AND coalesce(p.of_pool_id, 0) = c.of_pool_id
               AND coalesce(p.reallocation_id, 0) = c.reallocation_id)),
    wanted AS (SELECT DISTINCT usage_date, source_id, rule_key, pool_team, resource_type, unit,
                   kind, of_pool_id, reallocation_id FROM unsettled)
    SELECT held_pool_id AS pool_id FROM unsettled WHERE held_pool_id IS NOT NULL
    UNION
    SELECT p.pool_id FROM cost_pools p JOIN wanted w
      ON p.usage_date = w.usage_date AND p.source_id = w.source_id AND p.rule_key = w.rule_key
        AND coalesce(p.team_id, '') = w.pool_team AND p.resource_type = w.resource_type AND p.unit = w.unit
        AND p.kind = w.kind AND coalesce(p.of_pool_id, 0) = w.of_pool_id
        AND coalesce(p.reallocation_id, 0) = w.reallocation_id
    WHERE p.retired_at IS NULL AND NOT EXISTS (SELECT FROM frozen f WHERE f.pool_id = p.pool_id)
    UNION
    SELECT unnest(CAST(:others AS bigint[]))
""")

_ANY_HELD = text("SELECT EXISTS (SELECT FROM classified WHERE held_pool_id IS NOT NULL)")
_NONE_STALE = text("""
    CREATE TEMPORARY TABLE stale_pools ON COMMIT DROP AS SELECT unnest(CAST(:others AS bigint[])) AS pool_id
""")

# Pools of later stages that took of a stale one are stale too; none is frozen, or the earlier one would be.
_STALE_AFTER = text("""
    WITH RECURSIVE later AS (
        SELECT t.pool_id FROM stale_pools s JOIN allocations a USING (pool_id)
        JOIN pool_allocations t USING (allocation_id)
        UNION
        SELECT t.pool_id FROM later l JOIN allocations a ON a.pool_id = l.pool_id
        JOIN pool_allocations t USING (allocation_id))
    INSERT INTO stale_pools SELECT pool_id FROM later EXCEPT SELECT pool_id FROM stale_pools
""")

_DROP_CLAIMS = """
    WITH dropped AS (
        DELETE FROM line_allocations c USING allocations a
        WHERE a.allocation_id = c.allocation_id AND c.released_by_line_id IS NULL AND {condition}
        RETURNING c.line_id)
    UPDATE invoices SET is_stale = true
    WHERE invoice_id IN (SELECT invoice_id FROM invoice_lines JOIN dropped USING (line_id)) AND NOT is_stale
"""

# What was billed and cancelled is kept, retired, so that the cancelled invoice can be explained; and with it
# what it passed on.
_BILLED_ONCE = text("""
    CREATE TEMPORARY TABLE billed_once ON COMMIT DROP AS
    WITH RECURSIVE once AS (
        SELECT a.pool_id FROM allocations a JOIN line_allocations c USING (allocation_id)
        WHERE a.pool_id IN (SELECT pool_id FROM stale_pools) AND c.released_by_line_id IS NOT NULL
        UNION
        SELECT a.pool_id FROM allocations a JOIN retired_pool_allocations t USING (allocation_id)
        WHERE a.pool_id IN (SELECT pool_id FROM stale_pools)
        UNION
        SELECT a.pool_id FROM once o JOIN pool_allocations t ON t.pool_id = o.pool_id
        JOIN allocations a USING (allocation_id) WHERE a.pool_id IN (SELECT pool_id FROM stale_pools))
    SELECT DISTINCT pool_id FROM once
""")
_TAKE_BACK = (
    text("""INSERT INTO retired_pool_cells SELECT pool_id, cell_id, team_id, user_id FROM pool_cells
            WHERE pool_id IN (SELECT pool_id FROM billed_once)"""),
    text("""INSERT INTO retired_pool_allocations SELECT pool_id, allocation_id FROM pool_allocations
            WHERE pool_id IN (SELECT pool_id FROM billed_once)"""),
    text(
        """UPDATE cost_pools SET retired_at = now() WHERE pool_id IN (SELECT pool_id FROM billed_once)"""
    ),
    text("DELETE FROM pool_cells WHERE pool_id IN (SELECT pool_id FROM stale_pools)"),
    text("DELETE FROM pool_allocations WHERE pool_id IN (SELECT pool_id FROM stale_pools)"),
    text("""DELETE FROM allocations WHERE pool_id IN
            (SELECT pool_id FROM stale_pools EXCEPT SELECT pool_id FROM billed_once)"""),
    text("""DELETE FROM cost_pools WHERE pool_id IN
            (SELECT pool_id FROM stale_pools EXCEPT SELECT pool_id FROM billed_once)"""),
)


def lock_drafts(connection: Connection, days: Sequence[date]) -> None:
    """Keep drafts that claim of these days from leaving draft while their claims may be dropped."""
    connection.execute(
        text("""
            SELECT FROM invoices WHERE status = 'draft' AND invoice_id IN (
                SELECT l.invoice_id FROM cost_pools p JOIN allocations a USING (pool_id)
                JOIN line_allocations c USING (allocation_id) JOIN invoice_lines l USING (line_id)
                WHERE p.usage_date = ANY (:days) AND c.released_by_line_id IS NULL)
            ORDER BY invoice_id FOR UPDATE"""),
        {"days": list(days)},
    )


def remove_stale(connection: Connection, others: Iterable[int]) -> tuple[int, int]:
    """Take back the unfrozen pools whose cells changed, and `others`; how many, and how many drafts lost claims."""
    connection.execute(text("DROP TABLE IF EXISTS pg_temp.stale_pools"))
    # The first allocation of days has nothing to compare with, and need not look for it.
    is_first = not connection.execute(_ANY_HELD).scalar_one()
    connection.execute(_NONE_STALE if is_first else _STALE, {"others": list(others)})
    return take_back(connection)


def take_back(connection: Connection) -> tuple[int, int]:
    """Take back the pools in `stale_pools` and those after them; how many, and how many drafts lost claims."""
    stale: int = connection.execute(text("SELECT count(*) FROM stale_pools")).scalar_one()
    if not stale:
        return 0, 0
    connection.execute(text("ANALYZE pg_temp.stale_pools"))
    stale += connection.execute(_STALE_AFTER).rowcount
    drafts = drop_claims(connection, "a.pool_id IN (SELECT pool_id FROM stale_pools)")
    connection.execute(text("DROP TABLE IF EXISTS pg_temp.billed_once"))
    connection.execute(_BILLED_ONCE)
    for statement in _TAKE_BACK:
        connection.execute(statement)
    return stale, drafts


def drop_claims(connection: Connection, condition: str) -> int:
    """Drop what drafts claim of these allocations (`a`), and mark the drafts stale; how many they are."""
    return connection.execute(text(_DROP_CLAIMS.format(condition=condition))).rowcount


# What is in no pool, or was in a stale one, gets one: the next generation where an older pool of the same key
# stays. The pool names what it takes, which finds it again faster than its key would.
_KEY = """usage_date, source_id, rule_key, pool_team, resource_type, unit,
    kind, of_pool_id, reallocation_id"""
_NEW = f"""
    CREATE TEMPORARY TABLE new_pools ON COMMIT DROP AS
    WITH grouped AS (
        SELECT {_KEY}, rule_type, sum(cost) AS cost, sum(quantity) AS quantity, sum(record_count) AS record_count,
            array_agg({{taken_id}}) AS taken_ids
        FROM {{taken}} c
        WHERE c.held_pool_id IS NULL OR c.held_pool_id IN (SELECT pool_id FROM stale_pools)
        GROUP BY {_KEY}, rule_type),
    older AS (
        SELECT usage_date, source_id, rule_key, coalesce(team_id, '') AS pool_team, resource_type, unit, kind,
            coalesce(of_pool_id, 0) AS of_pool_id, coalesce(reallocation_id, 0) AS reallocation_id,
            max(generation) AS generation
        FROM cost_pools WHERE usage_date = ANY (:days) GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9)
    SELECT nextval((SELECT pg_get_serial_sequence('cost_pools', 'pool_id')::regclass)) AS pool_id, g.*,
        coalesce(o.generation, 0) + 1 AS generation
    FROM grouped g LEFT JOIN older o USING ({_KEY})
"""  # noqa: S608 - made of constants only
_INSERT = text("""
    INSERT INTO cost_pools (pool_id, usage_date, source_id, rule_key, team_id, resource_type, unit,
        kind, of_pool_id, reallocation_id, generation, cost, quantity, record_count) OVERRIDING SYSTEM VALUE
    SELECT pool_id, usage_date, source_id, rule_key, nullif(pool_team, ''), resource_type, unit,
        kind, nullif(of_pool_id, 0), nullif(reallocation_id, 0), generation, cost, quantity, record_count
    FROM new_pools
""")
_FILL = text("""
    INSERT INTO pool_cells (cell_id, pool_id, team_id, user_id)
    SELECT cell_id, n.pool_id, c.team_id, c.user_id
    FROM (SELECT pool_id, unnest(taken_ids) AS cell_id FROM new_pools) n JOIN classified c USING (cell_id)
    ORDER BY cell_id
""")


def insert_pools(connection: Connection, days: Sequence[date]) -> int:
    """Put every classified cell that is in no pool into a new one; how many pools that makes."""
    pools = make_pools(connection, days, "classified", "cell_id")
    connection.execute(_FILL)
    return pools


def make_pools(connection: Connection, days: Sequence[date], taken: str, taken_id: str) -> int:
    """Make pools, still empty, for what of the temporary table `taken` is in none; how many.

    `new_pools` keeps the ids of what each is to take, which are in the column `taken_id`.
    """
    connection.execute(text("DROP TABLE IF EXISTS pg_temp.new_pools"))
    connection.execute(text(_NEW.format(taken=taken, taken_id=taken_id)), {"days": list(days)})
    connection.execute(text("ANALYZE pg_temp.new_pools (pool_id, usage_date, rule_key, pool_team)"))
    return connection.execute(_INSERT).rowcount
