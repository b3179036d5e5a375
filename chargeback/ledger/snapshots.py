"""What a snapshot changes: a scope as it was delivered, beside what the ledger holds of it.

Owns the comparison and the booking of one scope, in one transaction: a scope is replaced whole or not at
all. Works on the temporary table `delivered` (`snapshot_rows.DELIVERED`). Whether a delivery is booked or
waits is `snapshot_settling`'s.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, TextClause, text

from chargeback import money
from chargeback.identity import length_prefixed
from chargeback.ledger import appearance, batches
from chargeback.ledger.chunks import DayTally, ManifestLine, Tally
from chargeback.ledger.reversals import REVERSING, reverse
from chargeback.snapshot_judgement import Extent
from chargeback.sources.contract import Scope

FACTS = """usage_date, charge_date, usage_at, team_id, user_id, agent_id, account_id, owner_tag, resource_type, sku,
    unit, quantity, cost"""
# What a row in another currency said itself; of the ledger's own currency all NULL.
SAID = "currency, original_cost, exchange_rate"


@dataclass(frozen=True)
class HeldScope:
    """A scope as the ledger knows it. `scope` None: rows that do not say which they belong to."""

    scope_id: int
    source_id: int
    source_name: str
    scope: Scope | None

    @property
    def bounds(self) -> dict[str, Any]:
        """Where the scope's records lie in time, with a day to either side for calendars of other zones."""
        start, end = (self.scope.start, self.scope.end) if self.scope else (date.max, date.max)
        day = timedelta(days=1)
        return {
            "scope_id": self.scope_id,
            "from": start - day if start > date.min else start,
            "to": end + day if end < date.max else end,
        }


@dataclass(frozen=True)
class Difference:
    """What of a delivered scope is new, and what of the held one is missing, in rows."""

    delivered: Extent
    held: Extent
    new: int
    missing: int

    @property
    def is_same(self) -> bool:
        """Whether the delivery says what is held."""
        return not (self.new or self.missing)


_FIND_SCOPE = text("""
    INSERT INTO usage_scopes (source_id, period_start, period_end, account)
    VALUES (:source_id, CAST(:start AS date), CAST(:end AS date), CAST(:account AS text))
    ON CONFLICT (source_id, period_start, account)
    DO UPDATE SET period_end = greatest(usage_scopes.period_end, excluded.period_end)
    RETURNING scope_id, period_end
""")


def find_scope(
    connection: Connection, source_id: int, source_name: str, scope: Scope | None
) -> HeldScope:
    """The scope, known from now on; its period ends when the latest delivery of it said."""
    asked = scope._asdict() if scope else {"start": None, "end": None, "account": None}
    found = connection.execute(_FIND_SCOPE, {"source_id": source_id, **asked}).one()
    longest = scope and scope._replace(end=found.period_end)
    return HeldScope(found.scope_id, source_id, source_name, longest)


_DELIVERED_EXTENT = text("SELECT count(*), sum(cost) FROM delivered WHERE scope_no = :number")
_HELD_EXTENT = text("""
    SELECT sum(record_count), sum(cost) FROM usage_records
    WHERE scope_id = :scope_id AND usage_at >= :from AND usage_at < :to
""")
_ANY_HELD = text("""
    SELECT EXISTS (SELECT FROM usage_records
        WHERE scope_id = :scope_id AND usage_at >= :from AND usage_at < :to)
""")
# Rows that say the same have one hash, so a scope is what it has of each: how many are delivered, how many are
# held, and how many ever were.
_COMPARED = text("""
    CREATE TEMPORARY TABLE compared ON COMMIT DROP AS
    SELECT content_hash, coalesce(d.rows, 0) AS delivered, coalesce(h.rows, 0) AS held, coalesce(h.ever, 0) AS ever
    FROM (SELECT content_hash, count(*) AS rows FROM delivered WHERE scope_no = :number GROUP BY content_hash) d
    FULL JOIN (
        SELECT content_hash, sum(record_count) AS rows, count(*) FILTER (WHERE record_count = 1) AS ever
        FROM usage_records WHERE scope_id = :scope_id AND usage_at >= :from AND usage_at < :to
        GROUP BY content_hash) h USING (content_hash)
    WHERE coalesce(d.rows, 0) <> coalesce(h.rows, 0)
""")
_NOTHING_HELD = text("""
    CREATE TEMPORARY TABLE compared (content_hash uuid, delivered bigint, held bigint, ever bigint) ON COMMIT DROP
""")


