"""How usage enters the ledger: batches of records, each whole or not at all, with their cells.

Owns loading. What a row means is the source's business (`chargeback.sources`), what it costs whom is
allocation's. A delivery that arrives again is counted and changes nothing.
"""

import json
from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import Connection, text

from chargeback.identity import public_id
from chargeback.ledger import archives
from chargeback.ledger.appearance import appear_in_batch
from chargeback.ledger.archived_usage import refuse_archived
from chargeback.ledger.batches import BatchCounts, counts_of, open_batch, write_manifest
from chargeback.ledger.chunks import PRICED, STAGE, Chunk
from chargeback.ledger.held_usage import compare
from chargeback.ledger.reversals import reverse
from chargeback.ledger.staging import stage, stage_rows
from chargeback.ledger.tallies import DayTally, ManifestLine


def load(
    connection: Connection,
    source_id: int,
    delivery: str,
    chunks: Iterable[Chunk],
    cursor_at: datetime | None,
    first_batch_id: int | None = None,
) -> BatchCounts:
    """Book chunks, one after the other, as one batch: records, cells, manifest and quarantine; behind the delivery's
    last chunk the cursor moves to `cursor_at`, if that is given.

    A row held with other content is reversed and booked as its next revision, unless the same delivery
    (whose batches begin with `first_batch_id`) booked it already.
    Rerun: rows already held are counted unchanged. The source's row is locked, so two syncs of one
    source take turns; partitions for the chunks' months must exist (`ensure_partitions`, committed).
    """
    role = connection.execute(
        text("SELECT role FROM usage_sources WHERE source_id = :id FOR UPDATE"), {"id": source_id}
    ).scalar_one()
    batch_id = open_batch(connection, source_id, delivery)
    ids = {"batch_id": batch_id, "source_id": source_id}
    tallies: dict[ManifestLine, DayTally] = defaultdict(DayTally)
    is_last = False
    connection.execute(text("DROP TABLE IF EXISTS pg_temp.gathered"))
    connection.execute(text(f"CREATE TEMPORARY TABLE gathered ({_GATHERED}) ON COMMIT DROP"))
    for chunk in chunks:
        _load_chunk(connection, ids, chunk, first_batch_id)
        for line, tally in chunk.tallies.items():
            tallies[line].include(tally)
        first_batch_id, is_last = first_batch_id or batch_id, chunk.is_last
    connection.execute(_BOOK_CELLS, ids)
    appear_in_batch(connection, batch_id)
    write_manifest(connection, batch_id, tallies)
    if role == "allocate":
        mark_days_of(connection, batch_id)
    elif role == "weights":
        mark_months_of(connection, batch_id)
    if is_last and cursor_at is not None:
        move_cursor(connection, source_id, cursor_at)
    return counts_of(connection, batch_id)


def _load_chunk(
    connection: Connection, ids: dict[str, int], chunk: Chunk, first_batch_id: int | None
) -> None:
    """Book the records of one chunk, gather what they add to cells, and keep what is refused."""
    if chunk.positions:
        stage_rows(connection, "arrived", STAGE, chunk.rows)
        _add_prices(connection, chunk)
        refuse_archived(connection, chunk)
        compare(connection, ids["source_id"], chunk, first_batch_id)
        _book(connection, ids, chunk)
        connection.execute(_REPLACE_QUARANTINED, ids)
    _quarantine(connection, ids, chunk)


def _add_prices(connection: Connection, chunk: Chunk) -> None:
    """Give each row that arrived what its source itself said, where pricing made another cost of it."""
    connection.execute(
        text("""ALTER TABLE pg_temp.arrived ADD currency text, ADD original_cost numeric, ADD exchange_rate numeric,
                    ADD repriced numeric""")
    )
    if chunk.originals:
        stage(connection, "priced", PRICED, (
            (ordinal, one.currency, one.cost, one.rate, one.repriced) for ordinal, one in chunk.originals
        ))  # fmt: skip
        connection.execute(
            text("""UPDATE arrived a SET currency = p.currency, original_cost = p.original_cost,
                        exchange_rate = p.exchange_rate, repriced = p.repriced
                    FROM priced p WHERE p.ordinal = a.ordinal""")
        )


# By id, so that neighbours in the index come one after the other.
_BOOK_RECORDS = text("""
    INSERT INTO usage_records (usage_id, usage_at, source_id, batch_id, usage_date, charge_date, external_id,
        team_id, user_id, agent_id, account_id, owner_tag, resource_type, sku, unit,
        quantity, cost, residual, content_hash, original_cost, original_currency, exchange_rate, repriced)
    SELECT usage_id, usage_at, :source_id, :batch_id, usage_date, charge_date, external_id,
        team_id, user_id, agent_id, account_id, owner_tag, resource_type, sku, unit,
        quantity, cost, residual, content_hash, original_cost, currency, exchange_rate, repriced
    FROM arrived ORDER BY usage_id
""")
# What the chunks of a batch add to its cells, chunk by chunk.
_GATHERED = """usage_date date, charge_date date, team_id text, user_id text, agent_id text, account_id text,
    owner_tag text, resource_type text, sku text, unit text, currency text, exchange_rate numeric,
    quantity numeric, cost numeric, residual numeric, repriced numeric, record_count bigint"""
