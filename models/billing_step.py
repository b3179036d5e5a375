"""The journal of tasks."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Identity, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Json, Number


class BillingStep(Base):
    """One task of a flow run and how it went; a journal, so nothing is skipped because of it.

    `state` is running, completed or failed. `task_run_id` is Prefect's.
    """

    __tablename__ = "billing_steps"

    step_id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    run_id: Mapped[UUID] = mapped_column(ForeignKey("billing_runs.run_id"), index=True)
    task: Mapped[str]
    task_run_id: Mapped[UUID | None]
    attempt: Mapped[Number] = mapped_column(server_default=text("1"))
    state: Mapped[str]
    counts: Mapped[Json] = mapped_column(server_default="{}")
    error: Mapped[str | None]
    started_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    ended_at: Mapped[datetime | None]
