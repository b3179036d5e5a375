"""Refused rows booked after all: read again, mended by the fixes people made, priced by the rates there are now.

Owns doing that. What a row is worth today is `chargeback.sources.pricing`, booking it `usage`.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, text

from chargeback.ledger import audit, intake, usage, usage_sources
from chargeback.ledger.batches import BatchCounts
from chargeback.ledger.chunks import chunks
from chargeback.ledger.database import transaction
from chargeback.settings import settings
from chargeback.sources import open_source
from chargeback.sources.contract import Refusal, Usage
from chargeback.sources.pricing import Pricing, replayed

_MOST_AT_ONCE = 10_000


@dataclass(frozen=True)
class ReplayCounts:
    """How many refused rows of a source were looked at, booked, held already, and are refused still, by their code."""

    source: str
    tried: int = 0
    booked: int = 0
    unchanged: int = 0
    still_refused: dict[str, int] = field(default_factory=dict)


def replay(
    source: str | None,
    actor: str,
    ids: Collection[int] | None = None,
    codes: Collection[str] | None = None,
) -> list[ReplayCounts]:
    """Try the open rows of a source, or of all, again: those of `ids` or `codes`, or every one.

    A row that can be booked now is, in the day it says, and its quarantine ends as replaced; the others stay.
    Rerun: what was booked is no longer open, so nothing happens twice.
    """
    with transaction() as connection:
        kept = usage_sources.sources(connection)
        if source is not None:
            kept = [usage_sources.find(connection, source)]
    return [_replay(one, actor, ids, codes) for one in kept]


def _replay(
    kept: usage_sources.KeptSource,
    actor: str,
    ids: Collection[int] | None,
    codes: Collection[str] | None,
) -> ReplayCounts:
    counts, after = ReplayCounts(kept.name), 0
    while True:
        found, after = _some(kept, actor, ids, codes, after)
        counts = ReplayCounts(
            kept.name,
            counts.tried + found.tried,
            counts.booked + found.booked,
            counts.unchanged + found.unchanged,
            dict(Counter(counts.still_refused) + Counter(found.still_refused)),
        )
        if not after:
            return counts


def _some(
    kept: usage_sources.KeptSource,
    actor: str,
    ids: Collection[int] | None,
    codes: Collection[str] | None,
    after: int,
) -> tuple[ReplayCounts, int]:
    """Replay the next rows behind `after`; what became of them, and the last one's number (0: there are no more)."""
    tracker = open_source(kept.kind, kept.config)
    asked = {"source": kept.source_id, "after": after, "limit": _MOST_AT_ONCE,
             "ids": None if ids is None else list(ids), "codes": None if codes is None else list(codes)}  # fmt: skip
    with transaction() as connection:
        pricing = intake.pricing_of(connection, kept, tracker)
        good, _ = _readable(connection.execute(_OPEN, asked).all(), pricing)
        usage.ensure_partitions(connection, {(u.usage_at.year, u.usage_at.month) for u in good})
    with transaction() as connection:
        # As every load does, so that nothing about the source changes meanwhile.
        connection.execute(
            text("SELECT FROM usage_sources WHERE source_id = :source FOR UPDATE"), asked
        )
        rows = connection.execute(_OPEN, asked).all()
        good, refused = _readable(rows, pricing)
        batch = _book(connection, kept, good, actor)
        counts = ReplayCounts(kept.name, len(rows), batch.new if batch else 0,
                              batch.unchanged if batch else 0, dict(refused))  # fmt: skip
        return counts, rows[-1].quarantine_id if len(rows) == _MOST_AT_ONCE else 0


_OPEN = text("""
    SELECT quarantine_id, external_id, code, reason, row, raw_cost, currency, is_read FROM usage_quarantine
    WHERE source_id = :source AND state = 'open' AND quarantine_id > :after AND snapshot_id IS NULL
      AND (CAST(:ids AS bigint[]) IS NULL OR quarantine_id = ANY (CAST(:ids AS bigint[])))
      AND (CAST(:codes AS text[]) IS NULL OR code = ANY (CAST(:codes AS text[])))
    ORDER BY quarantine_id LIMIT :limit
""")


def refusal_of(row: Any) -> Refusal:
    """A row of the quarantine as the refusal it is; its number stands for its place."""
    return Refusal(row.quarantine_id, row.external_id, None, row.code, row.reason, row.row, row.raw_cost,
                   row.currency, row.is_read)  # fmt: skip


def _readable(rows: Sequence[Any], pricing: Pricing) -> tuple[list[Usage], Counter[str]]:
    """The rows that can be booked now, and the codes of the others.

    Of two rows with one id the first is taken: which of them is right is for a person to say.
    """
    good: dict[str, Usage] = {}
    refused: Counter[str] = Counter()
    for row in rows:
        found = replayed(refusal_of(row), pricing)
        if isinstance(found, Refusal):
            refused[found.code] += 1
        elif found.external_id in good:
            refused["repeated"] += 1
        else:
            good[found.external_id] = found
    return list(good.values()), refused


def _book(
    connection: Connection, kept: usage_sources.KeptSource, good: Sequence[Usage], actor: str
) -> BatchCounts | None:
    """Load the rows as one batch of their own, and end the quarantine of those that are in the ledger then."""
    if not good:
        return None
    (chunk,) = chunks(good, kept.name, settings().zone, len(good))
    batch = usage.load(
        connection, kept.source_id, f"quarantine, replayed by {actor}", [chunk], None
    )
    in_ledger = connection.execute(_IN_LEDGER).scalars()
    ids = {usage.position: usage.external_id for usage in good}
    ended = {q: ids[q] for q in (chunk.positions[ordinal] for ordinal in in_ledger)}
    connection.execute(
        _END,
        {"batch_id": batch.batch_id, "actor": actor, "ids": list(ended), "booked": list(ended.values())},
    )  # fmt: skip
    audit.append(connection, audit.Entry(actor, "quarantine.replayed", "source", kept.name, None,
                                         {"rows": list(ended), "batch_id": batch.batch_id}))  # fmt: skip
    return batch


# What the load left of `arrived` is booked by it; the others are held, with the same content or another.
_IN_LEDGER = text("SELECT ordinal FROM arrived UNION SELECT ordinal FROM held WHERE is_same")

_END = text("""
    UPDATE usage_quarantine q SET state = 'replaced', decided_at = now(), decided_by = :actor,
        booked_as = nullif(b.external_id, q.external_id), decision = 'replayed, booked in batch ' || :batch_id
    FROM unnest(CAST(:ids AS bigint[]), CAST(:booked AS text[])) b (quarantine_id, external_id)
    WHERE q.quarantine_id = b.quarantine_id
""")