_KEY = """usage_date, charge_date, team_id, user_id, agent_id, account_id, owner_tag, resource_type, sku, unit,
    currency"""
_GATHER = text(f"""
    INSERT INTO gathered SELECT {_KEY}, coalesce(exchange_rate, 1),
        sum(quantity), sum(cost), sum(residual), coalesce(sum(repriced), 0), count(*)
    FROM arrived GROUP BY {_KEY}, coalesce(exchange_rate, 1)
""")  # noqa: S608 - made of constants only
_BOOK_CELLS = text(f"""
    INSERT INTO usage_cells
        (batch_id, source_id, {_KEY}, exchange_rate, quantity, cost, residual, repriced, record_count)
    SELECT :batch_id, :source_id, {_KEY}, exchange_rate, sum(quantity), sum(cost), sum(residual), sum(repriced),
        sum(record_count)
    FROM gathered GROUP BY {_KEY}, exchange_rate
""")  # noqa: S608 - made of constants only


# A next revision names its cell, which says what it stands in for; what was withdrawn before stands in for nothing.
_REVISED_CELLS = text("""
    CREATE TEMPORARY TABLE revised_cells ON COMMIT DROP AS
    SELECT nextval(pg_get_serial_sequence('usage_cells', 'cell_id')) AS cell_id, usage_date, charge_date, team_id,
        user_id, agent_id, account_id, owner_tag, resource_type, sku, unit, t.cell_id AS replaces_cell_id,
        sum(quantity) AS quantity, sum(cost) AS cost, sum(residual) AS residual, count(*) AS record_count,
        currency, coalesce(exchange_rate, 1) AS exchange_rate, coalesce(sum(repriced), 0) AS repriced,
        array_agg(ordinal) AS ordinals
    FROM revised LEFT JOIN (SELECT usage_id, cell_id FROM taken_back) t USING (usage_id)
    GROUP BY usage_date, charge_date, team_id, user_id, agent_id, account_id, owner_tag, resource_type, sku, unit,
        t.cell_id, currency, coalesce(exchange_rate, 1)
""")
_BOOK_REVISED_CELLS = text("""
    INSERT INTO usage_cells (cell_id, batch_id, source_id, usage_date, charge_date, team_id, user_id, agent_id,
        account_id, owner_tag, resource_type, sku, unit, quantity, cost, residual, record_count, replaces_cell_id,
        currency, exchange_rate, repriced)
    OVERRIDING SYSTEM VALUE
    SELECT cell_id, :batch_id, :source_id, usage_date, charge_date, team_id, user_id, agent_id, account_id,
        owner_tag, resource_type, sku, unit, quantity, cost, residual, record_count, replaces_cell_id,
        currency, exchange_rate, repriced
    FROM revised_cells
""")
_BOOK_REVISIONS = text("""
    INSERT INTO usage_records (usage_id, revision, usage_at, source_id, batch_id, usage_date, charge_date,
        external_id, team_id, user_id, agent_id, account_id, owner_tag, resource_type, sku, unit,
        quantity, cost, residual, content_hash, cell_id, original_cost, original_currency, exchange_rate, repriced)
    SELECT r.usage_id, r.revision, r.usage_at, :source_id, :batch_id, r.usage_date, r.charge_date, r.external_id,
        r.team_id, r.user_id, r.agent_id, r.account_id, r.owner_tag, r.resource_type, r.sku, r.unit,
        r.quantity, r.cost, r.residual, r.content_hash, c.cell_id, r.original_cost, r.currency, r.exchange_rate,
        r.repriced
    FROM (SELECT cell_id, unnest(ordinals) AS ordinal FROM revised_cells) c JOIN revised r USING (ordinal)
    ORDER BY r.usage_id
""")


def _book(connection: Connection, ids: dict[str, int], chunk: Chunk) -> None:
    """Book what arrived and is not held as records, and gather what they add to cells; then what changed.

    Two statements over the same rows: one that inserts both from the records' RETURNING takes half as long again.
    """
    booked = connection.execute(_BOOK_RECORDS, ids).rowcount
    connection.execute(_GATHER)
    if connection.execute(text("SELECT EXISTS (SELECT FROM revised)")).scalar_one():
        booked += _book_revisions(connection, ids, chunk)
    told = sum(tally.new.count + tally.changed.count for tally in chunk.tallies.values())
    assert booked == told, f"{booked} records were booked of {told} new or changed rows"


