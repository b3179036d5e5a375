"""Usage posted by the batch: booked like any delivery, each row told what became of it.

Owns telling the rows apart; booking is `usage`'s. One part of a batch is one usage batch, whole or not at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from sqlalchemy import Connection, text

from chargeback.ledger import posting, usage
from chargeback.ledger.chunks import Chunk, chunks
from chargeback.ledger.database import transaction
from chargeback.ledger.posting import Pushed, record_id
from chargeback.ledger.usage_sources import PUSHED
from chargeback.posted_usage import Posted
from chargeback.settings import settings
from chargeback.sources.contract import Refusal, Usage
from chargeback.sources.posted_lines import Row


@dataclass(frozen=True)
class Told:
    """What became of a row: `new`, `unchanged`, `changed` or `quarantined`, and why where it was refused."""

    line: int
    usage_id: str | None
    outcome: str
    code: str | None = None
    error: str | None = None


@dataclass(frozen=True)
class Loaded:
    """What became of each row, in their order, and the usage batch that they are."""

    told: list[Told]
    batch_id: int


@dataclass(frozen=True)
class Prepared:
    """A part of a batch, ready to be booked: its rows, what they say, and that hashed and written for COPY."""

    rows: Sequence[Row]
    facts: Sequence[Usage | Refusal]
    chunk: Chunk
    source: Pushed


def leans_on_what_is_held(rows: Sequence[Row]) -> bool:
    """Whether a row names its fact and no time: it is of when that was booked, maybe by the part before."""
    return bool(_untimed(rows))


def prepare(rows: Sequence[Row], now: datetime) -> Prepared:
    """Everything that can be done of a part before the part before it is booked.

    A row without time is of when its fact was booked, or of `now`.
    """
    with transaction() as connection:
        source = posting.pushed_source(connection)
        instants = _held_instants(connection, rows)
    facts = [_fact(row, now, instants) for row in rows]
    (chunk,) = chunks(facts, PUSHED, settings().zone, len(facts))
    with transaction() as connection:
        usage.ensure_partitions(connection, chunk.months)
    return Prepared(rows, facts, chunk, source)


def book(part: Prepared, now: datetime, first_batch_id: int | None = None) -> Loaded:
    """Book the part in one transaction; `first_batch_id` is that of the posted batch's first part.

    Rerun: rows that are held are unchanged.
    """
    with transaction() as connection:
        delivery = f"batch of {now:%Y-%m-%dT%H:%M:%S}Z"
        batch = usage.load(
            connection, part.source.source_id, delivery, [part.chunk], None, first_batch_id
        )
        _keep_notes(connection, part.rows, part.facts)
        held = _held(connection, part.chunk)
    return Loaded(_told(part.rows, part.facts, part.chunk, held), batch.batch_id)


def _fact(row: Row, now: datetime, instants: dict[str, datetime]) -> Usage | Refusal:
    post = row.post
    if isinstance(post, Refusal):
        return post
    usage_id = post.usage_id or str(uuid4())
    usage_at = post.usage_at or instants.get(usage_id, now)
    return Usage(row.line, usage_id, usage_at, post.team_id, post.user_id, post.agent_id, post.account_id, None,
                 post.resource_type, None, post.unit, post.quantity, post.cost)  # fmt: skip


def _held_instants(connection: Connection, rows: Sequence[Row]) -> dict[str, datetime]:
    """When the facts were booked whose rows name no time: such a row agrees with any."""
    untimed = [str(record_id(usage_id)) for usage_id in _untimed(rows)]
    if not untimed:
        return {}
    found = connection.execute(
        text("""SELECT DISTINCT ON (usage_id) external_id, usage_at FROM usage_records
                WHERE usage_id = ANY (CAST(:ids AS uuid[])) ORDER BY usage_id, revision DESC"""),
        {"ids": untimed},
    )
    return dict(found.tuples().all())


def _untimed(rows: Sequence[Row]) -> list[str]:
    posts = (row.post for row in rows if isinstance(row.post, Posted))
    return [post.usage_id for post in posts if post.usage_at is None and post.usage_id is not None]


def _held(connection: Connection, chunk: Chunk) -> dict[int, str]:
    """The lines whose fact was held, as `load` found them: unchanged, or changed and booked as its next revision."""
    if not chunk.positions:
        return {}
    found = connection.execute(text("SELECT ordinal, is_same FROM held WHERE is_standing"))
    return {
        chunk.positions[ordinal]: "unchanged" if is_same else "changed"
        for ordinal, is_same in found
    }


def _keep_notes(
    connection: Connection, rows: Sequence[Row], facts: Sequence[Usage | Refusal]
) -> None:
    notes = {
        fact.external_id: row.post
        for row, fact in zip(rows, facts, strict=True)
        if isinstance(fact, Usage) and isinstance(row.post, Posted) and row.post.has_notes
    }
    posting.keep_notes(connection, notes)


def _told(
    rows: Sequence[Row], facts: Sequence[Usage | Refusal], chunk: Chunk, held: dict[int, str]
) -> list[Told]:
    refused = {refusal.position: refusal for _, refusal in chunk.refusals}
    staged = set(chunk.positions)
    told = []
    for row, fact in zip(rows, facts, strict=True):
        usage_id = fact.external_id
        refusal = refused.get(row.line)
        if refusal is not None:
            told.append(Told(row.line, usage_id, "quarantined", refusal.code, refusal.reason))
        else:
            booked = held.get(row.line, "new") if row.line in staged else "unchanged"
            told.append(Told(row.line, usage_id, booked))
    return told
