"""Commands that share out cost and bill it."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Group, Parameter

from entrypoints.typed.parameters import AsJson, DryRun, OnDate, Reason

GROUP = Group("What goes out", sort_key=3)


def register(app: App) -> None:
    """Add these commands to the command line."""
    commands = (
        bill,
        approve,
        allocate,
        reallocate,
        what_if,
        invoice,
        send,
        pay,
        cancel,
        move,
        sweep,
        publish,
    )
    for command in (*commands, deliver, deliveries, export):
        app.command(command, group=GROUP)


def bill(
    period: str, /, *, on: OnDate = None, dry_run: DryRun = False, as_json: AsJson = False
) -> int:
    """Bill a period: sync, allocate, draft, issue, publish and verify, by the flow monthly-billing.

    Runs on the stack of `chargeback up`, or starts one for the time being. Doing it again does only what is new.

    Args:
        period: Month or days to bill, like 2026-10.
    """
    if dry_run:
        from entrypoints.commands import rehearsals

        return rehearsals.bill(period, on, as_json)
    from entrypoints.commands import runs

    return runs.bill(period, on, as_json)


def approve(
    period: str,
    /,
    *,
    reject: Annotated[
        bool, Parameter(negative="", show_default=False, help="Reject the drafts instead.")
    ] = False,
    reason: Reason = None,
    shown: Annotated[
        str | None,
        Parameter(name="--hash", help="Decide only if the drafts still have this hash."),
    ] = None,
    on: OnDate = None,
    as_json: AsJson = False,
) -> int:
    """Approve the drafts of a period, which issues them, or reject them; a run that waits for it goes on.

    Who decided what about which drafts is kept. Doing it again changes nothing.

    Args:
        period: Month or days, like 2026-10.
    """
    from entrypoints.commands import approval

    return approval.approve(period, reject, reason, shown, on, as_json)


def allocate(
    period: str | None = None, /, *, dry_run: DryRun = False, as_json: AsJson = False
) -> int:
    """Share out the cost of every day that needs it; days with nothing new are untouched.

    Args:
        period: Month or days, like 2026-10; without it, all days.
    """
    from entrypoints.commands import billing

    return billing.allocate(period, as_json, dry_run)


def reallocate(
    period: str,
    /,
    *,
    reason: Annotated[str, Parameter(help="Why; printed on the lines and kept in the audit log.")],
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> int:
    """Share billed cost of a period anew, as rules and owners say today; payers see the difference as late lines.

    Doing it again moves nothing more.

    Args:
        period: Month or days, like 2026-10.
    """
    from entrypoints.commands import corrections

    return corrections.reallocate(period, reason, dry_run, as_json)


def what_if(
    period: str,
    /,
    *,
    rules: Annotated[
        Path | None,
        Parameter(
            help="A file like those of `import`; without it, the rules in force are replayed."
        ),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Show who would bear what of a period under draft rules, billed cost included; nothing is booked.

    What the draft does not name stays as it is. Importing it and `reallocate` would do what is shown.

    Args:
        period: Month or days to try them on, like 2026-10.
    """
    from entrypoints.commands import trying

    return trying.try_rules(period, rules, as_json)