def _book_revisions(connection: Connection, ids: dict[str, int], chunk: Chunk) -> int:
    """Take back what changed and book what it is now; how many revisions that makes."""
    for line, taken in reverse(connection, ids["batch_id"]).items():
        chunk.tallies[line].reversed.add(taken.raw, taken.count)
    connection.execute(text("DROP TABLE IF EXISTS pg_temp.revised_cells"))
    connection.execute(_REVISED_CELLS)
    connection.execute(_BOOK_REVISED_CELLS, ids)
    return connection.execute(_BOOK_REVISIONS, ids).rowcount


_REPLACE_QUARANTINED = text("""
    UPDATE usage_quarantine q SET state = 'replaced', decided_at = now(), decided_by = 'chargeback',
        decision = 'delivered again in good form, in batch ' || :batch_id
    FROM arrived a
    WHERE q.source_id = :source_id AND q.state = 'open' AND q.external_id = a.external_id
""")

_QUARANTINE = text("""
    INSERT INTO usage_quarantine
        (batch_id, source_id, position, external_id, usage_date, code, reason, row, row_hash, raw_cost, currency,
         is_read)
    VALUES (:batch_id, :source_id, :position, :external_id, :usage_date, :code, :reason,
        CAST(:row AS jsonb), :row_hash, :raw_cost, :currency, :is_read)
    ON CONFLICT (source_id, row_hash) DO NOTHING
""")


def _quarantine(connection: Connection, ids: dict[str, int], chunk: Chunk) -> None:
    """Keep each refused row once; one already kept counts as unchanged."""
    for usage_date, refusal in chunk.refusals:
        row = json.dumps(refusal.row, sort_keys=True, default=str, ensure_ascii=False)
        values = {
            **ids, **refusal._asdict(), "usage_date": usage_date, "row": row,
            "row_hash": public_id(refusal.external_id, refusal.code, row),
        }  # fmt: skip
        if connection.execute(_QUARANTINE, values).rowcount == 0:
            tally = chunk.tallies[ManifestLine(usage_date, refusal.currency)]
            raw = refusal.raw_cost or Decimal(0)
            tally.quarantined.add(-raw, -1)
            tally.unchanged.add(raw)


def ensure_partitions(connection: Connection, months: Iterable[tuple[int, int]]) -> None:
    """Make the partitions that records of these years and months (UTC) go to; commit before loading.

    An archived month gets none: its usage is refused.
    """
    horizon = archives.horizon(connection) or date.min
    for year, month in sorted(months):
        if date(year, month, 1) < horizon:
            continue
        ensure_partition(connection, date(year, month, 1))


def ensure_partition(connection: Connection, month: date) -> None:
    """Make the partition of one month, whether it is archived or not."""
    connection.execute(text("SELECT ensure_partition(:month)"), {"month": month})


def move_cursor(connection: Connection, source_id: int, cursor_at: datetime) -> None:
    """Remember how far a source was read; never backwards."""
    connection.execute(
        text("""UPDATE usage_sources SET cursor_at = greatest(cursor_at, :cursor_at)
                WHERE source_id = :id"""),
        {"id": source_id, "cursor_at": cursor_at},
    )


def mark_days_of(connection: Connection, batch_id: int) -> None:
    """Mark the batch's days dirty and, where a rule looks at the whole month, the months' other days too."""
    connection.execute(
        text("""
            INSERT INTO allocation_days (usage_date, is_dirty)
            SELECT usage_date, true FROM (
                SELECT usage_date FROM usage_cells WHERE batch_id = :id
                UNION
                SELECT d.usage_date FROM allocation_days d
                WHERE EXISTS (SELECT FROM allocation_rules WHERE rule_type IN ('by_team', 'proportional'))
                  AND date_trunc('month', d.usage_date) IN
                      (SELECT date_trunc('month', usage_date) FROM usage_cells WHERE batch_id = :id)
            ) touched ORDER BY usage_date
            ON CONFLICT (usage_date) DO UPDATE SET is_dirty = true"""),
        {"id": batch_id},
    )


def mark_months_of(connection: Connection, batch_id: int) -> None:
    """Mark the months' days dirty whose cost is divided by the batch's weights; its own days bear no cost."""
    connection.execute(
        text("""UPDATE allocation_days SET is_dirty = true WHERE usage_date IN (
                    SELECT usage_date FROM allocation_days WHERE date_trunc('month', usage_date) IN
                        (SELECT date_trunc('month', usage_date) FROM usage_cells WHERE batch_id = :id)
                    ORDER BY usage_date FOR UPDATE)"""),
        {"id": batch_id},
    )
