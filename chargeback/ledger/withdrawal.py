"""Withdrawing usage: records that should not be there are taken back, and nothing stands in for them.

Owns the batch that does it. A source that delivers a withdrawn record again books it anew, as its next revision.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import Connection, text

from chargeback import money
from chargeback.errors import Invalid, NotFound
from chargeback.ledger import audit, batches, usage, usage_sources
from chargeback.ledger.invoices import plain
from chargeback.ledger.reversals import REVERSING, reverse
from chargeback.ledger.tallies import DayTally, ManifestLine


@dataclass(frozen=True)
class Withdrawn:
    """How many records were taken back, and their raw cost (ledger currency, unrounded)."""

    count: int
    raw_cost: Decimal


def withdraw(
    connection: Connection, source: str, external_ids: Sequence[str], reason: str, actor: str
) -> Withdrawn:
    """Take these records of a source back, for good reason, whatever was billed of them.

    Rerun: what was withdrawn stays so and counts 0. Raises NotFound, and takes none, where an id is not held.
    """
    if not reason.strip():
        raise Invalid("reason_missing", "say why the usage is withdrawn: --reason '...'")
    source_id = usage_sources.find(connection, source).source_id
    connection.execute(
        text("SELECT FROM usage_sources WHERE source_id = :id FOR UPDATE"), {"id": source_id}
    )
    _name_newest(connection, source, external_ids)
    if not connection.execute(text("SELECT EXISTS (SELECT FROM reversing)")).scalar_one():
        return Withdrawn(0, Decimal(0))
    batch_id = batches.open_batch(connection, source_id, f"withdrawn: {reason}")
    tallies: dict[ManifestLine, DayTally] = defaultdict(DayTally)
    for line, taken in reverse(connection, batch_id).items():
        tallies[line].reversed.add(taken.raw, taken.count)
    batches.write_manifest(connection, batch_id, tallies)
    usage.mark_days_of(connection, batch_id)
    withdrawn = Withdrawn(
        sum(tally.reversed.count for tally in tallies.values()),
        plain(
            money.exact_sum(
                money.EXACT.multiply(tally.reversed.raw, line.exchange_rate)
                for line, tally in tallies.items()
            )
        ),
    )
    after = {
        "records": withdrawn.count,
        "raw_cost": f"{withdrawn.raw_cost:f}",
        "ids": list(external_ids),
    }
    audit.append(
        connection, audit.Entry(actor, "usage.withdrawn", "source", source, None, after, reason)
    )
    return withdrawn


def _name_newest(connection: Connection, source: str, external_ids: Sequence[str]) -> None:
    """Fill `reversing` with the newest revisions of these ids that still stand."""
    connection.execute(text("DROP TABLE IF EXISTS pg_temp.reversing"))
    connection.execute(text(f"CREATE TEMPORARY TABLE reversing ({REVERSING}) ON COMMIT DROP"))
    newest = connection.execute(
        text("""SELECT DISTINCT ON (usage_id) external_id, usage_id, revision, usage_at, record_count
                FROM usage_records WHERE usage_id IN (
                    SELECT public_id('usage', :source, id) FROM unnest(CAST(:ids AS text[])) id)
                ORDER BY usage_id, revision DESC"""),
        {"source": source, "ids": list(external_ids)},
    ).all()
    unknown = set(external_ids) - {row.external_id for row in newest}
    if unknown:
        raise NotFound(
            "usage_not_found",
            f"source {source} has no usage {min(unknown)!r}; nothing was withdrawn: look the id up in the source",
        )
    standing = [row for row in newest if row.record_count == 1]
    if standing:
        connection.execute(
            text("INSERT INTO reversing VALUES (:usage_id, :revision, :usage_at)"),
            [{"usage_id": r.usage_id, "revision": r.revision, "usage_at": r.usage_at} for r in standing],
        )  # fmt: skip
