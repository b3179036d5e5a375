"""Commands that look at the books and prove them."""

from typing import Annotated, Literal

from cyclopts import App, Group, Parameter

from entrypoints.typed.parameters import AsJson

GROUP = Group("The books", sort_key=4)
ARCHIVE = App(
    name="archive", help="Usage that lies in files.", group=GROUP, group_commands="Commands"
)


def register(app: App) -> None:
    """Add these commands to the command line."""
    for command in (status, show, explain, budgets, verify, reconcile, digest):
        app.command(command, group=GROUP)
    app.command(ARCHIVE)
    ARCHIVE.command(list_archives, name="list")
    ARCHIVE.command(archive_old, name="old")
    ARCHIVE.command(restore)


def status(period: str | None = None, /, *, as_json: AsJson = False) -> int:
    """Show where things stand: documents, what needs a person, what waits, the last runs.

    Args:
        period: Month or days, like 2026-10; without it, everything.
    """
    from entrypoints.commands import books

    return books.status(period, as_json)


def show(invoice: str, /, *, as_json: AsJson = False) -> int:
    """Show one document whole: lines, totals, who used what, history and PDF.

    Args:
        invoice: Its number or id.
    """
    from entrypoints.commands import books

    return books.show(invoice, as_json)


def explain(
    given: str,
    /,
    *,
    limit: Annotated[int, Parameter(help="Rows of each kind, at most.")] = 20,
    source: Annotated[
        str | None, Parameter(help="The source of a usage record, where several know its id.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Explain what was billed: from a line to its rules, allocations and usage, and from usage to its lines.

    Args:
        given: Number of a document, a line as NUMBER/POSITION, id of an allocation or of usage.
    """
    from entrypoints.commands import explaining

    return explaining.explain(given, limit, source, as_json)


def budgets(
    period: str | None = None,
    /,
    *,
    as_of: Annotated[
        str | None, Parameter(help="The first day that is not over; without it, today.")
    ] = None,
    back_test: Annotated[
        bool,
        Parameter(
            negative="",
            show_default=False,
            help="Show how wrong forecasts of held months would have been.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Show what each team spent of its month's budget, and what it will have spent by the end.

    Args:
        period: A calendar month, like 2026-10; without it, the current one.
    """
    from entrypoints.commands import budgets

    return budgets.back_test(as_of, as_json) if back_test else budgets.show(period, as_of, as_json)


def verify(period: str | None = None, /, *, as_json: AsJson = False) -> int:
    """Prove that the books tie out; exit status 1 names what is broken.

    Args:
        period: Only the days and documents of this month or these days; without it, everything.
    """
    from entrypoints.commands import books

    return books.verify(period, as_json)


def reconcile(period: str, /, *, payers: bool = False, as_json: AsJson = False) -> int:
    """Show per source what came in and what became of it, exactly; exit status 1 for a difference.

    Args:
        period: Month or days, like 2026-10.
        payers: Show too what each payer bears of it, and was billed and credited.
    """
    from entrypoints.commands import books

    return books.reconcile(period, payers, as_json)


def digest(*, parts: bool = False, as_json: AsJson = False) -> int:
    """Print a digest of the books: two ledgers with the same one say the same, to the last digit.

    Args:
        parts: Print the digest of each part too, to find where two ledgers differ.
    """
    from entrypoints.commands import books

    return books.digest(parts, as_json)


def list_archives(*, as_json: AsJson = False) -> int:
    """Show the months of usage that were archived, and which of them are back."""
    from entrypoints.commands import archive

    return archive.list_archives(as_json)


def archive_old(
    *,
    keep_months: Annotated[
        int | None,
        Parameter(help="Full months that stay; without it, CHARGEBACK_RETENTION_MONTHS."),
    ] = None,
    form: Annotated[
        Literal["csv", "parquet"] | None, Parameter(help="Without it, CHARGEBACK_RETENTION_FORM.")
    ] = None,
    as_of: Annotated[
        str | None, Parameter(help="The day to count back from; without it, today.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Write old, billed months of usage to files and drop them from Postgres; the books say the same."""
    from entrypoints.commands import archive

    return archive.archive_old(keep_months, form, as_of, as_json)


def restore(month: str, /, *, as_json: AsJson = False) -> int:
    """Bring an archived month of usage back; one that is back already stays as it is.

    Args:
        month: Like 2024-01.
    """
    from entrypoints.commands import archive

    return archive.restore(month, as_json)