def invoice(
    period: str,
    /,
    *,
    team: str | None = None,
    user: str | None = None,
    everybody: Annotated[bool, Parameter(name="--all", negative="", show_default=False)] = False,
    number: str | None = None,
    on: OnDate = None,
    via: Annotated[
        Literal["prefect"] | None,
        Parameter(
            help="Have a worker do it, through the Prefect API; without it, this command does."
        ),
    ] = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> int:
    """Draft an invoice for one payer, or refresh its draft, and publish its PDF.

    It claims what no other document holds, and tells what others hold.

    Args:
        period: Month or days to bill, like 2026-10.
        team: Team to bill.
        user: User to bill, in the team if one is given.
        everybody: Bill all payers together in one invoice.
        number: A number of your own; without it, the next in line.
    """
    if via == "prefect" and not dry_run:
        from entrypoints.commands import runs

        return runs.invoice(period, team, user, everybody, number, on, as_json)
    from entrypoints.commands import billing

    return billing.invoice(period, team, user, everybody, number, on, as_json, dry_run)


def send(
    invoice: str,
    /,
    *,
    on: OnDate = None,
    reason: Reason = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> int:
    """Issue a draft: date it, freeze it, publish its PDF.

    Args:
        invoice: Its number or id.
    """
    from entrypoints.commands import billing

    return billing.move(invoice, "sent", on, reason, as_json=as_json, dry_run=dry_run)


def pay(
    invoice: str,
    /,
    *,
    on: OnDate = None,
    reason: Reason = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> int:
    """Note that an invoice was paid.

    Args:
        invoice: Its number or id.
    """
    from entrypoints.commands import billing

    return billing.move(invoice, "paid", on, reason, as_json=as_json, dry_run=dry_run)


def cancel(
    invoice: str,
    /,
    *,
    on: OnDate = None,
    reason: Reason = None,
    rebill: bool = True,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> int:
    """Cancel a document; after issue this makes a credit note and frees its cost to be billed again.

    Args:
        invoice: Its number or id.
        rebill: With --no-rebill the cost is written off: it stays claimed.
    """
    from entrypoints.commands import billing

    return billing.move(
        invoice, "cancelled", on, reason, is_rebillable=rebill, as_json=as_json, dry_run=dry_run
    )


def move(
    invoice: str,
    status: str,
    /,
    *,
    on: OnDate = None,
    reason: Reason = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> int:
    """Move a document to a status; one that has it already stays as it is.

    Args:
        invoice: Its number or id.
        status: draft, pending, sent, paid, overdue or cancelled.
    """
    from entrypoints.commands import billing

    return billing.move(invoice, status, on, reason, as_json=as_json, dry_run=dry_run)


def sweep(
    *,
    as_of: Annotated[
        str, Parameter(help="The day to look from; an invoice due that day is still in time.")
    ],
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> int:
    """Mark sent invoices past their due date overdue; what is overdue stays so."""
    from entrypoints.commands import billing

    return billing.sweep(as_of, as_json, dry_run)


def publish(period: str, /, *, as_json: AsJson = False) -> int:
    """Publish the documents' PDFs and a report per team and user; the same figures give the same files.

    Args:
        period: Month or days, like 2026-10.
    """
    from entrypoints.commands import billing

    return billing.publish(period, as_json)


def deliver(
    invoice: str | None = None,
    /,
    *,
    as_of: Annotated[
        str | None, Parameter(help="The day reminders are counted to; without it, today.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Mail documents and reminders to payers and tell webhooks; what went out is not sent again.

    Args:
        invoice: One document by its number, whatever its age and even where it was refused before.
    """
    from entrypoints.commands import delivery

    return delivery.deliver(invoice, as_of, as_json)


def deliveries(
    *,
    state: Annotated[str | None, Parameter(help="Only those waiting, delivered or failed.")] = None,
    as_json: AsJson = False,
) -> int:
    """List the messages about documents, newest first: to whom, what became of them, and why."""
    from entrypoints.commands import delivery

    return delivery.deliveries(state, as_json)


def export(
    what: str,
    period: str,
    /,
    *,
    to: Annotated[Path, Parameter(help="The file to write; one that is there is replaced.")],
    profile: Annotated[
        str | None,
        Parameter(help="Column map of the journal: neutral, netsuite, oracle, sap or a YAML file."),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Write a file for finance: the journal, a workbook, or FOCUS exports of allocations and invoices.

    Args:
        what: journal, workbook, focus-allocations, focus-allocations-1.3 or focus-invoices.
        period: Month or days, like 2026-10.
    """
    from entrypoints.commands import billing

    return billing.export(what, period, to, profile, as_json)
