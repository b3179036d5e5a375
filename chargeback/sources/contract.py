"""What every cost tracker looks like from inside: windows in, usage and refusals out."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, runtime_checkable

from chargeback.sources.source_config import SourceConfig

Contract = Literal["events", "snapshots"]
Role = Literal["allocate", "reconcile_only", "weights"]
ROLES: tuple[Role, ...] = ("allocate", "reconcile_only", "weights")


class Original(NamedTuple):
    """What a source itself said a usage costs, where the ledger books another amount.

    `cost` times `rate`, plus what our own rate card adds (`repriced`), is the usage's cost, exactly.
    Units: `cost` in `currency`, None for the ledger's; `repriced` in the ledger's.
    """

    cost: Decimal
    currency: str | None
    rate: Decimal
    repriced: Decimal


class Usage(NamedTuple):
    """One metered fact as a source delivered it, read but not yet rounded.

    Units: `cost` in `currency` with every digit the source sent, `quantity` in `unit`.
    `position` is the line of a file or the ordinal in an answer, from 1. `usage_date` is the day the
    cost is booked on and `charge_date` the day that decides owner and rule, where the source keeps a
    calendar of its own; None for the day of `usage_at` in the billing zone. `currency` None is
    what its source counts in. `tokens` names how many tokens of each kind were used, where the source says so.
    `original` is set by `pricing`, which makes `cost` an amount in the ledger's currency.
    """

    position: int
    external_id: str
    usage_at: datetime
    team_id: str | None
    user_id: str | None
    agent_id: str | None
    account_id: str | None
    owner_tag: str | None
    resource_type: str
    sku: str | None
    unit: str
    quantity: Decimal
    cost: Decimal
    usage_date: date | None = None
    charge_date: date | None = None
    currency: str | None = None
    tokens: tuple[tuple[str, Decimal], ...] = ()
    original: Original | None = None


class Refusal(NamedTuple):
    """One row that cannot be booked as it is, kept whole so that a person can mend it.

    `code` is stable, `reason` one sentence; `raw_cost` is what the row says it costs, if that can
    be read, in `currency` (None: the ledger's), and `usage_at` when. `is_read` rows are usage by its
    fields (`kept_usage`), which something other than its source refused.
    """

    position: int
    external_id: str | None
    usage_at: datetime | None
    code: str
    reason: str
    row: dict[str, Any]
    raw_cost: Decimal | None
    currency: str | None = None
    is_read: bool = False


class Scope(NamedTuple):
    """What a snapshot delivers whole: one billing period of one account.

    `start <= day < end`. A delivery of the scope replaces what was held of it; `start` and `account`
    say which scope it is, since an open period's `end` may still move.
    """

    start: date
    end: date
    account: str


class Scoped(NamedTuple):
    """A row of a snapshot and the scope that it belongs to; None where the row does not say which.

    `external_id` of its usage is empty where the source gives rows no id of their own. `fingerprint` is
    64 bits of the row as it is written and of all that decides what it means.
    """

    scope: Scope | None
    row: Usage | Refusal
    fingerprint: int | None = None


class Known(NamedTuple):
    """A row that was read before, told by its fingerprint alone: what it says is known already."""

    position: int
    fingerprint: int


class Window(NamedTuple):
    """Half-open instants to read, `start <= usage_at < end`; None leaves that end open."""

    start: datetime | None
    end: datetime | None


class World(NamedTuple):
    """What a source may use of the world around it.

    `currency` is what the source counts in where a row says nothing else; `networks` are the private
    ones it may fetch from; `block` gives the secret in the Prefect Secret block of a name.
    Units: `timeout_seconds` is the longest wait for one answer.
    """

    root: Path
    currency: str
    timeout_seconds: Decimal
    networks: tuple[IPv4Network | IPv6Network, ...]
    block: Callable[[str], str]


@runtime_checkable
class ReadsRows(Protocol):
    """A source that can read one of its rows again, as its refusal holds it, once somebody mended it."""

    def read_row(self, position: int, row: Mapping[str, Any]) -> Usage | Refusal:
        """What the row means."""
        ...


class Readable(Protocol):
    """What can be read: a source, or a batch that was pushed to one."""

    @property
    def is_large(self) -> bool:
        """Whether there is so much to read that it is worth a process of its own."""
        ...

    def read(self, window: Window, /) -> Iterator[Usage | Refusal]:
        """Everything there is in a planned window, in its own order, in bounded memory."""
        ...


class Source(Readable, Protocol):
    """A configured cost tracker; a kind is one class in one file, listed in `chargeback.sources`.

    `contract` is how it delivers: `events` are rows with an id of their own, each delivered any
    number of times; in `snapshots` a whole scope delivered again replaces what was held.
    `roles` are those it can serve, the usual one first.
    """

    kind: ClassVar[str]
    contract: ClassVar[Contract]
    roles: ClassVar[tuple[Role, ...]]
    config_class: ClassVar[type[SourceConfig]]

    def __init__(self, config: Any, world: World) -> None: ...

    def plan(self, window: Window, /) -> Window:
        """What is read when `window` is asked for: at least that, whole days or all of a file."""
        ...


@runtime_checkable
class ReadInShares(Protocol):
    """A source whose delivery several processes can read at once."""

    def shares(self, readers: int, rows: int) -> Sequence[Readable]:
        """The delivery as it is now for each reader, who makes one block of `rows` rows in turn; together all of it.

        Raises when read what reading it alone raises; Unavailable where it is not any more what it was.
        """
        ...


@runtime_checkable
class SnapshotSource(Protocol):
    """What a source of the contract `snapshots` has besides: its rows say which scope they belong to."""

    def read_scopes(
        self, window: Window, known: Sequence[int] = ()
    ) -> Iterator[Scoped] | Iterator[Scoped | Known]:
        """The same rows, each with its scope; what is named of a scope is all there is of it.

        Rows whose fingerprints are in `known`, which is sorted, need not be read again.
        """
        ...
