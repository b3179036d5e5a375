"""How usage enters the ledger: batches of records, each whole or not at all, with their manifest and cells.

Owns loading. What a row means is the source's business (`chargeback.sources`), what it costs whom is
allocation's. A delivery that arrives again is counted and changes nothing.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import Connection, text

from chargeback import money
from chargeback.identity import public_id
from chargeback.ledger import audit
from chargeback.ledger.chunks import STAGE, Chunk, as_kept, plain
from chargeback.ledger.staging import stage_text
from chargeback.sources.contract import Refusal


@dataclass(frozen=True)
class BatchCounts:
    """What one batch did, in rows and in raw cost (ledger currency, unrounded)."""

    batch_id: int
    received: int
    new: int
    unchanged: int
    quarantined: int
    received_raw: Decimal
    new_cost: Decimal


def load(
    connection: Connection, source_id: int, delivery: str, chunk: Chunk, cursor_at: datetime | None
) -> BatchCounts:
    """Book one chunk as one batch: records, cells, manifest, quarantine and, if given, the cursor.

    Rerun: rows already held are counted unchanged. The source's row is locked, so two syncs of one
    source take turns; partitions for `chunk.months` must exist (`ensure_partitions`, committed).
    """
    role = connection.execute(
        text("SELECT role FROM usage_sources WHERE source_id = :id FOR UPDATE"), {"id": source_id}
    ).scalar_one()
    batch_id: int = connection.execute(
        text(
            """INSERT INTO usage_batches (source_id, delivery, sealed_at) VALUES (:id, :delivery, now())
               RETURNING batch_id"""
        ),
        {"id": source_id, "delivery": delivery},
    ).scalar_one()
    ids = {"batch_id": batch_id, "source_id": source_id}
    if chunk.positions:
        stage_text(connection, "arrived", STAGE, chunk.buffer)
        _compare_with_held(connection, chunk)
        _settle_repeats(connection, chunk)
        _book(connection, ids, chunk)
        teams = connection.execute(_TEAMS_APPEAR, ids).scalars().all()
        users = connection.execute(_USERS_APPEAR, ids).scalars().all()
        _tell_appeared(connection, f"batch {batch_id}", teams, users)
        connection.execute(_REPLACE_QUARANTINED, ids)
    _quarantine(connection, ids, chunk)
    _write_manifest(connection, batch_id, chunk)
    if role == "allocate":
        mark_days_of(connection, batch_id)
    if cursor_at is not None:
        move_cursor(connection, source_id, cursor_at)
    return _counts(connection, batch_id)


# The held revision is looked up in the months the delivery touches and one either side, id by id in the index:
# joining the months' records as a whole would cost more with every batch.
_HELD = text("""
    CREATE TEMPORARY TABLE held ON COMMIT DROP AS
    SELECT a.ordinal, r.content_hash = a.content_hash AS is_same, r.cost AS held_cost, r.usage_at AS held_at
    FROM (SELECT ordinal, usage_id, content_hash FROM arrived ORDER BY usage_id) a
    CROSS JOIN LATERAL (
        SELECT r.content_hash, r.cost, r.usage_at FROM usage_records r
        WHERE r.usage_id = a.usage_id
          AND r.usage_at >= date_trunc('month', CAST(:first AS date)) - interval '1 month'
          AND r.usage_at < date_trunc('month', CAST(:last AS date)) + interval '2 months'
        ORDER BY r.revision DESC LIMIT 1) r
