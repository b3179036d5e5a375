"""Invoices and credit notes."""

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import ForeignKey, Identity, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Amount, Base, Json, Number
from models.enums import DocumentKind, InvoiceStatus, Scope


class Invoice(Base):
    """A document: what a payer is asked for a period, or the credit note that takes one back.

    What it says is frozen once it leaves draft, and it is never deleted; `content_hash` is the
    SHA-256 of what was issued. `number` is null in no status; a number given from outside has no
    `series`. `is_stale` says that the ledger changed under a draft.
    Units: amounts in `currency`; `exact_total` unrounded, the others in whole minor units;
    `tax_rate` a fraction; `period_start` and `period_end` half-open.
    """

    __tablename__ = "invoices"

    invoice_id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    public_id: Mapped[UUID] = mapped_column(unique=True)
    kind: Mapped[DocumentKind]
    number: Mapped[str] = mapped_column(unique=True)
    series: Mapped[str | None] = mapped_column(ForeignKey("number_counters.series"))
    ordinal: Mapped[int | None]
    revision: Mapped[Number] = mapped_column(server_default=text("1"))
    status: Mapped[InvoiceStatus]
    is_stale: Mapped[bool] = mapped_column(server_default=text("false"))
    scope: Mapped[Scope]
    team_id: Mapped[str | None] = mapped_column(index=True)
    user_id: Mapped[str | None] = mapped_column(index=True)
    period_start: Mapped[date]
    period_end: Mapped[date]
    occurrence: Mapped[Number]
    is_from_run: Mapped[bool]
    currency: Mapped[str]
    exact_total: Mapped[Amount] = mapped_column(default=Decimal(0), server_default=text("0"))
    subtotal: Mapped[Amount] = mapped_column(default=Decimal(0), server_default=text("0"))
    rounding_difference: Mapped[Amount] = mapped_column(
        default=Decimal(0), server_default=text("0")
    )
    tax_rate: Mapped[Amount] = mapped_column(default=Decimal(0), server_default=text("0"))
    tax: Mapped[Amount] = mapped_column(default=Decimal(0), server_default=text("0"))
    total: Mapped[Amount] = mapped_column(default=Decimal(0), server_default=text("0"))
    net_days: Mapped[Number]
    issue_date: Mapped[date]
    due_date: Mapped[date]
    paid_date: Mapped[date | None]
    bill_to: Mapped[Json]
    held_elsewhere: Mapped[Json] = mapped_column(server_default="[]")
    credits_invoice_id: Mapped[int | None] = mapped_column(
        ForeignKey("invoices.invoice_id"), unique=True
    )
    content_hash: Mapped[bytes | None]
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))

    __table_args__ = (
        UniqueConstraint("series", "ordinal"),
        UniqueConstraint(
            "kind",
            "scope",
            "team_id",
            "user_id",
            "period_start",
            "period_end",
            "occurrence",
            # Where the columns' names are too long, Postgres cuts them.
            name="invoices_kind_scope_team_id_user_id_period_start_period_end_key",
            postgresql_nulls_not_distinct=True,
        ),
        Index(
            "one_open_draft",
            "scope",
            "team_id",
            "user_id",
            "period_start",
            "period_end",
            unique=True,
            postgresql_nulls_not_distinct=True,
            postgresql_where=text("kind = 'invoice' AND status IN ('draft', 'pending')"),
        ),
        Index(None, "status", "due_date"),
    )
