"""A snapshot cut into chunks that can be staged: rows rounded, hashed and written for COPY, with their scopes.

Owns reading in; it touches no database. Rows of a snapshot have no id of their own: what a row says is its
identity, and rows that say the same are counted. Comparing and booking are `snapshots`'s.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from hashlib import blake2b, sha256
from io import BytesIO
from itertools import islice

from chargeback import money
from chargeback.errors import Invalid
from chargeback.ledger.copy_text import escaped
from chargeback.remembered import Remembered
from chargeback.sources.contract import Known, Original, Refusal, Scope, Scoped, Usage
from chargeback.sources.pricing import Pricing, converted

# From usage_date to cost, the columns are the facts that decide money; with the scope they are what is hashed, and so
# is what a row in another currency said itself.
DELIVERED = """scope_no bigint, position bigint, content_hash uuid, residual numeric, fingerprint bigint,
    usage_date date, charge_date date, usage_at timestamptz, team_id text, user_id text, agent_id text,
    account_id text, owner_tag text, resource_type text, sku text, unit text, quantity numeric, cost numeric,
    currency text, original_cost numeric, exchange_rate numeric"""
# Rows that were read before.
KNOWN = "position bigint, fingerprint bigint"
# Rows that do not say which scope they belong to.
NO_SCOPE = 0
MOST_ROWS = 5_000
_OURS = "\\N\t\\N\t\\N"


@dataclass
class SnapshotChunk:
    """A bounded part of a snapshot, ready to be staged: `rows`, and `known` ones, are in COPY's text format.

    `scopes` are the numbers of the scopes first seen here, or seen with a later end.
    """

    rows: bytes = b""
    known: bytes = b""
    size: int = 0
    scopes: dict[int, Scope] = field(default_factory=dict)
    refusals: list[tuple[int, Refusal]] = field(default_factory=list)
    months: set[tuple[int, int]] = field(default_factory=set)


def rows_at_once(batch_records: int) -> int:
    """How many rows a chunk has, but for the last one."""
    return min(MOST_ROWS, batch_records)


def scope_number(scope: Scope) -> int:
    """The number of a scope in every delivery and process, by its start and account; never `NO_SCOPE`. 63 bits."""
    name = f"{scope.start}\t{scope.account}".encode("utf-8", "surrogateescape")
    return int.from_bytes(blake2b(name, digest_size=8).digest()) >> 1 or 1


def is_news(scopes: dict[int, Scope], number: int, scope: Scope) -> bool:
    """Keep the scope in `scopes` to its latest end; whether that says more than they did."""
    known = scopes.get(number)
    is_same = known is None or (known.start, known.account) == (scope.start, scope.account)
    assert is_same, f"{known} and {scope} have one number"
    if known is not None and known.end >= scope.end:
        return False
    scopes[number] = scope
    return True


def snapshot_chunks(
    rows: Iterable[Scoped | Known], batch_records: int, pricing: Pricing
) -> Iterator[SnapshotChunk]:
    """Cut a delivery into chunks of at most `batch_records` rows, without holding more than one.

    They are small, for they are only staged: how a delivery is cut decides nothing. Rows in another currency
    are converted, or refused where their month has no rate.
    """
    iterator, numbers, written = iter(rows), _Numbers(), _Written()
    most = rows_at_once(batch_records)
    while True:
        chunk = _prepare(islice(iterator, most), numbers, pricing, written)
        if not chunk.size:
            return
        chunk.scopes = numbers.news()
        yield chunk


class _Numbers:
    """The numbers of the scopes of one delivery, and what the hashes of their rows begin with."""

    def __init__(self) -> None:
        self._known: dict[Scope, tuple[int, str]] = {}
        self._held: dict[int, Scope] = {}
        self._news: dict[int, Scope] = {}

    def of(self, scope: Scope | None) -> tuple[int, str]:
        """The scope's number and its name in hashes; scopes that differ in their end only are one."""
        if scope is None:
            return NO_SCOPE, ""
        return self._known.get(scope) or self._meet(scope)

    def news(self) -> dict[int, Scope]:
        """The scopes that are new, or end later, since this was last asked."""
        news, self._news = self._news, {}
        return news

    def _meet(self, scope: Scope) -> tuple[int, str]:
        number = scope_number(scope)
        if is_news(self._held, number, scope):
            self._news[number] = scope
        name = f"{scope.start}\t{escaped(scope.account)}\t"
        known = self._known[scope] = (number, name)
        return known


