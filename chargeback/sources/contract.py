"""What every cost tracker looks like from inside: windows in, usage and refusals out."""

from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

from chargeback.sources.source_config import SourceConfig

Contract = Literal["events", "snapshots"]
Role = Literal["allocate", "reconcile_only", "weights"]
ROLES: tuple[Role, ...] = ("allocate", "reconcile_only", "weights")


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


class Window(NamedTuple):
    """Half-open instants to read, `start <= usage_at < end`; None leaves that end open."""

    start: datetime | None
    end: datetime | None


class World(NamedTuple):
    """What a source may use of the world around it.

    `block` gives the secret in the Prefect Secret block of a name. Units: `timeout_seconds` is the
    longest wait for one answer.
    """

    root: Path
    currency: str
    timeout_seconds: Decimal
    block: Callable[[str], str]


class Source(Protocol):
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

    def plan(self, window: Window) -> Window:
        """What is read when `window` is asked for: at least that, whole days or all of a file."""
        ...

    @property
    def is_large(self) -> bool:
        """Whether there is so much to read that it is worth a process of its own."""
        ...

    def read(self, window: Window) -> Iterator[Usage | Refusal]:
        """Everything the tracker has in a planned window, in its own order, in bounded memory."""
        ...
