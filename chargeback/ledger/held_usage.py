"""A chunk beside what the ledger holds: which of its rows say the same, which changed, which contradict each other.

Owns the comparison; it leaves `arrived` with the rows that are new, `revised` with those that are a next
revision, and `reversing` with the held records these take the place of. Booking them is `usage`'s.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, text

from chargeback import money
from chargeback.ledger.chunks import REPEATED, Chunk
from chargeback.ledger.reversals import REVERSING
from chargeback.ledger.tallies import ManifestLine
from chargeback.sources.contract import Refusal
from chargeback.sources.kept_usage import kept

# The newest revision is looked up in the months the delivery touches and one either side, id by id in the index:
# joining the months' records as a whole would cost more with every batch.
_FACTS = """r.revision, r.usage_at AS held_at, r.batch_id, r.cost AS held_cost, r.record_count = 1 AS is_standing,
    r.record_count = 1 AND r.content_hash = a.content_hash AS is_same"""
_HELD = text(f"""
    CREATE TEMPORARY TABLE held ON COMMIT DROP AS
    SELECT a.ordinal, {_FACTS}
    FROM (SELECT ordinal, usage_id, content_hash FROM arrived ORDER BY usage_id) a
    CROSS JOIN LATERAL (
        SELECT r.revision, r.usage_at, r.batch_id, r.cost, r.record_count, r.content_hash FROM usage_records r
        WHERE r.usage_id = a.usage_id AND r.usage_at >= :start AND r.usage_at < :end
        ORDER BY r.revision DESC LIMIT 1) r
""")  # noqa: S608 - made of constants only
# Usage may move further. A first revision that stands is the newest: what moved it would have taken it back.
_HELD_FAR_AWAY = text(f"""
    INSERT INTO held
    SELECT a.ordinal, {_FACTS}
    FROM (SELECT ordinal, usage_id, content_hash, coalesce(h.revision, 0) AS newest
          FROM arrived LEFT JOIN held h USING (ordinal)
          WHERE h.ordinal IS NULL OR h.revision > 1 ORDER BY usage_id) a
    CROSS JOIN LATERAL (
        SELECT r.revision, r.usage_at, r.batch_id, r.cost, r.record_count, r.content_hash FROM usage_records r
        WHERE r.usage_id = a.usage_id AND (r.usage_at < :start OR r.usage_at >= :end) AND r.revision > a.newest
        ORDER BY r.revision DESC LIMIT 1) r
""")  # noqa: S608 - made of constants only
_HAS_USAGE_FAR_AWAY = text("""
    SELECT EXISTS (SELECT FROM usage_manifests JOIN usage_batches USING (batch_id)
                   WHERE source_id = :source_id AND new_count + changed_count > 0
                     AND (usage_date <= CAST(:start AS date) OR usage_date >= CAST(:end AS date) - 1))
""")


def compare(
    connection: Connection, source_id: int, chunk: Chunk, first_batch_id: int | None
) -> None:
    """Sort what arrived into new, unchanged, changed and refused, and count it.

    `first_batch_id` is the delivery's first batch: what it or a later one booked came in this same delivery.
    """
    for table in ("held", "revised", "reversing"):
        connection.execute(text(f"DROP TABLE IF EXISTS pg_temp.{table}"))
    _find_held(connection, source_id, chunk)
    _count(connection, chunk, "unchanged", "is_same")
    agreeing = _settle_repeats(connection, chunk)
    _refuse_contradictions(connection, source_id, chunk, first_batch_id, agreeing)
    connection.execute(_REVISED)
    connection.execute(text(f"CREATE TEMPORARY TABLE reversing ({REVERSING}) ON COMMIT DROP"))
    connection.execute(_REVERSING)
    _count(connection, chunk, "changed", "is_standing AND NOT is_same")
    connection.execute(text("DELETE FROM arrived a USING held h WHERE h.ordinal = a.ordinal"))


def _find_held(connection: Connection, source_id: int, chunk: Chunk) -> None:
    """Fill `held` with the newest revision of each id, near its month first, and anywhere if it is not there."""
    first, last = min(chunk.months), max(chunk.months)
    near = {"start": _month(first, -1), "end": _month(last, 2)}
    connection.execute(_HELD, near)
    if connection.execute(_HAS_USAGE_FAR_AWAY, near | {"source_id": source_id}).scalar_one():
        connection.execute(text("ANALYZE pg_temp.held (ordinal)"))
        connection.execute(_HELD_FAR_AWAY, near)
        connection.execute(
            text("""DELETE FROM held h USING held n
                    WHERE n.ordinal = h.ordinal AND n.revision > h.revision""")
        )


def _month(month: tuple[int, int], later: int) -> datetime:
    """The first instant of the month so many months later, UTC."""
    year, zero_based = divmod(month[0] * 12 + month[1] - 1 + later, 12)
    return datetime(year, zero_based + 1, 1, tzinfo=UTC)


def _count(connection: Connection, chunk: Chunk, what: str, condition: str) -> None:
    counted = connection.execute(
        text(f"""SELECT usage_date, currency, coalesce(exchange_rate, 1), count(*),
                     sum(coalesce(original_cost, cost + residual))
                 FROM arrived JOIN held USING (ordinal)
                 WHERE {condition} GROUP BY 1, 2, 3""")  # noqa: S608 - made of constants only
    )
    for *line, count, raw in counted:
        getattr(chunk.tallies[ManifestLine(*line)], what).add(raw, count)


_REVISED = text("""
    CREATE TEMPORARY TABLE revised ON COMMIT DROP AS
    SELECT a.*, h.revision + CASE WHEN h.is_standing THEN 2 ELSE 1 END AS revision
    FROM arrived a JOIN held h USING (ordinal) WHERE NOT h.is_same