def compare(connection: Connection, held: HeldScope, number: int) -> Difference:
    """The scope delivered under `number` beside what is held; leaves `compared` with what differs."""
    connection.execute(text("DROP TABLE IF EXISTS pg_temp.compared"))
    delivered = _extent(connection, _DELIVERED_EXTENT, {"number": number})
    if not connection.execute(_ANY_HELD, held.bounds).scalar_one():
        connection.execute(_NOTHING_HELD)
        return Difference(delivered, Extent(0, Decimal(0)), delivered.rows, 0)
    before = _extent(connection, _HELD_EXTENT, held.bounds)
    connection.execute(_COMPARED, {"number": number, **held.bounds})
    connection.execute(text("ANALYZE pg_temp.compared"))
    new, missing = connection.execute(
        text("""SELECT coalesce(sum(delivered - held) FILTER (WHERE delivered > held), 0),
                    coalesce(sum(held - delivered) FILTER (WHERE held > delivered), 0) FROM compared""")
    ).one()
    return Difference(delivered, before, int(new), int(missing))


def _extent(connection: Connection, query: TextClause, values: dict[str, Any]) -> Extent:
    rows, cost = connection.execute(query, values).one()
    return Extent(int(rows or 0), cost or Decimal(0))


# A row's id is what it says and which of the rows that say the same it is; one that was taken back is never
# booked again, a later one gets the next number. Its formula is `identity.public_id`'s, worked out in place: called
# once per row the function would take three times as long.
_ARRIVING = """
    CREATE TEMPORARY TABLE arriving ON COMMIT DROP AS
    SELECT encode(substr(sha256(CAST(:prefix AS bytea) || convert_to(
            octet_length(external_id) || ':' || external_id, 'UTF8')), 1, 16), 'hex')::uuid AS usage_id, *
    FROM (SELECT encode(uuid_send(content_hash), 'hex') || '-' || ({ordinal}) AS external_id, d.*
          FROM (SELECT d.*, row_number() OVER (PARTITION BY content_hash ORDER BY residual, position) AS place
                FROM delivered d WHERE scope_no = :number {only}) d {known}) named
"""
_ALL_ARRIVE = text(_ARRIVING.format(ordinal="place", only="", known=""))
_SOME_ARRIVE = text(
    _ARRIVING.format(
        ordinal="ever + place",
        only="AND content_hash IN (SELECT content_hash FROM compared WHERE delivered > held)",
        known="JOIN compared USING (content_hash) WHERE place <= delivered - held",
    )
)
_BOOK_RECORDS = text(f"""
    INSERT INTO usage_records (usage_id, source_id, batch_id, scope_id, external_id, residual, content_hash,
        fingerprint, {FACTS}, original_currency, original_cost, exchange_rate, repriced)
    SELECT usage_id, :source_id, :batch_id, :scope_id, external_id, residual, content_hash, fingerprint, {FACTS},
        {SAID}, CASE WHEN original_cost IS NOT NULL THEN 0 END
    FROM arriving ORDER BY usage_id
""")  # noqa: S608 - made of constants only
_BOOK_CELLS = text("""
    INSERT INTO usage_cells (batch_id, source_id, usage_date, charge_date, team_id, user_id, agent_id, account_id,
        owner_tag, resource_type, sku, unit, quantity, cost, residual, record_count, currency, exchange_rate)
    SELECT :batch_id, :source_id, usage_date, charge_date, team_id, user_id, agent_id, account_id,
        owner_tag, resource_type, sku, unit, sum(quantity), sum(cost), sum(residual), count(*),
        currency, coalesce(exchange_rate, 1)
    FROM arriving
    GROUP BY usage_date, charge_date, team_id, user_id, agent_id, account_id, owner_tag, resource_type, sku, unit,
        currency, coalesce(exchange_rate, 1)
""")
# Of rows that say the same the newest are taken back.
_MISSING = text("""
    INSERT INTO reversing
    SELECT usage_id, revision, usage_at FROM (
        SELECT usage_id, usage_at, max(revision) AS revision, c.held - c.delivered AS missing, row_number() OVER (
            PARTITION BY content_hash ORDER BY length(external_id) DESC, external_id DESC) AS place
        FROM usage_records JOIN compared c USING (content_hash)
        WHERE scope_id = :scope_id AND usage_at >= :from AND usage_at < :to AND c.held > c.delivered
        GROUP BY usage_id, usage_at, external_id, content_hash, c.held, c.delivered
        HAVING sum(record_count) = 1) standing
    WHERE place <= missing
""")


