"""What came in beside what became of it: per source to the last digit, per document what rounding did.

Owns the figures of the reconciliation; that they tie is invariant 14. Call it in a `database.snapshot()`,
so that all of them are of the same moment.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from chargeback import money
from chargeback.ledger.doubts import NO_DOUBTS, Doubts, doubts
from chargeback.ledger.foreign import ForeignCost, foreign_costs
from chargeback.ledger.payer_accounts import PayerAccount, payer_accounts
from chargeback.money import written
from chargeback.periods import Period
from chargeback.settings import settings
from models.enums import DocumentKind, InvoiceStatus, SourceRole


class Tally(NamedTuple):
    """How many rows, and their amount in the ledger's currency, exact."""

    rows: int = 0
    amount: Decimal = Decimal(0)


@dataclass(frozen=True)
class SourceReconciliation:
    """What one source delivered for the period and where it is now; every amount exact.

    `received`: as sent, without what was delivered before; posts that lie in an open batch count with the rest.
    A row refused first and booked later counts once, where it was booked. Rows refused without a day that can be
    read may be of any period: they are in `received`, `quarantined` and `waived` of each, and `undated` says how
    much of these they are.
    What came in another currency counts at the rate it entered at, and only what was booked of it: what was refused
    is told in its own currency (`foreign`). `repriced` is what our own rates add to what the source says costs nothing.
    `reversed`: what was taken back of what was booked before, because it changed or was withdrawn.
    `residual`: what lies beyond 18 decimals.
    `allocated` is borne by payers or `unattributed`, by nobody; `not_allocated` is in no pool, as is all
    of a source that is only reconciled.
    `not_yet_invoiced` is borne by payers and on no issued document; `on_drafts` of it is on one not issued.
    """

    source: str
    role: SourceRole
    received: Tally
    repriced: Decimal
    reversed: Tally
    ledger: Tally
    residual: Decimal
    quarantined: Tally
    waived: Tally
    undated: Tally
    allocated: Decimal
    not_allocated: Decimal
    unattributed: Decimal
    invoiced: Decimal
    written_off: Decimal
    on_drafts: Decimal
    not_yet_invoiced: Decimal

    @property
    def difference(self) -> Decimal:
        """What came in and is nowhere; 0, or the books are broken."""
        kept = (self.ledger.amount, self.residual, self.quarantined.amount, self.waived.amount)
        received = money.EXACT.add(self.received.amount, self.repriced)
        return _less(received, (self.reversed.amount, *kept))

    @property
    def allocation_difference(self) -> Decimal:
        """What is in the ledger and neither billed, to be billed, unattributed nor waiting; 0 likewise."""
        billed = (self.invoiced, self.written_off, self.not_yet_invoiced)
        return _less(self.ledger.amount, (*billed, self.unattributed, self.not_allocated))

    def as_json(self) -> dict[str, Any]:
        """The figures in the order they are read, exact decimals as text."""
        return {
            "source": self.source,
            "role": self.role.value,
            "received_count": self.received.rows,
            "received": written(self.received.amount),
            "repriced": written(self.repriced),
            "reversed_count": self.reversed.rows,
            "reversed": written(self.reversed.amount),
            "ledger_count": self.ledger.rows,
            "ledger": written(self.ledger.amount),
            "residual": written(self.residual),
            "quarantined_count": self.quarantined.rows,
            "quarantined": written(self.quarantined.amount),
            "waived_count": self.waived.rows,
            "waived": written(self.waived.amount),
            "undated_count": self.undated.rows,
            "undated": written(self.undated.amount),
            "difference": written(self.difference),
            "allocated": written(self.allocated),
            "not_allocated": written(self.not_allocated),
            "unattributed": written(self.unattributed),
            "invoiced": written(self.invoiced),
            "written_off": written(self.written_off),
            "not_yet_invoiced": written(self.not_yet_invoiced),
            "on_drafts": written(self.on_drafts),
            "allocation_difference": written(self.allocation_difference),
        }


@dataclass(frozen=True)
class DocumentReconciliation:
    """What a document's one rounding did; `in_period` is what it claims of the period's days, exact.

    Its exact amount and the rounding difference make the subtotal. The bound is half a minor unit.
    """

    number: str
    kind: DocumentKind
    status: InvoiceStatus
    exact: Decimal
    subtotal: Decimal
    rounding_difference: Decimal
    bound: Decimal
    in_period: Decimal

    def as_json(self) -> dict[str, str]:
        """The figures, exact decimals as text."""
        amounts = ("exact", "subtotal", "rounding_difference", "bound", "in_period")
        return {"number": self.number, "kind": self.kind.value, "status": self.status.value} | {
            name: written(getattr(self, name)) for name in amounts
        }


