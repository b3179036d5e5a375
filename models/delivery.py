"""Messages about documents."""

from datetime import datetime

from sqlalchemy import ForeignKey, Identity, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Number
from models.enums import DeliveryState


class Delivery(Base):
    """One message about one document to one recipient, sent once however often it is asked for.

    Units: `age_days` the days past due that a reminder tells of, 0 for other messages; `attempts` how
    often it was tried. `message_id` is the same in every attempt, so that a receiver knows a repeat.
    """

    __tablename__ = "deliveries"

    delivery_id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    channel: Mapped[str]
    event: Mapped[str]
    invoice_id: Mapped[int] = mapped_column(ForeignKey("invoices.invoice_id"))
    revision: Mapped[Number]
    age_days: Mapped[Number]
    recipient: Mapped[str]
    message_id: Mapped[str] = mapped_column(unique=True)
    state: Mapped[DeliveryState] = mapped_column(server_default=DeliveryState.WAITING.value)
    attempts: Mapped[Number] = mapped_column(server_default=text("0"))
    error: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    delivered_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint(
            "channel",
            "event",
            "invoice_id",
            "revision",
            "age_days",
            "recipient",
            name="each_message_once",
        ),
        Index("deliveries_waiting", "delivery_id", postgresql_where=text("state = 'waiting'")),
    )
