"""The way from a line of a document to usage and back, as plain values.

Owns what a share of a record is: its cost comes down through the pool that took it onto the pool's shares, and
from those that a later stage passed on through that stage's pool onto its shares. Each step loses nothing.
Units: costs exact in the ledger's currency; within `borne` in 10⁻¹⁸ of it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from chargeback import money
from chargeback.views import LineView
from models.enums import DocumentKind, InvoiceStatus


@dataclass(frozen=True)
class PoolShare:
    """One share of a pool: whose, by which weight, and the later stages' pools that took it.

    `place` is its turn for odd units; `user_id` says in a pool that is not divided whose cost it is.
    """

    allocation_id: int
    user_id: str | None
    weight: int
    place: int
    passed_to: tuple[int, ...] = ()


@dataclass(frozen=True)
class Pool:
    """A pool as far as its shares are concerned."""

    is_divided: bool
    shares: tuple[PoolShare, ...]


def borne(
    cost: int, pool_id: int, user_id: str | None, pools: Mapping[int, Pool]
) -> dict[int, int]:
    """What each allocation bears of a cost that `user_id` caused and that lies in the pool.

    A share that was passed on is told beside the shares of those it was passed on to, for it may have been billed
    before. Those of one pool add up to what came into it.
    """
    found: dict[int, int] = {}
    for share, part in _shared(cost, user_id, pools.get(pool_id)):
        found[share.allocation_id] = found.get(share.allocation_id, 0) + part
        for later in share.passed_to:
            # Every later stage divides, so who used it no longer matters.
            for allocation_id, passed in borne(part, later, None, pools).items():
                found[allocation_id] = found.get(allocation_id, 0) + passed
    return found


def _shared(cost: int, user_id: str | None, pool: Pool | None) -> Iterator[tuple[PoolShare, int]]:
    if pool is None:
        return
    if not pool.is_divided:
        yield from ((share, cost) for share in pool.shares if share.user_id == user_id)
        return
    parts = money.split(cost, {f"{share.place:012}": share.weight for share in pool.shares})
    yield from ((share, parts[f"{share.place:012}"]) for share in pool.shares)


@dataclass(frozen=True)
class CameFrom:
    """What an earlier stage gave a team and a later one's pools took: by which rule version, and how much."""

    rule_id: str
    rule_version: int
    team_id: str | None
    cost: Decimal


@dataclass(frozen=True)
class RulePart:
    """What one rule version gives a line, of one source and kind of pool.

    `kind`: `usage`, or what corrects billed usage: `reversal`, `replacement`. `pool_cost` is what the pools come
    to for everybody, None where the reader may not know. `remarks` say why pools were not divided as the rule says.
    """

    rule_id: str
    rule_version: int
    rule_name: str
    rule_type: str
    stage: int
    source: str
    kind: str
    is_divided: bool
    is_reallocated: bool
    first_day: date
    last_day: date
    pools: int
    allocations: int
    pool_cost: Decimal | None
    cost: Decimal
    quantity: Decimal
    remarks: tuple[str, ...] = ()
    came_from: tuple[CameFrom, ...] = ()


@dataclass(frozen=True)
class LineExplained:
    """A line of a document with the rules it comes from; their costs add up to `line.exact`.

    A credit note's line takes back what the line of the invoice it credits, `credits_number`, had claimed.
    """

    number: str
    document: DocumentKind
    status: InvoiceStatus
    currency: str
    credits_number: str | None
    line: LineView
    late_month: date | None
    rules: tuple[RulePart, ...]


@dataclass(frozen=True)
class AllocationExplained:
    """One allocation: a payer's share of one pool of one day, by which rule version, and why it is that much.

    `lines` are where it was claimed, as (document's number, position).
    """

    allocation_id: int
    usage_date: date
    source: str
    rule_id: str
    rule_version: int
    rule_type: str
    kind: str
    team_id: str | None
    user_id: str | None
    resource_type: str
    unit: str
    cost: Decimal
    quantity: Decimal
    weight: Decimal | None
    pool_cost: Decimal | None
    remark: str | None
    lines: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Bearer:
    """Who bears a part of a record: an allocation, and the line that claims it, if one does.

    `cost` is the part of the record's cost, exact; of a credit note's line and of what takes usage back it is
    negative. `cause` is `usage`, `correction`, `reallocation`, or `credit`. `is_current` is False where the document
    was cancelled and for the credit that takes it back: together they are 0.
    """

    allocation_id: int
    revision: int
    rule_id: str
    rule_version: int
    rule_type: str
    team_id: str | None
    user_id: str | None
    cause: str
    cost: Decimal
    number: str | None
    position: int | None
    description: str | None
    status: InvoiceStatus | None
    is_current: bool
    is_written_off: bool