@dataclass(frozen=True)
class Reconciliation:
    """A period reconciled: its sources by name, the documents that bill any of it, oldest first, and its payers.

    Cancelled drafts are left out; a cancelled invoice and its credit note are both there and undo each other.
    """

    period: Period
    currency: str
    sources: tuple[SourceReconciliation, ...]
    documents: tuple[DocumentReconciliation, ...]
    payers: tuple[PayerAccount, ...]
    foreign: tuple[ForeignCost, ...] = ()
    doubts: Doubts = NO_DOUBTS

    @property
    def rounding_difference(self) -> Decimal:
        """What rounding added to all documents together."""
        return money.exact_sum(document.rounding_difference for document in self.documents)

    @property
    def rounding_bound(self) -> Decimal:
        """The most it can have added or taken: half a minor unit per document."""
        return money.exact_sum(document.bound for document in self.documents)

    @property
    def difference(self) -> Decimal:
        """The differences of all sources and payers, without their signs so that they cannot hide each other; 0."""
        both = [d for s in self.sources for d in (s.difference, s.allocation_difference)]
        return money.exact_sum(d.copy_abs() for d in (*both, *(p.difference for p in self.payers)))

    def as_json(self) -> dict[str, Any]:
        """All of it for a program to read; exact decimals as text without exponent."""
        return {
            "period": self.period.label,
            "currency": self.currency,
            "sources": [source.as_json() for source in self.sources],
            "documents": [document.as_json() for document in self.documents],
            "foreign": [one.as_json() for one in self.foreign],
            "doubts": self.doubts.as_json(),
            "payers": [_account_as_json(account) for account in self.payers],
            "rounding_difference": written(self.rounding_difference),
            "rounding_bound": written(self.rounding_bound),
            "difference": written(self.difference),
        }


def _account_as_json(account: PayerAccount) -> dict[str, str | None]:
    payer = account.payer
    amounts = ("borne", "billed", "credited", "charged", "written_off", "waiting", "difference")
    return {
        "team_id": payer.team_id if payer else None,
        "user_id": payer.user_id if payer else None,
    } | {name: written(getattr(account, name)) for name in amounts}


def _less(amount: Decimal, parts: Iterable[Decimal]) -> Decimal:
    return money.EXACT.subtract(amount, money.exact_sum(parts))


def reconcile(connection: Connection, period: Period) -> Reconciliation:
    """What every source delivered for the period's days, where it is now, and what rounding did."""
    days = {"start": period.start, "end": period.end}
    currency = connection.execute(text("SELECT currency FROM ledger_settings")).scalar()
    return Reconciliation(
        period,
        currency or settings().currency,
        reconciled_sources(connection, period),
        tuple(_document(row) for row in connection.execute(_DOCUMENTS, days)),
        payer_accounts(connection, period),
        foreign_costs(connection, period),
        doubts(connection, period),
    )


def reconciled_sources(connection: Connection, period: Period) -> tuple[SourceReconciliation, ...]:
    """What every source delivered for the period's days and where it is now, by name."""
    days = {"start": period.start, "end": period.end}
    found: dict[tuple[str, str], dict[str, Tally]] = defaultdict(lambda: defaultdict(Tally))
    for name, role, what, count, amount in connection.execute(_TALLIES, days):
        found[name, role][what] = Tally(int(count or 0), amount or Decimal(0))
    return tuple(
        _source(name, SourceRole(role), tallies) for (name, role), tallies in found.items()
    )


_IN_DAYS = "usage_date >= :start AND usage_date < :end"
# What later stages passed on is borne by those it was passed on to.
_BORNE = """p.retired_at IS NULL
          AND NOT EXISTS (SELECT FROM pool_allocations t WHERE t.allocation_id = a.allocation_id)"""
_CAME_IN = f"(usage_date IS NULL OR ({_IN_DAYS}))"
# Of a refused row only what is in the ledger's own currency can be added to the others.
_OURS = "CASE WHEN currency IS NULL THEN coalesce(raw_cost, 0) ELSE 0 END"

