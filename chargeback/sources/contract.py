"""What every cost tracker looks like from inside: windows in, usage and refusals out."""

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any, ClassVar, Literal, NamedTuple, Protocol


class Usage(NamedTuple):
    """One metered fact as a source delivered it, read but not yet rounded.

    Units: `cost` in `currency` with every digit the source sent, `quantity` in `unit`.
    `position` is the line of a file or the ordinal in an answer, from 1. `usage_date` is the day the
    cost is booked on and `charge_date` the day that decides owner and rule, where the source keeps a
    calendar of its own; None for the day of `usage_at` in the billing zone. `currency` None is the
    ledger's. `tokens` names how many tokens of each kind were used, where the source says so.
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


class Refusal(NamedTuple):
    """One row that cannot be booked as it is, kept whole so that a person can mend it.

    `code` is stable, `reason` one sentence; `raw_cost` is what the row says it costs, if that can
    be read, and `usage_at` when.
    """

    position: int
    external_id: str | None
    usage_at: datetime | None
    code: str
    reason: str
    row: dict[str, Any]
    raw_cost: Decimal | None


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

    `external_id` of its usage is empty where the source gives rows no id of their own.
    """

    scope: Scope | None
    row: Usage | Refusal


class Window(NamedTuple):
    """Half-open instants to read, `start <= usage_at < end`; None leaves that end open."""

    start: datetime | None
    end: datetime | None


class Source(Protocol):
    """A configured cost tracker whose rows have an id of their own, each delivered any number of times."""

    kind: ClassVar[str]
    contract: ClassVar[Literal["events"]]

    @property
    def is_read_whole(self) -> bool:
        """Whether reading all costs no more than a window (a file): then all is read, each time."""
        ...

    def read(self, window: Window) -> Iterator[Usage | Refusal]:
        """Everything the tracker has in the window, in its own order, in bounded memory."""
        ...


class SnapshotSource(Protocol):
    """A configured cost tracker that delivers whole scopes; each delivery replaces what was held of them."""

    kind: ClassVar[str]
    contract: ClassVar[Literal["snapshots"]]

    def read(self, window: Window) -> Iterator[Scoped]:
        """Every row of every scope the tracker has for the window, in its own order, in bounded memory."""
        ...