""")


def _compare_with_held(connection: Connection, chunk: Chunk) -> None:
    """Tell what is already in the ledger: the same counts as unchanged, other content is refused for now."""
    connection.execute(text("DROP TABLE IF EXISTS pg_temp.held"))
    connection.execute(
        _HELD, {"first": date(*min(chunk.months), 1), "last": date(*max(chunk.months), 1)}
    )
    same = connection.execute(
        text("""SELECT usage_date, count(*), sum(cost + residual) FROM arrived JOIN held USING (ordinal)
                WHERE is_same GROUP BY usage_date""")
    )
    for usage_date, count, raw in same:
        chunk.tallies[usage_date].unchanged.add(raw, count)
    changed = connection.execute(
        text("""SELECT a.*, h.held_cost, h.held_at FROM arrived a JOIN held h USING (ordinal)
                WHERE NOT is_same ORDER BY ordinal""")
    )
    for row in changed.mappings():
        raw = money.EXACT.add(row["cost"], row["residual"])
        kept = as_kept({**row, "cost": raw})
        reason = (
            f"usage {row['external_id']} is held with cost {plain(row['held_cost'])} "
            f"at {row['held_at']:%Y-%m-%dT%H:%M:%SZ} "
            f"and was delivered with other content (cost {plain(raw)}); "
            "the held one stays: find out which is right, then waive this one"
        )
        position = chunk.positions[row["ordinal"]]
        refusal = Refusal(position, row["external_id"], None, "changed", reason, kept, raw)
        chunk.refusals.append((row["usage_date"], refusal))
        chunk.tallies[row["usage_date"]].quarantined.add(raw)


def _settle_repeats(connection: Connection, chunk: Chunk) -> None:
    """A repeat that says what is held changes nothing, whichever of the two rows came first."""
    held = {
        (row.usage_id, row.content_hash)
        for row in connection.execute(
            text("""SELECT usage_id::text, content_hash::text FROM usage_records
                    WHERE usage_id = ANY (CAST(:ids AS uuid[]))"""),
            {"ids": [str(repeat.usage_id) for repeat in chunk.repeats]},
        )
    }
    for repeat in chunk.repeats:
        tally, raw = chunk.tallies[repeat.usage_date], repeat.refusal.raw_cost or Decimal(0)
        if (str(repeat.usage_id), str(repeat.content_hash)) in held:
            tally.unchanged.add(raw)
        else:
            tally.quarantined.add(raw)
            chunk.refusals.append((repeat.usage_date, repeat.refusal))


# By id, so that neighbours in the index come one after the other.
_BOOK_RECORDS = text("""
    INSERT INTO usage_records (usage_id, usage_at, source_id, batch_id, usage_date, charge_date, external_id,
        team_id, user_id, agent_id, account_id, owner_tag, resource_type, sku, unit,
        quantity, cost, residual, content_hash)
    SELECT usage_id, usage_at, :source_id, :batch_id, usage_date, usage_date, external_id,
        team_id, user_id, agent_id, account_id, owner_tag, resource_type, sku, unit,
        quantity, cost, residual, content_hash
    FROM arrived ORDER BY usage_id
""")
_BOOK_CELLS = text("""
    INSERT INTO usage_cells (batch_id, source_id, usage_date, charge_date, team_id, user_id, agent_id, account_id,
        owner_tag, resource_type, sku, unit, quantity, cost, residual, record_count)
    SELECT :batch_id, :source_id, usage_date, usage_date, team_id, user_id, agent_id, account_id,
        owner_tag, resource_type, sku, unit, sum(quantity), sum(cost), sum(residual), count(*)
    FROM arrived
    GROUP BY usage_date, team_id, user_id, agent_id, account_id, owner_tag, resource_type, sku, unit
""")


def _book(connection: Connection, ids: dict[str, int], chunk: Chunk) -> None:
    """Book what of `arrived` is not held: as records, and what they add up to as cells.

    Two statements over the same rows: one that inserts both from the records' RETURNING takes half as long again.
    """
    connection.execute(text("DELETE FROM arrived a USING held h WHERE h.ordinal = a.ordinal"))
    booked = connection.execute(_BOOK_RECORDS, ids).rowcount
    connection.execute(_BOOK_CELLS, ids)
    new = sum(tally.new.count for tally in chunk.tallies.values())
    assert booked == new, f"{booked} records were booked of {new} new rows"


# Payers appear when first seen; in order, so that two loads never wait for each other in a circle.
_TEAMS_APPEAR = text("""
    INSERT INTO teams (team_id, name)
    SELECT DISTINCT team_id, team_id FROM usage_cells c
    WHERE batch_id = :batch_id AND team_id IS NOT NULL
      AND NOT EXISTS (SELECT FROM teams t WHERE t.team_id = c.team_id)
    ORDER BY 1 ON CONFLICT DO NOTHING RETURNING team_id
""")
_USERS_APPEAR = text("""
    INSERT INTO users (user_id, name)
    SELECT DISTINCT user_id, user_id FROM usage_cells c
    WHERE batch_id = :batch_id AND user_id IS NOT NULL
      AND NOT EXISTS (SELECT FROM users u WHERE u.user_id = c.user_id)
    ORDER BY 1 ON CONFLICT DO NOTHING RETURNING user_id
