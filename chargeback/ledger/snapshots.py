"""What a snapshot changes: a scope as it was delivered, beside what the ledger holds of it.

Owns the comparison and the booking of one scope, in one transaction: a scope is replaced whole or not at
all. Works on the temporary table `delivered` (`snapshot_rows.DELIVERED`). Whether a delivery is booked or
waits is `snapshot_settling`'s.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, text

from chargeback import money
from chargeback.identity import length_prefixed
from chargeback.ledger import appearance, batches
from chargeback.ledger.reversals import REVERSING, reverse
from chargeback.ledger.tallies import DayTally, ManifestLine, Tally
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
    """What of a delivered scope is new, and what of the held one is missing, in rows.

    `lines` is what was delivered, by the lines of a manifest. `is_first`: nothing was ever held.
    """

    delivered: Extent
    lines: Mapping[ManifestLine, Tally]
    held: Extent
    new: int
    missing: int
    is_first: bool = False

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


_BY_LINE = """
    SELECT usage_date, currency, coalesce(exchange_rate, 1), count(*), sum(coalesce(original_cost, cost + residual)),
        sum(cost)
    FROM {rows} GROUP BY 1, 2, 3
"""
_DELIVERED = "delivered WHERE scope_no = :number"
_DELIVERED_BY_LINE = text(_BY_LINE.format(rows=_DELIVERED))
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


def compare(connection: Connection, held: HeldScope, number: int) -> Difference:
    """The scope delivered under `number` beside what is held; leaves `compared` with what differs, if anything was."""
    delivered, lines = _delivered(connection, number)
    if not connection.execute(_ANY_HELD, held.bounds).scalar_one():
        nothing = Extent(0, Decimal(0))
        return Difference(delivered, lines, nothing, delivered.rows, 0, is_first=True)
    rows, cost = connection.execute(_HELD_EXTENT, held.bounds).one()
    connection.execute(text("DROP TABLE IF EXISTS pg_temp.compared"))
    connection.execute(_COMPARED, {"number": number, **held.bounds})
    connection.execute(text("ANALYZE pg_temp.compared"))
    new, missing = connection.execute(
        text("""SELECT coalesce(sum(delivered - held) FILTER (WHERE delivered > held), 0),
                    coalesce(sum(held - delivered) FILTER (WHERE held > delivered), 0) FROM compared""")
    ).one()
    return Difference(delivered, lines, Extent(int(rows), cost), int(new), int(missing))


def _delivered(connection: Connection, number: int) -> tuple[Extent, dict[ManifestLine, Tally]]:
    lines: dict[ManifestLine, Tally] = {}
    rows, whole = 0, Decimal(0)
    for *line, count, raw, cost in connection.execute(_DELIVERED_BY_LINE, {"number": number}):
        lines[ManifestLine(*line)] = Tally(count, raw)
        rows, whole = rows + count, money.EXACT.add(whole, cost)
    return Extent(rows, whole), lines


# A row's id is what it says and which of the rows that say the same it is; one that was taken back is never
# booked again, a later one gets the next number. Its formula is `identity.public_id`'s, worked out in place: called
# once per row the function would take three times as long.
_ARRIVING = """(
    SELECT encode(substr(sha256(CAST(:prefix AS bytea) || convert_to(
            octet_length(external_id) || ':' || external_id, 'UTF8')), 1, 16), 'hex')::uuid AS usage_id, *
    FROM (SELECT encode(uuid_send(content_hash), 'hex') || '-' || ({ordinal}) AS external_id, d.*
          FROM (SELECT d.*, row_number() OVER (PARTITION BY content_hash ORDER BY residual, position) AS place
                FROM delivered d WHERE scope_no = :number {only}) d {known}) named) arriving"""
_ALL_NAMED = _ARRIVING.format(ordinal="place", only="", known="")
_SOME_NAMED = _ARRIVING.format(
    ordinal="ever + place",
    only="AND content_hash IN (SELECT content_hash FROM compared WHERE delivered > held)",
    known="JOIN compared USING (content_hash) WHERE place <= delivered - held",
)
_SOME_ARRIVE = text(
    "CREATE TEMPORARY TABLE arriving ON COMMIT DROP AS SELECT * FROM " + _SOME_NAMED  # noqa: S608
)
_ARRIVING_BY_LINE = text(_BY_LINE.format(rows="arriving"))
_BOOK_RECORDS = f"""
    INSERT INTO usage_records (usage_id, source_id, batch_id, scope_id, external_id, residual, content_hash,
        fingerprint, {FACTS}, original_currency, original_cost, exchange_rate, repriced)
    SELECT usage_id, :source_id, :batch_id, :scope_id, external_id, residual, content_hash, fingerprint, {FACTS},
        {SAID}, CASE WHEN original_cost IS NOT NULL THEN 0 END
    FROM {{rows}} ORDER BY usage_id
"""  # noqa: S608 - made of constants only
_BOOK_CELLS = """
    INSERT INTO usage_cells (batch_id, source_id, usage_date, charge_date, team_id, user_id, agent_id, account_id,
        owner_tag, resource_type, sku, unit, quantity, cost, residual, record_count, currency, exchange_rate)
    SELECT :batch_id, :source_id, usage_date, charge_date, team_id, user_id, agent_id, account_id,
        owner_tag, resource_type, sku, unit, sum(quantity), sum(cost), sum(residual), count(*),
        currency, coalesce(exchange_rate, 1)
    FROM {rows}
    GROUP BY usage_date, charge_date, team_id, user_id, agent_id, account_id, owner_tag, resource_type, sku, unit,
        currency, coalesce(exchange_rate, 1)
"""
_BOOK_ALL = text(_BOOK_RECORDS.format(rows=_ALL_NAMED)), text(_BOOK_CELLS.format(rows=_DELIVERED))
_BOOK_SOME = text(_BOOK_RECORDS.format(rows="arriving")), text(_BOOK_CELLS.format(rows="arriving"))
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
    tallies: dict[ManifestLine, DayTally] = defaultdict(DayTally)
    for line, delivered in found.lines.items():
        tallies[line].received = delivered
    new = _add(connection, held, number, batch_id, found) if found.new else {}
    if found.missing:
        _take_back(connection, held, batch_id, tallies)
    for line, tally in tallies.items():
        # What was received and is not new was held already.
        tally.unchanged = tally.received - new.get(line, Tally())
    batches.write_manifest(connection, batch_id, tallies)
    appearance.appear_in_batch(connection, batch_id)
    return batches.counts_of(connection, batch_id)


def _add(
    connection: Connection, held: HeldScope, number: int, batch_id: int, found: Difference
) -> Mapping[ManifestLine, Tally]:
    """Book the new rows as records and cells; how many they are, by the lines of the manifest."""
    values = {
        "number": number, "prefix": length_prefixed("usage") + length_prefixed(held.source_name),
        "batch_id": batch_id, "source_id": held.source_id, "scope_id": held.scope_id,
    }  # fmt: skip
    if found.is_first:
        for statement in _BOOK_ALL:
            connection.execute(statement, values)
        return found.lines
    connection.execute(text("DROP TABLE IF EXISTS pg_temp.arriving"))
    connection.execute(_SOME_ARRIVE, values)
    for statement in _BOOK_SOME:
        connection.execute(statement, values)
    counted = connection.execute(_ARRIVING_BY_LINE)
    return {ManifestLine(*line): Tally(count, raw) for *line, count, raw, _ in counted}


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
