"""A delivery cut into chunks that can be loaded: rows rounded, named, hashed, counted and written for COPY.

Owns reading in; it touches no database. Booking a chunk is `usage`'s.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from hashlib import sha256
from io import BytesIO
from itertools import islice
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from chargeback import money
from chargeback.errors import Invalid
from chargeback.ledger.copy_text import escaped
from chargeback.ledger.tallies import DayTally, ManifestLine
from chargeback.periods import day_of
from chargeback.sources.contract import Original, Refusal, Usage
from chargeback.sources.kept_usage import refusal_of

# What pricing made of a row; only of those it touched, beside the others.
PRICED = (
    "ordinal integer, currency text, original_cost numeric, exchange_rate numeric, repriced numeric"
)

# From usage_at on, the columns are the facts that decide money, in the order in which they are hashed; days that
# a source gives itself are hashed behind them.
STAGE = """ordinal integer, usage_id uuid, usage_date date, charge_date date, external_id text, residual numeric,
    content_hash uuid, usage_at timestamptz, team_id text, user_id text, agent_id text, account_id text, owner_tag text,
    resource_type text, sku text, unit text, quantity numeric, cost numeric"""

# The code of a row that contradicts another one of its own delivery.
REPEATED = "repeated"


# What is held in memory at a time, of the first chunk and of later ones.
FIRST_RECORDS = 25_000
CHUNK_RECORDS = 200_000


class Repeat(NamedTuple):
    """A second row of one id in one delivery with other content: refused, unless it says what is held already."""

    line: ManifestLine
    usage_id: UUID
    content_hash: UUID
    refusal: Refusal


@dataclass
class Chunk:
    """A bounded part of a delivery, read and rounded, ready to be loaded.

    `rows` are in COPY's text format. `batch_no`: chunks that follow each other and have it in common are loaded in
    one transaction, as one batch. `is_last`: the delivery has no more.
    """

    rows: bytes = b""
    size: int = 0
    batch_no: int = 0
    is_last: bool = False
    positions: list[int] = field(default_factory=list)
    refusals: list[tuple[date | None, Refusal]] = field(default_factory=list)
    repeats: list["Repeat"] = field(default_factory=list)
    originals: list[tuple[int, Original]] = field(default_factory=list)
    tallies: dict[ManifestLine, DayTally] = field(default_factory=lambda: defaultdict(DayTally))
    months: set[tuple[int, int]] = field(default_factory=set)
    # Rows with tokens that cost nothing at their source, and how many of them our own rates priced.
    free: int = 0
    repriced: int = 0


def chunks(
    rows: Iterable[Usage | Refusal],
    source_name: str,
    zone: ZoneInfo,
    batch_records: int,
    chunk_records: int = CHUNK_RECORDS,
) -> Iterator[Chunk]:
    """Cut a delivery into chunks of at most `chunk_records` rows, without holding more than one.

    The first are smaller, so that loading begins soon. As many as have `batch_records` rows at most make a batch,
    for each batch adds cells of its own and all later work is by cells. A batch goes no further than the months
    of its first chunk, since their partitions have to be there before it begins.
    """
    iterator = iter(rows)
    prefix = sha256(_prefixed("usage") + _prefixed(source_name))
    largest = min(chunk_records, batch_records)
    most = min(FIRST_RECORDS, largest)
    batch_no, batch_size, months = 0, 0, set[tuple[int, int]]()
    while True:
        chunk = _prepare(islice(iterator, most), prefix, zone)
        chunk.is_last = chunk.size < most
        batch_size += chunk.size
        if batch_size > batch_records or not chunk.months <= months:
            batch_no, batch_size, months = batch_no + 1, chunk.size, chunk.months
        chunk.batch_no = batch_no
        if chunk.size:
            yield chunk
        if chunk.is_last:
            return
        most = min(2 * most, largest)


def content_hash(usage: Usage) -> UUID:
    """What makes two deliveries of one fact the same, for a row that is rounded; as `chunks` works it out."""
    texts = "\t".join(map(escaped, usage[3:11]))
    facts = f"{usage.usage_at.isoformat()}\t{texts}\t{usage.quantity}\t{usage.cost}"
    return UUID(bytes=sha256(facts.encode()).digest()[:16])


def _prefixed(part: str) -> bytes:
    encoded = part.encode()
    return b"%d:%b" % (len(encoded), encoded)


def _prepare(rows: Iterable[Usage | Refusal], prefix: Any, zone: ZoneInfo) -> Chunk:
    """Round, name and hash each row; the first of two rows with one id wins.

    The loop is written out because it runs once per record: 1,000,000 of them in some seconds.
    """
    chunk = Chunk()
    buffer, positions = BytesIO(), chunk.positions
    write = buffer.write
    is_utc = zone.key == "UTC"
    seen: dict[str, bytes] = {}
    dimensions: dict[tuple[Any, ...], str] = {}
    quantities: dict[Decimal, str] = {}
    usage_date = charge_date = date.min
    dated: tuple[date | None, ...] = ()
    own_days = ""
    day_tally = DayTally()
    for row in rows:
        chunk.size += 1
        if isinstance(row, Refusal):
            _refuse(chunk, day_of(row.usage_at, zone) if row.usage_at else None, row)
            continue
        external_id, usage_at, raw_quantity, raw_cost, original = (
            row[1], row[2], row[11], row[12], row[17]
        )  # fmt: skip
        if (named := (usage_at.date(), row[13], row[14])) != dated or not is_utc:
            dated = named
            usage_date, charge_date, own_days = _days_of(row, zone)
            day_tally = chunk.tallies[ManifestLine(usage_date)]
            chunk.months.add((usage_at.year, usage_at.month))
        try:
            cost, residual = money.enter(raw_cost)
            quantity = quantities.get(raw_quantity) or quantities.setdefault(
                raw_quantity, str(money.enter(raw_quantity)[0])
            )
        except Invalid as error:
            _refuse(chunk, usage_date, refusal_of(row, error.code, error.message))
            continue
        names = row[3:11]
        texts = dimensions.get(names) or dimensions.setdefault(
            names, "\t".join(map(escaped, names))
        )
        facts = f"{usage_at.isoformat()}\t{texts}\t{quantity}\t{cost}"
        content = sha256(f"{facts}{own_days}".encode()).digest()[:16]
        usage_id = prefix.copy()
        usage_id.update(_prefixed(external_id))
        tally = day_tally
        if original is not None:
            raw_cost = original.cost
            tally = chunk.tallies[_line(usage_date, original)]
        received = tally.received
        received.count += 1
        received.raw = money.EXACT.add(received.raw, raw_cost)
        first = seen.setdefault(external_id, content)
        if len(seen) == len(positions):
            if first == content:
                tally.unchanged.add(raw_cost)
            else:
                counted = _line(usage_date, original)
                chunk.repeats.append(_repeat(counted, usage_id.digest(), content, row))
            continue
        line = (
            f"{len(positions)}\t{usage_id.hexdigest()[:32]}\t{usage_date}\t{charge_date}"
            f"\t{escaped(external_id)}\t{residual}\t{content.hex()}\t{facts}\n"
        )
        if original is not None:
            chunk.originals.append((len(positions), original))
        write(line.encode())
        positions.append(row[0])
    chunk.rows = buffer.getvalue()
    return chunk


def _days_of(row: Usage, zone: ZoneInfo) -> tuple[date, date, str]:
    """The days a row is booked and charged on, and how they are hashed where the source gives them itself."""
    usage_date = row.usage_date or day_of(row.usage_at, zone)
    charge_date = row.charge_date or usage_date
    is_own = row.usage_date is not None or row.charge_date is not None
    return usage_date, charge_date, f"\t{usage_date}\t{charge_date}" if is_own else ""


def _line(usage_date: date, original: Original | None) -> ManifestLine:
    if original is None:
        return ManifestLine(usage_date)
    return ManifestLine(usage_date, original.currency, original.rate)


def _repeat(line: ManifestLine, usage_id: bytes, content: bytes, row: Usage) -> Repeat:
    reason = (
        f"usage {row.external_id} is delivered twice with different content; the first is kept: "
        "find out which is right, then waive this one"
    )
    refusal = refusal_of(row._replace(quantity=money.enter(row.quantity)[0]), REPEATED, reason)
    return Repeat(line, UUID(bytes=usage_id[:16]), UUID(bytes=content), refusal)


def _refuse(chunk: Chunk, usage_date: date | None, refusal: Refusal) -> None:
    tally = chunk.tallies[ManifestLine(usage_date, refusal.currency)]
    raw = refusal.raw_cost if refusal.raw_cost is not None else Decimal(0)
    tally.received.add(raw)
    tally.quarantined.add(raw)
    chunk.refusals.append((usage_date, refusal))
