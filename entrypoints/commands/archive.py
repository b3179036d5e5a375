"""What the commands about the archive do."""

from chargeback.errors import Invalid
from chargeback.ledger import archives
from chargeback.ledger.database import snapshot
from chargeback.periods import Period
from chargeback.settings import settings
from entrypoints import showing
from entrypoints.commands import asked
from entrypoints.ledger_at_hand import ledger_at_hand


def list_archives(as_json: bool) -> int:
    """Show what was archived."""
    with ledger_at_hand(), snapshot() as connection:
        found = archives.archives(connection)
    if as_json:
        showing.print_json(found)
    elif not found:
        showing.say(
            "Nothing is archived; `chargeback archive old` archives what is old and billed."
        )
    else:
        showing.table([
            {"month": f"{one.month:%Y-%m}", "state": one.state, "records": one.record_count, "form": one.form,
             "files": len(one.files), "first file": str(settings().files / one.files[0].uri)}
            for one in found
        ], right=["records", "files"])  # fmt: skip
    return 0


def archive_old(keep_months: int | None, form: str | None, as_of: str | None, as_json: bool) -> int:
    """Archive from the oldest month on, up to the first that has to stay."""
    keep = settings().retention_months if keep_months is None else keep_months
    if keep < 1:
        raise Invalid(
            "retention_missing",
            "say how many full months stay: --keep-months 12, or set CHARGEBACK_RETENTION_MONTHS",
        )
    day = asked.business_date(as_of)
    with ledger_at_hand():
        from tasks.archive_usage import archive_month, old_months

        done = []
        for month in old_months.fn(keep, day)["months"]:
            done.append(archive_month.fn(month, form or settings().retention_form, asked.actor()))
            if done[-1]["kept_by"]:
                break
    if as_json:
        showing.print_json(done)
        return 0
    for one in done:
        if one["kept_by"]:
            showing.say(
                f"{one['month']} stays, and so does what is younger: {'; '.join(one['kept_by'])}.",
                "yellow",
            )
        else:
            showing.say(
                f"{one['month']}: {one['records']} usage records archived in {one['files']} files."
            )
    if not done:
        showing.say(f"No month of usage is older than {keep} full months; nothing changed.")
    return 0


def restore(month: str, as_json: bool) -> int:
    """Bring a month back."""
    label = Period.month(month).label
    with ledger_at_hand():
        from tasks.archive_usage import restore_month

        back = restore_month.fn(label, asked.actor())
    if as_json:
        showing.print_json(back)
    elif back["records"]:
        showing.say(f"{back['records']} usage records of {label} are back.")
    else:
        showing.say(f"The usage of {label} is here already; nothing changed.")
    return 0