""")
_REVERSING = text("""
    INSERT INTO reversing
    SELECT a.usage_id, h.revision, h.held_at FROM arrived a JOIN held h USING (ordinal)
    WHERE h.is_standing AND NOT h.is_same
""")


def _settle_repeats(connection: Connection, chunk: Chunk) -> set[str]:
    """Count second rows of one id: unchanged where they say what is held, else refused; the ids held as they say."""
    if not chunk.repeats:
        return set()
    newest = connection.execute(
        text("""SELECT DISTINCT ON (usage_id) usage_id::text, content_hash::text, record_count FROM usage_records
                WHERE usage_id = ANY (CAST(:ids AS uuid[])) ORDER BY usage_id, revision DESC"""),
        {"ids": [str(repeat.usage_id) for repeat in chunk.repeats]},
    )
    held = {(row.usage_id, row.content_hash) for row in newest if row.record_count == 1}
    for repeat in chunk.repeats:
        raw = repeat.refusal.raw_cost or Decimal(0)
        if (str(repeat.usage_id), str(repeat.content_hash)) in held:
            chunk.tallies[repeat.line].unchanged.add(raw)
        else:
            move_to_refused(chunk, repeat.line, repeat.line._replace(exchange_rate=Decimal(1)), raw)
            chunk.refusals.append((repeat.line.usage_date, repeat.refusal))
    said = {(str(repeat.usage_id), str(repeat.content_hash)) for repeat in chunk.repeats}
    return {usage_id for usage_id, _ in held & said}


# What one delivery says twice and differently cannot be told right from wrong: the first one stays. The same
# second row must not replace it in the next delivery either, or the two would take turns for ever.
_CONTRADICTED = text("""
    SELECT a.*, h.held_cost, h.held_at, q.row AS known,
        h.batch_id >= :first_batch OR a.usage_id = ANY (CAST(:agreeing AS uuid[])) AS is_contradiction
    FROM arrived a JOIN held h USING (ordinal)
    LEFT JOIN usage_quarantine q ON q.source_id = :source_id AND q.external_id = a.external_id
        AND q.code = :repeated AND q.state IN ('open', 'waived')
    WHERE NOT h.is_same AND h.is_standing
      AND (h.batch_id >= :first_batch OR a.usage_id = ANY (CAST(:agreeing AS uuid[])) OR q.row IS NOT NULL)
    ORDER BY a.ordinal, q.quarantine_id
""")


def _refuse_contradictions(
    connection: Connection,
    source_id: int,
    chunk: Chunk,
    first_batch_id: int | None,
    agreeing: Iterable[str],
) -> None:
    found = connection.execute(
        _CONTRADICTED,
        {"first_batch": first_batch_id or 2**62, "agreeing": list(agreeing), "source_id": source_id,
         "repeated": REPEATED},
    ).mappings()  # fmt: skip
    refused: set[int] = set()
    for row in found:
        raw = row["original_cost"]
        if raw is None:
            raw = money.EXACT.add(row["cost"], row["residual"])
        # Days of its own are kept where they tell of a source's calendar; else they follow from the instant.
        is_own = row["charge_date"] != row["usage_date"]
        days = {} if is_own else {"usage_date": None, "charge_date": None}
        told = kept({**row, "cost": raw, **days})
        if row["ordinal"] in refused or not (row["is_contradiction"] or row["known"] == told):
            continue
        refused.add(row["ordinal"])
        refusal = _contradiction(chunk.positions[row["ordinal"]], row, told, raw)
        chunk.refusals.append((row["usage_date"], refusal))
        line = ManifestLine(row["usage_date"], row["currency"], row["exchange_rate"] or Decimal(1))
        move_to_refused(chunk, line, ManifestLine(row["usage_date"], row["currency"]), raw)
    if refused:
        connection.execute(
            text("""WITH gone AS (DELETE FROM arrived WHERE ordinal = ANY (:ordinals) RETURNING ordinal)
                    DELETE FROM held h USING gone WHERE h.ordinal = gone.ordinal"""),
            {"ordinals": sorted(refused)},
        )


def move_to_refused(chunk: Chunk, line: ManifestLine, refused: ManifestLine, raw: Decimal) -> None:
    """Count a row as refused, which has no rate: what is in another currency counts as received there."""
    chunk.tallies[line].received.add(-raw, -1)
    chunk.tallies[refused].received.add(raw)
    chunk.tallies[refused].quarantined.add(raw)


def _contradiction(position: int, row: Any, told: dict[str, Any], raw: Decimal) -> Refusal:
    reason = (
        f"usage {row['external_id']} is delivered twice with different content: with cost "
        f"{money.written(row['held_cost'])} at {row['held_at']:%Y-%m-%dT%H:%M:%SZ}, which is kept, "
        f"and with cost {money.written(raw)}; find out which is right, then waive this one"
    )
    return Refusal(
        position,
        row["external_id"],
        None,
        REPEATED,
        reason,
        told,
        raw,
        row["currency"],
        is_read=True,
    )