class _Written:
    """How the values of one delivery are written for COPY, and the months (UTC) they are of."""

    def __init__(self) -> None:
        self.months: set[tuple[int, int]] = set()
        self.days = Remembered(self._days)
        self.names = Remembered(escaped)
        self.costs = Remembered(_rounded, 10_000)
        # Apart from costs, for they repeat less.
        self.quantities = Remembered(_rounded, 10_000)

    def _days(self, when: tuple[datetime, date | None, date | None]) -> str:
        """The days a row is booked and charged on, its own where the source keeps a calendar, and its instant."""
        at, usage_date, charge_date = when
        self.months.add((at.year, at.month))
        usage_date = usage_date or at.date()
        return f"{usage_date}\t{charge_date or usage_date}\t{at.isoformat()}"


def _prepare(
    rows: Iterable[Scoped | Known], numbers: _Numbers, pricing: Pricing, written: _Written
) -> SnapshotChunk:
    """Round, name and hash each row.

    The loop is written out because it runs once per row: 1,000,000 of them in some seconds.
    """
    chunk = SnapshotChunk()
    # Rows of a scope lie together, for scope by scope they are settled.
    lines: dict[int, list[str]] = defaultdict(list)
    known: list[str] = []
    days, costs, quantities = written.days, written.costs, written.quantities
    text_of = written.names.__getitem__
    is_foreign = pricing.source_currency != pricing.currency
    for found in rows:
        if isinstance(found, Known):
            known.append(f"{found[0]}\t{found[1]}\n")
            continue
        scope, row, fingerprint = found
        number, name = numbers.of(scope)
        if isinstance(row, Usage) and (is_foreign or row[15] is not None):
            row = converted(row, pricing)
        if isinstance(row, Refusal):
            chunk.refusals.append((number, row))
            continue
        try:
            cost, residual = costs[row[12]]
            quantity, _ = quantities[row[11]]
        except Invalid as error:
            chunk.refusals.append((number, _refusal(row, error.code, error.message)))
            continue
        texts = "\t".join(map(text_of, row[3:11]))
        facts = f"{days[row[2], row[13], row[14]]}\t{texts}\t{quantity}\t{cost}"
        said, hashed, original = _OURS, facts, row[17]
        if original is not None:
            # Its text may stay while its rate changes, so it is read whenever it comes.
            fingerprint, said = None, _said(original)
            hashed = f"{facts}\t{said}"
        told = "\\N" if fingerprint is None else fingerprint
        content = sha256(f"{name}{row[1]}\t{hashed}\n".encode()).hexdigest()
        lines[number].append(
            f"{number}\t{row[0]}\t{content[:32]}\t{residual}\t{told}\t{facts}\t{said}\n"
        )
    chunk.size = sum(map(len, lines.values())) + len(known) + len(chunk.refusals)
    chunk.rows = _joined(lines)
    chunk.known = "".join(known).encode()
    chunk.months = written.months
    return chunk


def _joined(lines: dict[int, list[str]]) -> bytes:
    """All lines as one text; they are let go on the way, so that they are not there twice."""
    text = BytesIO()
    for number in list(lines):
        text.write("".join(lines.pop(number)).encode())
    return text.getvalue()


def _rounded(raw: Decimal) -> tuple[str, str]:
    kept, residual = money.enter(raw)
    return str(kept), str(residual)


def _said(original: Original) -> str:
    """What the row said in its own currency, and the rate it was converted at."""
    return f"{original.currency}\t{original.cost:f}\t{original.rate:f}"


def _refusal(row: Usage, code: str, reason: str) -> Refusal:
    shown = {name: str(value) for name, value in row._asdict().items() if value not in (None, ())}
    return Refusal(row.position, None, row.usage_at, code, reason, shown, row.cost)
