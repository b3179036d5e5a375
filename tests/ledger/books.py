"""A ledger to tell stories on: usage, rules and invoices in one line each, by the real functions.

Owns no expectations. Everything is committed, so that a story reads like the days it tells of; what
was used is booked as soon as something needs it.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from itertools import count, groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, text

from chargeback import rules
from chargeback.ledger import (
    allocation,
    drafting,
    intake,
    invoices,
    issuing,
    ledger_settings,
    payers,
    reallocation,
    rulebook,
    sync,
    usage,
    usage_sources,
    withdrawal,
)
from chargeback.ledger import rates as rates_kept
from chargeback.ledger import replay as replays
from chargeback.ledger.batches import BatchCounts
from chargeback.ledger.chunks import chunks
from chargeback.ledger.database import engine, ledger_url, transaction
from chargeback.ledger.revaluation import revalue
from chargeback.payer import Payer
from chargeback.payers_file import read
from chargeback.periods import Period
from chargeback.rate_files import read_exchange_rates, read_rates
from chargeback.settings import Settings, settings
from chargeback.sources import open_source
from chargeback.sources.contract import Refusal, Usage
from chargeback.sources.pricing import priced
from chargeback.views import InvoiceView
from models.enums import InvoiceStatus, SourceRole
from tests.conftest import Ledger
from tests.postgres import Server

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
ACTOR = "tester"
SOURCE = "tracker"
NEVER_READ = {"path": str(EXAMPLES / "cost_tracker_export.json"), "form": "json"}


def day_at(text: str) -> datetime:
    """The instant `text` writes, or noon UTC of the date it writes."""
    if len(text) == len("2026-10-05"):
        return datetime.combine(date.fromisoformat(text), time(12), UTC)
    return datetime.fromisoformat(text)


@contextmanager
def undone() -> Iterator[Connection]:
    """A transaction that leaves nothing behind."""
    with engine(ledger_url()).connect() as connection:
        yield connection
        connection.rollback()


@dataclass
class Books:
    """The books of one test: `Books(ledger).use("search", "ana", "1.50").bill()`."""

    ledger: Ledger
    source: str = SOURCE
    role: SourceRole = SourceRole.ALLOCATE
    batch_records: int = 50_000
    chunk_records: int = 50_000
    currency: str | None = None
    waiting: list[Usage | Refusal] = field(default_factory=list)
    ids: Any = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        with transaction() as connection:
            ledger_settings.fix(connection)
            config = NEVER_READ | {"currency": self.currency or settings().currency}
            usage_sources.put(connection, self.source, "cost_tracker", self.role, config, ACTOR)

    def use(
        self,
        team: str | None = None,
        user: str | None = None,
        cost: str = "1",
        day: str = "2026-10-05",
        *,
        agent: str | None = None,
        account: str | None = None,
        tag: str | None = None,
        resource_type: str = "tokens",
        sku: str | None = None,
        unit: str = "tokens",
        quantity: str = "1",
        external_id: str | None = None,
        currency: str | None = None,
        tokens: str = "",
    ) -> "Books":
        """One usage record; `day` is a date (noon UTC) or an instant with offset, `tokens` like `prompt=2`."""
        number = next(self.ids)
        self.waiting.append(
            Usage(number, external_id or f"u-{number}", day_at(day), team, user, agent, account, tag,
                  resource_type, sku, unit, Decimal(quantity), Decimal(cost), currency=currency,
                  tokens=tuple((kind, Decimal(n)) for kind, n in (one.split("=") for one in tokens.split())))
        )  # fmt: skip
        return self

    def refuse(
        self, cost: str | None = "1", day: str | None = "2026-10-05", external_id: str | None = None
    ) -> "Books":
        """One row that a source could not read; without `day` not even that."""
        number = next(self.ids)
        self.waiting.append(
            Refusal(number, external_id or f"u-{number}", day_at(day) if day else None, "bad_row", "Bad.",
                    {"line": number}, None if cost is None else Decimal(cost))
        )  # fmt: skip
        return self

    def load(self, rows: Iterable[Usage | Refusal] | None = None) -> list[BatchCounts]:
        """Book what waits, or `rows`, as one delivery in batches of `batch_records`, chunk by chunk."""
        arriving, self.waiting = list(self.waiting if rows is None else rows), []
        with transaction() as connection:
            kept = usage_sources.find(connection, self.source)
            pricing = intake.pricing_of(connection, kept, open_source(kept.kind, kept.config))
        counts: list[BatchCounts] = []
        rows, zone = priced(arriving, pricing), settings().zone
        cut = chunks(rows, self.source, zone, self.batch_records, self.chunk_records)
        for _, parts in groupby(cut, attrgetter("batch_no")):
            batch = list(parts)
            with transaction() as connection:
                usage.ensure_partitions(connection, batch[0].months)
            with transaction() as connection:
                first = counts[0].batch_id if counts else None
                counts.append(usage.load(connection, kept.source_id, "a test", batch, None, first))
        return counts

    def exchange(self, *rates: tuple[str, str, str]) -> int:
        """Import rates, each (month, currency, rate), book anew what entered at others; how many records changed."""
        rows = "\n".join(",".join(rate) for rate in rates)
        with transaction() as connection:
            read_rows = read_exchange_rates(f"month,currency,rate\n{rows}", "test.csv")
            rates_kept.import_exchange_rates(connection, read_rows, ACTOR)
        return revalue()

    def price(self, *prices: tuple[str, str, str]) -> "Books":
        """Import prices, each (model, token kind, price of a million tokens)."""
        rows = "\n".join(f"{model},{kind},{price},1000000" for model, kind, price in prices)
        with transaction() as connection:
            read_rows = read_rates(f"model,token_kind,price,per_tokens\n{rows}", "test.csv")
            rates_kept.import_rates(connection, read_rows, ACTOR)
        return self

    def decide_zero_cost(self, decision: str) -> "Books":
        """What becomes of this source's usage that has tokens and costs nothing."""
        with transaction() as connection:
            intake.decide_zero_cost(connection, self.source, decision, ACTOR)
        return self

    def replay(self) -> replays.ReplayCounts:
        """Try this source's refused rows again."""
        (counts,) = replays.replay(self.source, ACTOR)
        return counts

    def withdraw(self, *external_ids: str) -> withdrawal.Withdrawn:
        """Take these records back."""
        with transaction() as connection:
            return withdrawal.withdraw(connection, self.source, external_ids, "a test", ACTOR)

    def sync_example(self) -> sync.SyncCounts:
        """Read the example export into this source, as the hourly sync does."""
        return sync.sync(self.source, datetime(2026, 11, 1, 4, tzinfo=UTC))

    def import_yaml(self, content: str) -> payers.ImportCounts:
        """Import a payers file."""
        with transaction() as connection:
            return payers.import_file(connection, read(content, "test.yaml"), ACTOR)

    def import_example(self) -> payers.ImportCounts:
        """Import the example company."""
        return self.import_yaml((EXAMPLES / "company.yaml").read_text(encoding="utf-8"))

    def rule(self, spec: dict[str, Any]) -> "Books":
        """Make a rule, or its next version."""
        with transaction() as connection:
            rulebook.put(connection, rules.parse(spec), ACTOR)
        return self

    def delete_rule(self, rule_id: str) -> "Books":
        """Delete a rule."""
        with transaction() as connection:
            rulebook.close(connection, rule_id, ACTOR)
        return self

    def allocate(self, period: str = "2026-10") -> allocation.AllocationCounts:
        """Allocate every dirty day up to the end of `period`."""
        self.load()
        return allocation.allocate(Period.parse(period).end)

    def reallocate(
        self, period: str = "2026-10", reason: str = "a test", is_dry_run: bool = False
    ) -> reallocation.Reallocated:
        """Share what was billed of the period anew, or see what that would do."""
        self.load()
        return reallocation.reallocate(Period.parse(period), reason, ACTOR, is_dry_run)

    def billed_by_payer(self) -> dict[tuple[str | None, str | None], Decimal]:
        """What all issued documents of each (team, user) come to, credit notes and all, exactly."""
        rows = self.query(
            """SELECT team_id, user_id, sum(exact_total) AS total FROM invoices
               WHERE status IN ('sent', 'overdue', 'paid') OR (status = 'cancelled' AND content_hash IS NOT NULL)
               GROUP BY team_id, user_id"""
        )
        return {(row.team_id, row.user_id): invoices.plain(row.total) for row in rows}

    def draft(
        self,
        team: str | None = None,
        user: str | None = None,
        period: str = "2026-10",
        on: str = "2026-11-01",
        number: str | None = None,
    ) -> drafting.Drafted:
        """Allocate, then draft or refresh the invoice of a team, a user, both, or (neither) all."""
        self.allocate(period)
        with transaction() as connection:
            return drafting.draft_one(
                connection,
                Payer(team, user),
                Period.parse(period),
                date.fromisoformat(on),
                ACTOR,
                number,
            )

    def run(self, period: str = "2026-10", on: str = "2026-11-01") -> list[drafting.Drafted]:
        """Allocate, then draft or refresh everybody's invoice, as the monthly run does."""
        self.allocate(period)
        with transaction() as connection:
            return drafting.draft_run(
                connection, Period.parse(period), date.fromisoformat(on), ACTOR
            )

    def bill(self, period: str = "2026-10", on: str = "2026-11-01") -> list[str]:
        """Run and send all of it; the numbers, in payer order."""
        numbers = [drafted.number for drafted in self.run(period, on)]
        self.send(*numbers, on=on)
        return numbers

    def send(self, *numbers: str, on: str = "2026-11-01") -> list[issuing.Moved]:
        """Send these documents, all or none."""
        with transaction() as connection:
            ids = [issuing.find(connection, number) for number in numbers]
            return issuing.issue(connection, ids, date.fromisoformat(on), ACTOR)

    def move(
        self, number: str, wanted: InvoiceStatus, on: str = "2026-11-02", is_rebillable: bool = True
    ) -> issuing.Moved:
        """Move a document to any status."""
        with transaction() as connection:
            found = issuing.find(connection, number)
            return issuing.move(
                connection, found, wanted, date.fromisoformat(on), ACTOR, "a test", is_rebillable
            )

    def pay(self, number: str, on: str = "2026-11-02") -> issuing.Moved:
        """Mark an invoice paid."""
        return self.move(number, InvoiceStatus.PAID, on)

    def cancel(
        self, number: str, on: str = "2026-11-02", is_rebillable: bool = True
    ) -> issuing.Moved:
        """Cancel a document; `is_rebillable` False writes it off."""
        return self.move(number, InvoiceStatus.CANCELLED, on, is_rebillable)

    def sweep(self, as_of: str) -> list[str]:
        """Mark overdue what is."""
        with transaction() as connection:
            return issuing.sweep(connection, date.fromisoformat(as_of), ACTOR)

    def view(self, number: str) -> InvoiceView:
        """A document whole."""
        with transaction() as connection:
            return invoices.views(connection, [issuing.find(connection, number)])[0]

    def total_by_payer(
        self, period: str = "2026-10"
    ) -> dict[tuple[str | None, str | None], Decimal]:
        """What each (team, user) bears of the period, exactly."""
        days = Period.parse(period)
        rows = self.query(
            """SELECT a.team_id, a.user_id, sum(a.cost) FROM allocations a
               JOIN cost_pools p USING (pool_id) WHERE p.retired_at IS NULL
               AND NOT EXISTS (SELECT FROM pool_allocations t WHERE t.allocation_id = a.allocation_id)
               AND a.usage_date >= :start AND a.usage_date < :end GROUP BY 1, 2""",
            start=days.start,
            end=days.end,
        )
        return {(team, user): invoices.plain(cost) for team, user, cost in rows}

    def query(self, statement: str, **values: Any) -> list[Any]:
        """Rows of the app's own view of the ledger; changes it may make are committed."""
        with transaction() as connection:
            result = connection.execute(text(statement), values)
            return list(result) if result.returns_rows else []

    def damage(self, *statements: str, **values: Any) -> None:
        """Change the ledger as no role of the product can: as superuser, with every trigger off."""
        owner = create_engine(self.ledger.owner_url)
        with owner.begin() as connection:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            for statement in statements:
                connection.execute(text(statement), values)
        owner.dispose()


def told_once(server: Server, template: str, tell: Callable[[Books], object]) -> str:
    """The name of a ledger in which `tell` told its story, to copy from; nobody stays connected to it."""
    name = server.create_database(template)
    told = Ledger(server.url(name, "chargeback_app"), server.url(name))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(Settings.model_config, "env_file", None)
        patch.setenv("CHARGEBACK_DATABASE_URL", told.url)
        settings.cache_clear()
        tell(Books(told))
    settings.cache_clear()
    engine(told.url).dispose()
    engine.cache_clear()
    return name