def book(
    connection: Connection, held: HeldScope, number: int, delivery: str, found: Difference
) -> batches.BatchCounts:
    """Book what `compare` found, as one batch: new rows are added, missing ones reversed.

    The source's row is locked by the caller; the partitions of what was delivered exist.
    """
    batch_id = batches.open_batch(connection, held.source_id, delivery)
    ids = {"batch_id": batch_id, "source_id": held.source_id, "scope_id": held.scope_id}
    tallies = _received(connection, number)
    connection.execute(text("DROP TABLE IF EXISTS pg_temp.arriving"))
    if found.new:
        _add(connection, held, number, ids)
    if found.missing:
        _take_back(connection, held, batch_id, tallies)
    _count_unchanged(connection, tallies, has_new=bool(found.new))
    batches.write_manifest(connection, batch_id, tallies)
    appearance.appear_in_batch(connection, batch_id)
    return batches.counts_of(connection, batch_id)


_BY_LINE = """
    SELECT usage_date, currency, coalesce(exchange_rate, 1), count(*), sum(coalesce(original_cost, cost + residual))
    FROM {rows} GROUP BY 1, 2, 3
"""
_DELIVERED_BY_LINE = text(_BY_LINE.format(rows="delivered WHERE scope_no = :number"))
_ARRIVING_BY_LINE = text(_BY_LINE.format(rows="arriving"))


def _received(connection: Connection, number: int) -> dict[ManifestLine, DayTally]:
    tallies: dict[ManifestLine, DayTally] = defaultdict(DayTally)
    for *line, count, raw in connection.execute(_DELIVERED_BY_LINE, {"number": number}):
        tallies[ManifestLine(*line)].received.add(raw, count)
    return tallies


def _add(connection: Connection, held: HeldScope, number: int, ids: dict[str, int]) -> None:
    is_known = connection.execute(text("SELECT EXISTS (SELECT FROM compared)")).scalar_one()
    prefix = length_prefixed("usage") + length_prefixed(held.source_name)
    connection.execute(
        _SOME_ARRIVE if is_known else _ALL_ARRIVE, {"number": number, "prefix": prefix}
    )
    connection.execute(_BOOK_RECORDS, ids)
    connection.execute(_BOOK_CELLS, ids)


def _take_back(
    connection: Connection, held: HeldScope, batch_id: int, tallies: dict[ManifestLine, DayTally]
) -> None:
    connection.execute(text("DROP TABLE IF EXISTS pg_temp.reversing"))
    connection.execute(text(f"CREATE TEMPORARY TABLE reversing ({REVERSING}) ON COMMIT DROP"))
    # Nobody has counted what was just booked, and a plan for few records takes minutes for many.
    connection.execute(text("SET LOCAL enable_nestloop = off"))
    connection.execute(_MISSING, held.bounds)
    connection.execute(text("SET LOCAL enable_nestloop = on"))
    for line, taken in reverse(connection, batch_id).items():
        tallies[line].reversed.add(taken.raw, taken.count)


def _count_unchanged(
    connection: Connection, tallies: dict[ManifestLine, DayTally], *, has_new: bool
) -> None:
    """What was received and is not new was held already."""
    new = {
        ManifestLine(*line): Tally(count, raw)
        for *line, count, raw in (connection.execute(_ARRIVING_BY_LINE) if has_new else [])
    }
    for line, tally in tallies.items():
        booked = new.get(line, Tally())
        tally.unchanged.add(
            money.EXACT.subtract(tally.received.raw, booked.raw),
            tally.received.count - booked.count,
        )
