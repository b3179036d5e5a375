"""Taking usage back: the reversal of a held record, and the cell that says which cell it takes back.

Owns booking reversals, for whoever finds that a record is no longer so: a delivery with other content, a scope
without the row, a person. A record is never edited; its reversal is a revision of its own, with the facts and
days of what it takes back, so that both fall into the same pool or the reversal follows the billed one.
"""

from sqlalchemy import Connection, text

from chargeback.ledger.tallies import ManifestLine, Tally

REVERSING = "usage_id uuid, revision integer, usage_at timestamptz"

# A first revision lies in its batch's cell of the same facts, a later one in the cell it names; where a
# reallocation booked that cell anew, in the newest cell that stands in for it.
_TAKE_BACK = text("""
    CREATE TEMPORARY TABLE taken_back ON COMMIT DROP AS
    WITH RECURSIVE records AS MATERIALIZED (
        SELECT r.* FROM reversing n JOIN usage_records r
          ON r.usage_id = n.usage_id AND r.revision = n.revision AND r.usage_at = n.usage_at),
    cells AS MATERIALIZED (
        SELECT * FROM usage_cells WHERE reverses_cell_id IS NULL AND replaces_cell_id IS NULL
          AND batch_id IN (SELECT batch_id FROM records WHERE cell_id IS NULL)),
    placed AS (
        SELECT r.usage_id, coalesce(r.cell_id, c.cell_id) AS cell_id
        FROM records r LEFT JOIN cells c ON r.cell_id IS NULL AND c.batch_id = r.batch_id
            AND c.usage_date = r.usage_date AND c.charge_date = r.charge_date
            AND c.resource_type = r.resource_type AND c.unit = r.unit
            AND coalesce(c.team_id, '') = coalesce(r.team_id, '') AND coalesce(c.user_id, '') = coalesce(r.user_id, '')
            AND coalesce(c.agent_id, '') = coalesce(r.agent_id, '')
            AND coalesce(c.account_id, '') = coalesce(r.account_id, '')
            AND coalesce(c.owner_tag, '') = coalesce(r.owner_tag, '') AND coalesce(c.sku, '') = coalesce(r.sku, '')
            AND coalesce(c.currency, '') = coalesce(r.original_currency, '')
            AND c.exchange_rate = coalesce(r.exchange_rate, 1)),
    followed AS (
        SELECT usage_id, cell_id FROM placed
        UNION ALL
        SELECT f.usage_id, c.cell_id FROM followed f
        JOIN usage_cells c ON c.replaces_cell_id = f.cell_id AND c.reallocation_id IS NOT NULL)
    SELECT r.usage_id, r.revision, r.usage_at, r.source_id, r.usage_date, r.charge_date, r.external_id, r.team_id,
        r.user_id, r.agent_id, r.account_id, r.owner_tag, r.resource_type, r.sku, r.unit, r.quantity, r.cost,
        r.residual, r.content_hash, r.original_cost, r.original_currency, r.exchange_rate, r.repriced, r.scope_id,
        f.cell_id
    FROM records r JOIN (SELECT usage_id, max(cell_id) AS cell_id FROM followed GROUP BY usage_id) f USING (usage_id)
""")

_BOOK_RECORDS = text("""
    INSERT INTO usage_records (usage_id, revision, usage_at, source_id, batch_id, usage_date, charge_date, external_id,
        team_id, user_id, agent_id, account_id, owner_tag, resource_type, sku, unit,
        quantity, cost, residual, record_count, content_hash, original_cost, original_currency, exchange_rate, repriced,
        scope_id)
    SELECT usage_id, revision + 1, usage_at, source_id, :batch_id, usage_date, charge_date, external_id,
        team_id, user_id, agent_id, account_id, owner_tag, resource_type, sku, unit,
        -quantity, -cost, -residual, -1, content_hash, -original_cost, original_currency, exchange_rate, -repriced,
        scope_id
    FROM taken_back ORDER BY usage_id
""")
_BOOK_CELLS = text("""
    INSERT INTO usage_cells (batch_id, source_id, usage_date, charge_date, team_id, user_id, agent_id, account_id,
        owner_tag, resource_type, sku, unit, quantity, cost, residual, record_count, reverses_cell_id,
        currency, exchange_rate, repriced)
    SELECT :batch_id, source_id, usage_date, charge_date, team_id, user_id, agent_id, account_id,
        owner_tag, resource_type, sku, unit, -sum(quantity), -sum(cost), -sum(residual), -count(*), cell_id,
        original_currency, coalesce(exchange_rate, 1), -coalesce(sum(repriced), 0)
    FROM taken_back
    GROUP BY source_id, usage_date, charge_date, team_id, user_id, agent_id, account_id, owner_tag, resource_type,
        sku, unit, cell_id, original_currency, coalesce(exchange_rate, 1)
    ORDER BY cell_id
""")


def reverse(connection: Connection, batch_id: int) -> dict[ManifestLine, Tally]:
    """Reverse, in this batch, the records that the temporary table `reversing` names; what was taken back, per line
    of the manifest, in its currency.

    The records must be the newest revisions of their ids, no reversals, and of the batch's source, whose row the
    caller has locked. Leaves `taken_back` (each record and `cell_id`, the cell it lay in) for what stands in
    for them. The caller writes the manifest and marks the days.
    """
    connection.execute(text("DROP TABLE IF EXISTS pg_temp.taken_back"))
    connection.execute(text("ANALYZE pg_temp.reversing"))
    connection.execute(_TAKE_BACK)
    connection.execute(text("ANALYZE pg_temp.taken_back"))
    ids = {"batch_id": batch_id}
    connection.execute(_BOOK_RECORDS, ids)
    connection.execute(_BOOK_CELLS, ids)
    taken = connection.execute(
        text(
            """SELECT usage_date, original_currency, coalesce(exchange_rate, 1), count(*),
                   sum(coalesce(original_cost, cost + residual))
               FROM taken_back GROUP BY 1, 2, 3"""
        )
    )
    return {ManifestLine(*line): Tally(count, raw) for *line, count, raw in taken}
