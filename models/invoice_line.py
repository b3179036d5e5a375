"""Lines of documents."""

from datetime import date

from sqlalchemy import ForeignKey, Identity, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Amount, Base, Number
from models.enums import LineCause, LineKind


class InvoiceLine(Base):
    """What a document asks for one resource type and unit.

    The printed amounts of a document's lines add up to its subtotal.
    `late_month` is the first of the month that late usage belongs to. `team_id` repeats the
    document's, for row-level security.
    Units: `exact_amount` unrounded, `amount` as printed, both in the document's currency.
    """

    __tablename__ = "invoice_lines"

    line_id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    invoice_id: Mapped[int] = mapped_column(ForeignKey("invoices.invoice_id"))
    position: Mapped[Number]
    kind: Mapped[LineKind]
    late_month: Mapped[date | None]
    resource_type: Mapped[str]
    unit: Mapped[str]
    description: Mapped[str]
    team_id: Mapped[str | None]
    quantity: Mapped[Amount]
    exact_amount: Mapped[Amount]
    amount: Mapped[Amount]
    cause: Mapped[LineCause] = mapped_column(server_default=text("'usage'"))

    __table_args__ = (UniqueConstraint("invoice_id", "position"),)