""")


def appear(
    connection: Connection, teams: Iterable[str | None], users: Iterable[str | None]
) -> None:
    """Teams and users first seen become payers; in order, as a load does it."""
    new: dict[str, Sequence[str]] = {"teams": (), "users": ()}
    for table, key, ids in (("teams", "team_id", teams), ("users", "user_id", users)):
        wanted = sorted({payer for payer in ids if payer is not None})
        if wanted:
            made = connection.execute(
                text(f"""INSERT INTO {table} ({key}, name) SELECT id, id FROM unnest(CAST(:ids AS text[])) id
                         WHERE NOT EXISTS (SELECT FROM {table} WHERE {key} = id)
                         ORDER BY id COLLATE "C" ON CONFLICT DO NOTHING RETURNING {key}"""),  # noqa: S608
                {"ids": wanted},
            )
            new[table] = made.scalars().all()
    _tell_appeared(connection, "posted", new["teams"], new["users"])


def _tell_appeared(
    connection: Connection, where: str, teams: Sequence[str], users: Sequence[str]
) -> None:
    """One entry for all payers that some usage brought, because there may be ten thousand."""
    if teams or users:
        after = {"teams": sorted(teams), "users": sorted(users)}
        audit.later(
            connection,
            audit.Entry(
                "chargeback", "payers.added", "usage", where, None, after, "first seen in usage"
            ),
        )


_REPLACE_QUARANTINED = text("""
    UPDATE usage_quarantine q SET state = 'replaced', decided_at = now(), decided_by = 'chargeback',
        decision = 'delivered again in good form, in batch ' || :batch_id
    FROM arrived a
    WHERE q.source_id = :source_id AND q.state = 'open' AND q.external_id = a.external_id
""")

_QUARANTINE = text("""
    INSERT INTO usage_quarantine
        (batch_id, source_id, position, external_id, usage_date, code, reason, row, row_hash, raw_cost)
    VALUES (:batch_id, :source_id, :position, :external_id, :usage_date, :code, :reason,
        CAST(:row AS jsonb), :row_hash, :raw_cost)
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
            tally, raw = chunk.tallies[usage_date], refusal.raw_cost or Decimal(0)
            tally.quarantined.add(-raw, -1)
            tally.unchanged.add(raw)


def _write_manifest(connection: Connection, batch_id: int, chunk: Chunk) -> None:
    """Record what was received beside what was booked; a constraint refuses a batch that does not tie."""
    for usage_date, tally in chunk.tallies.items():
        connection.execute(
            text("""
                INSERT INTO usage_manifests (batch_id, usage_date, received_count, received_raw, new_count, new_raw,
                    unchanged_count, unchanged_raw, quarantined_count, quarantined_raw, cost, residual)
                SELECT :batch_id, CAST(:usage_date AS date), :received, :received_raw, :new, :new_raw,
                    :unchanged, :unchanged_raw, :quarantined, :quarantined_raw,
                    coalesce(sum(cost), 0), coalesce(sum(residual), 0)
                FROM usage_cells WHERE batch_id = :batch_id AND usage_date = :usage_date"""),
            {
                "batch_id": batch_id, "usage_date": usage_date,
                "received": tally.received.count, "received_raw": tally.received.raw,
                "new": tally.new.count, "new_raw": tally.new.raw,
                "unchanged": tally.unchanged.count, "unchanged_raw": tally.unchanged.raw,
                "quarantined": tally.quarantined.count, "quarantined_raw": tally.quarantined.raw,
            },
        )  # fmt: skip


def _counts(connection: Connection, batch_id: int) -> BatchCounts:
    row = connection.execute(
        text("""SELECT sum(received_count), sum(new_count), sum(unchanged_count), sum(quarantined_count),
                    sum(received_raw), sum(cost) FROM usage_manifests WHERE batch_id = :id"""),
        {"id": batch_id},
    ).one()
    received, new, unchanged, quarantined = map(int, row[:4])
    return BatchCounts(batch_id, received, new, unchanged, quarantined, row[4], row[5])


def ensure_partitions(connection: Connection, months: Iterable[tuple[int, int]]) -> None:
    """Make the partitions that records of these years and months (UTC) go to; commit before loading."""
    for year, month in sorted(months):
        connection.execute(text("SELECT ensure_partition(:month)"), {"month": date(year, month, 1)})


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
                WHERE EXISTS (SELECT FROM allocation_rules WHERE rule_type = 'by_team')
                  AND date_trunc('month', d.usage_date) IN
                      (SELECT date_trunc('month', usage_date) FROM usage_cells WHERE batch_id = :id)
            ) touched ORDER BY usage_date
            ON CONFLICT (usage_date) DO UPDATE SET is_dirty = true"""),
        {"id": batch_id},
    )
