"""Old usage into the archive, or back."""

from datetime import date
from typing import Annotated, Any, Literal

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from chargeback.errors import Invalid
from chargeback.settings import settings
from flows.recording import Record, business_date, recorded, run_name
from tasks.archive_usage import archive_month, old_months, restore_month


@flow(flow_run_name=run_name("retention"), persist_result=False)
def retention(
    action: Literal["archive", "restore"] = "archive",
    month: Annotated[str, Field(pattern=r"^$|^\d{4}-(0[1-9]|1[0-2])$")] = "",
    keep_months: Annotated[int, Field(ge=0, le=1200)] = 0,
    form: Literal["as configured", "csv", "parquet"] = "as configured",
    as_of: date | None = None,
) -> State[Any]:
    """Archive old months of usage, or restore one. Rerun: what is archived or back already stays so.

    What is not billed yet is never touched. Cells, allocations and invoices stay in the ledger.

    Args:
        action: Archive what is older than the policy, or restore a month.
        month: The month to restore, like 2024-01.
        keep_months: Full months to keep in the ledger when archiving; 0 for the installation's policy.
        form: What the files are written as.
        as_of: The day from which months are counted back; empty for today.
    """
    if (action == "restore") != bool(month):
        raise Invalid(
            "retention_unclear",
            "a month is restored by its name and old ones are archived without: "
            "give `month` with restore, and leave it empty with archive",
        )
    on = business_date(as_of)
    parameters = {
        "action": action,
        "month": month,
        "keep_months": keep_months,
        "form": form,
        "as_of": on,
    }
    with recorded("retention", parameters) as record:
        if action == "restore":
            back = restore_month(month, record.actor)
            record.counts = back
            record.say(
                f"{back['records']} usage records of {month} are back, from {back['files']} files"
            )
            return record.state(f"{month} is restored")
        written = settings().retention_form if form == "as configured" else form
        _archive(record, keep_months or settings().retention_months, written, on)
    return record.state(f"{record.counts['months']} months archived")


def _archive(record: Record, keep_months: int, form: str, as_of: date) -> None:
    """Archive from the oldest month on, and stop at the first that has to stay: the archive has no holes."""
    record.counts = {"months": 0, "records": 0}
    if not keep_months:
        record.say("there is no policy (CHARGEBACK_RETENTION_MONTHS), so everything is kept")
        return
    old = old_months(keep_months, as_of)
    record.say(f"usage before {old['first_kept']} is older than {keep_months} full months")
    rows = []
    for month in old["months"]:
        done = archive_month(month, form, record.actor)
        rows.append({**done, "kept_by": "; ".join(done["kept_by"])})
        if done["kept_by"]:
            record.need_a_person(
                f"{month} stays, and so does what is younger: {rows[-1]['kept_by']}"
            )
            break
        record.counts["months"] += 1
        record.counts["records"] += done["records"]
        record.say(f"{month}: {done['records']} usage records archived in {done['files']} files")
    record.show("retention-months", "What became of the old months.", rows)
