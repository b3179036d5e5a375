"""Rows to try the ledger's own guards on, made with as few words as each table allows."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, insert, text
from sqlalchemy.exc import DBAPIError

from chargeback.errors import Refused
from chargeback.identity import public_id
from chargeback.ledger.database import translated
from models.enums import InvoiceStatus as S
from models.tables import (
    Base,
    Invoice,
    InvoiceLine,
    LedgerSettings,
    LineAllocation,
    Reallocation,
    UsageBatch,
    UsageCell,
    UsageManifest,
    UsageRecord,
    UsageSource,
)
from tests.conftest import Ledger

ordinals = itertools.count(1)

# The way from draft to each status.
WAYS = {
    S.DRAFT: [],
    S.PENDING: [S.PENDING],
    S.SENT: [S.SENT],
    S.PAID: [S.SENT, S.PAID],
    S.OVERDUE: [S.SENT, S.OVERDUE],
    S.CANCELLED: [S.CANCELLED],
}
MOVE = text(
    "UPDATE invoices SET status = :status, content_hash = coalesce(content_hash, '\\x00')"
    " WHERE invoice_id = :id"
)


@contextmanager
def refused(connection: Connection, sentence: str) -> Iterator[None]:
    """The block is refused by a trigger in a sentence like `sentence`; the transaction goes on."""
    with pytest.raises(Refused, match=sentence), translated(), connection.begin_nested():
        yield


@contextmanager
def violates(connection: Connection, said: str) -> Iterator[None]:
    """The block breaks a constraint or lacks a right, says Postgres; the transaction goes on."""
    with pytest.raises(DBAPIError, match=said), connection.begin_nested():
        yield


@contextmanager
def owner_of(ledger: Ledger) -> Iterator[Connection]:
    """A transaction of the owner role: it may do what no grant allows the app."""
    engine = create_engine(ledger.owner_url)
    try:
        with engine.begin() as connection:
            connection.execute(text("SET LOCAL ROLE chargeback_owner"))
            yield connection
    finally:
        engine.dispose()


def make(connection: Connection, table: type[Base], **values: Any) -> Any:
    """The first key column of a new row."""
    key = next(iter(table.__table__.primary_key))
    return connection.execute(insert(table).values(**values).returning(key)).scalar_one()


def make_source(connection: Connection, **values: Any) -> int:
    return int(
        make(connection, UsageSource, **{"name": "tracker", "kind": "cost_tracker"} | values)
    )


def make_batch(connection: Connection, source_id: int) -> int:
    return int(make(connection, UsageBatch, source_id=source_id, delivery="a file"))


def make_manifest(connection: Connection, batch_id: int, **values: Any) -> int:
    """What a batch with nothing in it says, except for `values`."""
    names = {column.name for column in UsageManifest.__table__.columns}
    given = {"manifest_id", "batch_id", "usage_date", "currency", "exchange_rate"}
    nothing: dict[str, Any] = dict.fromkeys(names - given, 0)
    return int(make(connection, UsageManifest, batch_id=batch_id, **nothing | values))


_USAGE = {
    "source_id": 1,
    "batch_id": 1,
    "usage_date": date(2026, 10, 1),
    "charge_date": date(2026, 10, 1),
    "resource_type": "llm",
    "unit": "token",
    "quantity": 10,
    "cost": 1,
    "residual": 0,
}


def make_record(connection: Connection, usage_at: datetime, **values: Any) -> None:
    row: dict[str, Any] = {"usage_at": usage_at, "external_id": f"call-{next(ordinals)}"} | values
    usage_id = public_id("tracker", row["external_id"])
    make(connection, UsageRecord, usage_id=usage_id, content_hash=usage_id, **_USAGE | row)


def make_cell(connection: Connection, **values: Any) -> int:
    return int(make(connection, UsageCell, **_USAGE | {"record_count": 1} | values))


def make_facts(connection: Connection) -> None:
    """A row of every table whose rows are facts."""
    connection.execute(text("SELECT ensure_partition('2026-10-01')"))
    make(connection, LedgerSettings, billing_zone="UTC", currency="USD")
    make_manifest(connection, make_batch(connection, make_source(connection)))
    make_record(connection, datetime(2026, 10, 1, tzinfo=UTC))
    make_cell(connection)
    day = {"period_start": date(2026, 10, 1), "period_end": date(2026, 10, 2)}
    make(connection, Reallocation, reason="found late", booked_by="ann", **day)
    append(connection, 1)


def append(connection: Connection, count: int) -> None:
    """Add `count` entries to the audit chain."""
    connection.execute(
        text("""
            SELECT audit_append(jsonb_agg(jsonb_build_object('actor', 'ann', 'action', 'test.done',
                'subject_kind', 'test', 'subject_id', n, 'after', jsonb_build_object('n', n))))
            FROM generate_series(1, :count) AS n
        """),
        {"count": count},
    )


def make_invoice(connection: Connection, at: S = S.DRAFT, **values: Any) -> int:
    """An invoice of team a for October that went the shortest way to the status `at`."""
    ordinal = next(ordinals)
    row = {
        "public_id": public_id("invoice", str(ordinal)),
        "kind": "invoice",
        "number": f"INV-20261101-{ordinal:04}",
        "status": "draft",
        "scope": "team",
        "team_id": "a",
        "period_start": date(2026, 10, 1),
        "period_end": date(2026, 11, 1),
        "occurrence": ordinal,
        "is_from_run": False,
        "currency": "USD",
        "net_days": 30,
        "issue_date": date(2026, 11, 1),
        "due_date": date(2026, 12, 1),
        "bill_to": {},
    }
    invoice_id = int(make(connection, Invoice, **row | values))
    for step in WAYS[at]:
        move(connection, invoice_id, step)
    return invoice_id


def make_credit_note(connection: Connection, of: int, **values: Any) -> int:
    """The credit note that takes the invoice `of` back; it is being written, so its hash is empty."""
    note = {"kind": "credit_note", "status": "paid", "content_hash": b""}
    return make_invoice(connection, **note | {"credits_invoice_id": of} | values)


def move(connection: Connection, invoice_id: int, status: S) -> None:
    connection.execute(MOVE, {"id": invoice_id, "status": status})


def make_line(connection: Connection, invoice_id: int, position: int = 1, **values: Any) -> int:
    row = {
        "invoice_id": invoice_id,
        "position": position,
        "kind": "usage",
        "resource_type": "llm",
        "unit": "token",
        "description": "llm",
        "team_id": "a",
        "quantity": 10,
        "exact_amount": 1,
        "amount": 1,
    }
    return int(make(connection, InvoiceLine, **row | values))


def make_claim(connection: Connection, line_id: int, allocation_id: int) -> None:
    make(connection, LineAllocation, line_id=line_id, allocation_id=allocation_id)
