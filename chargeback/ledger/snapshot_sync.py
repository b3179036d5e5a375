"""Reading a source of snapshots into the ledger: staged whole, then settled scope by scope.

Owns the order. A delivery is complete before anything of it is looked at, for rows that are missing from it
would be taken back. Killed anywhere, each scope is as it was or as it was delivered, and the next sync does
the rest; what was staged goes with the connection.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection, text

from chargeback.errors import Invalid
from chargeback.ledger import usage
from chargeback.ledger.database import engine, ledger_url, transaction, translated
from chargeback.ledger.known_rows import KnownRows, known_rows, stage_known
from chargeback.ledger.reading import Order, read_snapshot_ahead
from chargeback.ledger.snapshot_rows import DELIVERED, KNOWN, NO_SCOPE, is_news
from chargeback.ledger.snapshot_settling import (
    DECIDED_BY_ITSELF,
    DeliveredScope,
    ScopeCounts,
    decide,
    lock_source,
    settle,
)
from chargeback.ledger.staging import append_rows
from chargeback.ledger.usage_sources import KeptSource
from chargeback.sources.contract import Refusal, Scope
from models.enums import SnapshotState

MOST_REFUSED = 10_000
# A process that sleeps between two transactions loses its turn: while it waits for its source, and afterwards.
IDLE_READING_SECONDS, IDLE_SETTLING_SECONDS = 900, 60


@dataclass
class _Delivery:
    """What of a delivery is staged so far: its scopes by number, its refused rows, its months."""

    name: str
    size: int = 0
    scopes: dict[int, Scope] = field(default_factory=dict)
    refusals: dict[int, list[Refusal]] = field(default_factory=dict)
    months: set[tuple[int, int]] = field(default_factory=set)

    def refuse(self, refusals: list[tuple[int, Refusal]]) -> None:
        """Keep refused rows. Raises Invalid where so many are that the configuration must be wrong."""
        for number, refusal in refusals:
            self.refusals.setdefault(number, []).append(refusal)
        if (count := sum(map(len, self.refusals.values()))) > MOST_REFUSED:
            first = next(iter(self.refusals.values()))[0]
            raise Invalid(
                "delivery_refused",
                f"More than {MOST_REFUSED:,} rows cannot be read ({count:,} so far; the one at {first.position}: "
                f"{first.reason}) Nothing of it is booked: correct the source's configuration, or export it again.",
            )

    def in_order(self) -> Iterator[DeliveredScope]:
        """Rows without a scope first, then the scopes by period and account."""
        unplaced = self.refusals.get(NO_SCOPE, [])
        if unplaced:
            yield DeliveredScope(NO_SCOPE, None, self.name, unplaced)
        for number, scope in sorted(self.scopes.items(), key=lambda item: (item[1], item[0])):
            refusals = self.refusals.get(number, [])
            yield DeliveredScope(number, scope, self.name, refusals, len(unplaced))


def sync_snapshot(
    order: Order, source: KeptSource, delivery: str, is_judged: bool = True
) -> Iterator[ScopeCounts]:
    """Settle every scope that the source delivers, one transaction each; what became of each.

    Scopes that it does not name stay as they are; with `is_judged` False none waits. Two syncs of one source take
    turns.
    Rerun: scopes that say what is held change nothing.
    """
    with _session(source.source_id) as connection:
        with connection.begin():
            known = known_rows(connection, source.source_id)
        delivered = _stage(connection, replace(order, known=known.fingerprints), known, delivery)
        with transaction() as other:
            usage.ensure_partitions(other, delivered.months)
        for scope in delivered.in_order():
            with connection.begin():
                counts = settle(connection, source.source_id, source.name, scope, is_judged)
            yield counts
        if is_judged and delivered.size and NO_SCOPE not in delivered.refusals:
            with connection.begin():
                _settle_unplaced(connection, source)


@contextmanager
def _session(source_id: int) -> Iterator[Connection]:
    """A session of its own, which keeps what is staged over several transactions, and the source's turn.

    Both end with the session, whatever happens in it, so it is never used again. Postgres ends it where its
    process sleeps.
    """
    with translated(), engine(ledger_url()).connect() as connection:
        try:
            with connection.begin():
                connection.execute(
                    text(
                        "SELECT pg_advisory_lock(hashtextextended('snapshot of source ' || :id, 0))"
                    ),
                    {"id": str(source_id)},
                )
                _allow_idle(connection, IDLE_READING_SECONDS)
            yield connection
        finally:
            connection.invalidate()


def _allow_idle(connection: Connection, seconds: int) -> None:
    connection.execute(text(f"SET idle_session_timeout = '{seconds}s'"))


def _stage(connection: Connection, order: Order, known: KnownRows, delivery: str) -> _Delivery:
    found = _Delivery(delivery)
    with connection.begin():
        connection.execute(text(f"CREATE TEMPORARY TABLE delivered ({DELIVERED})"))
        connection.execute(text(f"CREATE TEMPORARY TABLE known ({KNOWN})"))
    for chunk in read_snapshot_ahead(order):
        found.size += chunk.size
        for number, scope in chunk.scopes.items():
            is_news(found.scopes, number, scope)
        found.months |= chunk.months
        found.refuse(chunk.refusals)
        with connection.begin():
            append_rows(connection, "delivered", chunk.rows)
            append_rows(connection, "known", chunk.known)
    with connection.begin():
        found.scopes = stage_known(connection, known, found.scopes)
        if len(found.scopes) > 1:
            connection.execute(text("CREATE INDEX ON pg_temp.delivered (scope_no)"))
        connection.execute(text("ANALYZE pg_temp.delivered (scope_no, content_hash)"))
        _allow_idle(connection, IDLE_SETTLING_SECONDS)
    return found


def _settle_unplaced(connection: Connection, source: KeptSource) -> None:
    """Rows that did not say which scope they belong to are settled by a delivery in which every row does."""
    lock_source(connection, source.source_id)
    waiting = connection.execute(
        text("""SELECT snapshot_id FROM usage_snapshots JOIN usage_scopes USING (scope_id)
                WHERE source_id = :id AND period_start IS NULL AND state = 'waiting'"""),
        {"id": source.source_id},
    ).scalar()
    if waiting is not None:
        why = "delivered again, and every row says which scope it belongs to"
        decide(connection, waiting, SnapshotState.REPLACED, DECIDED_BY_ITSELF, why)