# Each row says how much of what; a source without any has one row that says nothing. What lies in open
# batches was received and is in the ledger, but in no manifest, cell or pool yet.
_TALLIES = text(f"""
    SELECT s.name, s.role, what, sum(rows), sum(amount)
    FROM usage_sources s LEFT JOIN (SELECT source_id, what, sum(rows) AS rows, sum(amount) AS amount FROM (
        SELECT source_id, 'received' AS what, new_count + changed_count + quarantined_count AS rows,
            (new_raw + changed_raw) * exchange_rate
                + CASE WHEN currency IS NULL THEN quarantined_raw ELSE 0 END AS amount
        FROM usage_manifests JOIN usage_batches USING (batch_id) WHERE {_CAME_IN}
        UNION ALL
        SELECT source_id, 'repriced', new_count, repriced
        FROM usage_manifests JOIN usage_batches USING (batch_id) WHERE {_CAME_IN}
        UNION ALL
        SELECT source_id, 'reversed', reversed_count, reversed_raw * exchange_rate
        FROM usage_manifests JOIN usage_batches USING (batch_id) WHERE {_CAME_IN}
        UNION ALL
        SELECT source_id, 'received', -1, -{_OURS} FROM usage_quarantine
        WHERE state = 'replaced' AND {_CAME_IN}
        UNION ALL
        SELECT source_id, state, 1, {_OURS} FROM usage_quarantine WHERE {_CAME_IN}
        UNION ALL
        SELECT source_id, 'undated', 1, {_OURS} FROM usage_quarantine
        WHERE usage_date IS NULL AND state <> 'replaced'
        UNION ALL
        SELECT source_id, 'ledger', record_count, cost FROM usage_cells WHERE {_IN_DAYS}
        UNION ALL
        SELECT source_id, 'residual', record_count, residual FROM usage_cells WHERE {_IN_DAYS}
        UNION ALL
        SELECT source_id, 'not_allocated', record_count, cost FROM usage_cells c
        WHERE {_IN_DAYS} AND NOT EXISTS (SELECT FROM pool_cells h WHERE h.cell_id = c.cell_id)
        UNION ALL
        SELECT source_id, w.what, record_count, w.amount
        FROM usage_batches JOIN usage_records USING (batch_id, source_id) CROSS JOIN LATERAL (VALUES
            ('received', cost + residual), ('ledger', cost), ('residual', residual), ('not_allocated', cost)
        ) w (what, amount)
        WHERE sealed_at IS NULL AND {_IN_DAYS}
        UNION ALL
        SELECT p.source_id, 'allocated', 1, a.cost FROM allocations a JOIN cost_pools p USING (pool_id)
        WHERE {_BORNE} AND p.{_IN_DAYS.replace("AND ", "AND p.")}
        UNION ALL
        SELECT p.source_id, CASE WHEN i.status IN ('sent', 'overdue', 'paid') THEN 'invoiced'
                WHEN i.status = 'cancelled' OR a.is_written_off THEN 'written_off'
                WHEN i.status IS NOT NULL THEN 'on_drafts'
                WHEN a.team_id IS NULL AND a.user_id IS NULL THEN 'unattributed' ELSE 'unclaimed' END, 1, a.cost
        FROM allocations a JOIN cost_pools p USING (pool_id)
        LEFT JOIN line_allocations c ON c.allocation_id = a.allocation_id AND c.released_by_line_id IS NULL
        LEFT JOIN invoice_lines l USING (line_id) LEFT JOIN invoices i USING (invoice_id)
        WHERE {_BORNE} AND p.{_IN_DAYS.replace("AND ", "AND p.")}
    ) counted GROUP BY source_id, what) added USING (source_id)
    GROUP BY s.name, s.role, what ORDER BY s.name COLLATE "C"
""")  # noqa: S608 - made of constants only

_DOCUMENTS = text("""
    SELECT i.number, i.kind, i.status, i.currency, i.exact_total, i.subtotal, i.rounding_difference,
        coalesce(claimed.cost, 0) AS in_period
    FROM invoices i LEFT JOIN (
        SELECT l.invoice_id, sum(a.cost) AS cost
        FROM allocations a JOIN line_allocations c USING (allocation_id) JOIN invoice_lines l USING (line_id)
        WHERE c.released_by_line_id IS NULL AND a.usage_date >= :start AND a.usage_date < :end
        GROUP BY l.invoice_id) claimed USING (invoice_id)
    WHERE ((i.period_start < :end AND i.period_end > :start) OR claimed.invoice_id IS NOT NULL)
      AND (i.status <> 'cancelled' OR i.content_hash IS NOT NULL)
    ORDER BY i.invoice_id
""")


def _source(name: str, role: SourceRole, found: dict[str, Tally]) -> SourceReconciliation:
    amount = {what: tally.amount for what, tally in found.items()}
    zero = Decimal(0)
    on_drafts = amount.get("on_drafts", zero)
    return SourceReconciliation(
        source=name,
        role=role,
        received=found["received"],
        repriced=amount.get("repriced", zero),
        reversed=found["reversed"],
        ledger=found["ledger"],
        residual=amount.get("residual", zero),
        quarantined=found["open"],
        waived=found["waived"],
        undated=found["undated"],
        allocated=amount.get("allocated", zero),
        not_allocated=amount.get("not_allocated", zero),
        unattributed=amount.get("unattributed", zero),
        invoiced=amount.get("invoiced", zero),
        written_off=amount.get("written_off", zero),
        on_drafts=on_drafts,
        not_yet_invoiced=money.EXACT.add(on_drafts, amount.get("unclaimed", zero)),
    )


def _document(row: Any) -> DocumentReconciliation:
    bound = Decimal(5).scaleb(-money.minor_digits(row.currency) - 1)
    return DocumentReconciliation(
        row.number, DocumentKind(row.kind), InvoiceStatus(row.status), row.exact_total, row.subtotal,
        row.rounding_difference, bound, row.in_period,
    )  # fmt: skip
