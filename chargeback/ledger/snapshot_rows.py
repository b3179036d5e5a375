"""A snapshot cut into chunks that can be staged: rows rounded, hashed and written for COPY, with their scopes.

Owns reading in; it touches no database. Rows of a snapshot have no id of their own: what a row says is its
identity, and rows that say the same are counted. Comparing and booking are `snapshots`'s.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from io import BytesIO
from itertools import islice
from typing import Any

from chargeback import money
from chargeback.errors import Invalid
from chargeback.ledger.staging import escaped
from chargeback.sources.contract import Known, Original, Refusal, Scope, Scoped, Usage
from chargeback.sources.pricing import Pricing, converted

# From usage_date to cost, the columns are the facts that decide money; with the scope they are what is hashed, and so
# is what a row in another currency said itself.
DELIVERED = """scope_no integer, position bigint, content_hash uuid, residual numeric, fingerprint bigint,
    usage_date date, charge_date date, usage_at timestamptz, team_id text, user_id text, agent_id text,
    account_id text, owner_tag text, resource_type text, sku text, unit text, quantity numeric, cost numeric,
    currency text, original_cost numeric, exchange_rate numeric"""
# Rows that were read before.
KNOWN = "position bigint, fingerprint bigint"
# Rows that do not say which scope they belong to.
NO_SCOPE = 0
MOST_ROWS = 25_000
_ROUNDED = dict[Any, tuple[str, str]]
_OURS = "\\N\t\\N\t\\N"


@dataclass
class SnapshotChunk:
    """A bounded part of a snapshot, ready to be staged: `rows`, and `known` ones, are in COPY's text format.

    `scopes` are the numbers of the scopes first seen here, or seen with a later end; numbers hold for the
    whole delivery.
    """

    rows: bytes = b""
    known: bytes = b""
    size: int = 0
    scopes: dict[int, Scope] = field(default_factory=dict)
    refusals: list[tuple[int, Refusal]] = field(default_factory=list)
    months: set[tuple[int, int]] = field(default_factory=set)


def snapshot_chunks(
    rows: Iterable[Scoped | Known], batch_records: int, pricing: Pricing
) -> Iterator[SnapshotChunk]:
    """Cut a delivery into chunks of at most `batch_records` rows, without holding more than one.

    They are small, for they are only staged: how a delivery is cut decides nothing. Rows in another currency
    are converted, or refused where their month has no rate.
    """
    iterator, numbers = iter(rows), _Numbers()
    most = min(MOST_ROWS, batch_records)
    while True:
        chunk = _prepare(islice(iterator, most), numbers, pricing)
        if not chunk.size:
            return
        chunk.scopes = numbers.news()
        yield chunk


class _Numbers:
    """The numbers of the scopes of one delivery, from 1, and what the hashes of their rows begin with."""

    def __init__(self) -> None:
        self._known: dict[Scope, tuple[int, str]] = {}
        self._held: dict[tuple[date, str], tuple[int, Scope]] = {}
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
        key = (scope.start, scope.account)
        number, longest = self._held.get(key) or (len(self._held) + 1, scope)
        if key not in self._held or scope.end > longest.end:
            self._held[key] = (number, scope)
            self._news[number] = scope
        name = f"{scope.start}\t{escaped(scope.account)}\t"
        known = self._known[scope] = (number, name)
        return known


def _prepare(rows: Iterable[Scoped | Known], numbers: _Numbers, pricing: Pricing) -> SnapshotChunk:
    """Round, name and hash each row.

    The loop is written out because it runs once per row: 1,000,000 of them in some seconds.
    """
    chunk = SnapshotChunk()
    buffer, known = BytesIO(), BytesIO()
    write = buffer.write
    dimensions: dict[tuple[Any, ...], str] = {}
    days: dict[tuple[Any, ...], str] = {}
    amounts: _ROUNDED = {}
    is_foreign = pricing.source_currency != pricing.currency
    for found in rows:
        chunk.size += 1
        if isinstance(found, Known):
            known.write(b"%d\t%d\n" % found)
            continue
        scope, row, fingerprint = found
        number, name = numbers.of(scope)
        if isinstance(row, Usage) and (is_foreign or row.currency is not None):
            row = converted(row, pricing)
        if isinstance(row, Refusal):
            chunk.refusals.append((number, row))
            continue
        try:
            cost, residual = amounts.get(row.cost) or _round(amounts, row.cost)
            quantity, _ = amounts.get(row.quantity) or _round(amounts, row.quantity)
        except Invalid as error:
            chunk.refusals.append((number, _refusal(row, error.code, error.message)))
            continue
        when = (row.usage_at, row.usage_date, row.charge_date)
        day = days.get(when) or days.setdefault(when, _days(chunk, row))
        texts = dimensions.get(row[3:11]) or dimensions.setdefault(
            row[3:11], "\t".join(map(escaped, row[3:11]))
        )
        facts = f"{day}\t{texts}\t{quantity}\t{cost}"
        said, hashed = _OURS, facts
        if row.original is not None:
            # Its text may stay while its rate changes, so it is read whenever it comes.
            fingerprint, said = None, _said(row.original)
            hashed = f"{facts}\t{said}"
        told = "\\N" if fingerprint is None else fingerprint
        content = sha256(f"{name}{row.external_id}\t{hashed}\n".encode()).hexdigest()
        write(
            f"{number}\t{row.position}\t{content[:32]}\t{residual}\t{told}\t{facts}\t{said}\n".encode()
        )
    chunk.rows, chunk.known = buffer.getvalue(), known.getvalue()
    return chunk


def _round(amounts: _ROUNDED, raw: Any) -> tuple[str, str]:
    kept, residual = money.enter(raw)
    rounded = amounts[raw] = (str(kept), str(residual))
    return rounded


def _said(original: Original) -> str:
    """What the row said in its own currency, and the rate it was converted at."""
    return f"{original.currency}\t{original.cost:f}\t{original.rate:f}"


def _days(chunk: SnapshotChunk, row: Usage) -> str:
    """The days the row is booked and charged on, and its instant; its own where the source keeps a calendar."""
    at = row.usage_at
    chunk.months.add((at.year, at.month))
    usage_date = row.usage_date or at.date()
    return f"{usage_date}\t{row.charge_date or usage_date}\t{at.isoformat()}"


def _refusal(row: Usage, code: str, reason: str) -> Refusal:
    shown = {name: str(value) for name, value in row._asdict().items() if value not in (None, ())}
    return Refusal(row.position, None, row.usage_at, code, reason, shown, row.cost)
