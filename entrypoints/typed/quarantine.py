"""Commands about refused usage rows: look at them, mend them, book them after all, or decide that they are not."""

from typing import Annotated, Literal

from cyclopts import App, Parameter

from entrypoints.typed.parameters import AsJson
from entrypoints.typed.usage import GROUP

QUARANTINE = App(
    name="quarantine", help="Usage rows that were refused.", group=GROUP, group_commands="Commands"
)
Why = Annotated[str, Parameter(help="Why; kept in the audit log.")]
Source = Annotated[str | None, Parameter(help="Only rows of this source.")]
Code = Annotated[str | None, Parameter(help="Only rows refused with this code.")]


def register(app: App) -> None:
    """Add these commands to the command line."""
    app.command(QUARANTINE)
    QUARANTINE.command(list_quarantine, name="list")
    for command in (show, fix, fixes, replay, waive):
        QUARANTINE.command(command)
    QUARANTINE.command(end_fix, name="end-fix")


def list_quarantine(
    *,
    state: Literal["open", "waived", "replaced", "all"] = "open",
    source: Source = None,
    code: Code = None,
    limit: Annotated[int, Parameter(help="How many rows at most.")] = 100,
    as_json: AsJson = False,
) -> int:
    """Show the usage rows that were refused, by source and code and then each with its reason.

    Args:
        state: Which rows: waiting for a decision, waived, replaced by a good row, or all.
    """
    from entrypoints.commands import quarantine

    return quarantine.list_rows(None if state == "all" else state, source, code, limit, as_json)


def show(id: int, /, *, as_json: AsJson = False) -> int:  # noqa: A002 - what the list calls it
    """Show one refused row whole, what would become of it today, and what was decided.

    Args:
        id: The row's number in `chargeback quarantine list`.
    """
    from entrypoints.commands import quarantine

    return quarantine.show(id, as_json)


def fix(
    source: str,
    code: str,
    /,
    *,
    set: Annotated[str | None, Parameter(help="FIELD=VALUE to write into each row.")] = None,  # noqa: A002
    replace: Annotated[
        tuple[str, str, str] | None,
        Parameter(help="FIELD OLD NEW: put NEW wherever OLD stands in the field."),
    ] = None,
    where: Annotated[
        str | None, Parameter(help="FIELD=VALUE that a row must have for the fix to be made.")
    ] = None,
    reason: Why,
    as_json: AsJson = False,
) -> int:
    """Make a fix for the refused rows of one source and code; nothing is booked by it alone.

    It is made when rows are replayed, and when the source delivers such rows again. Say it with --set or --replace.

    Args:
        source: Name of the source.
        code: The code of the rows, as `chargeback quarantine list` has it.
    """
    from entrypoints.commands import quarantine

    return quarantine.fix(source, code, (set, replace, where), reason, as_json)


def fixes(*, as_json: AsJson = False) -> int:
    """Show the fixes that were made, in the order they are applied."""
    from entrypoints.commands import quarantine

    return quarantine.fixes(as_json)


def end_fix(id: int, /, *, reason: Why) -> int:  # noqa: A002 - what the list calls it
    """Let a fix apply no more; what was booked by it stays.

    Args:
        id: The fix's number in `chargeback quarantine fixes`.
    """
    from entrypoints.commands import quarantine

    return quarantine.end_fix(id, reason)


def replay(*ids: int, source: Source = None, code: Code = None, as_json: AsJson = False) -> int:
    """Try refused rows again: with the fixes made, the rates and the decisions there are now.

    What can be booked is, on the day it says; the others stay. Running it again changes nothing.

    Args:
        ids: The rows' numbers; without any, all that wait.
    """
    from entrypoints.commands import quarantine

    return quarantine.replay(ids, source, code, as_json)


def waive(
    *ids: int, source: Source = None, code: Code = None, reason: Why, as_json: AsJson = False
) -> int:
    """Decide that refused rows are not to be booked: by their numbers, or all of a source and code.

    Args:
        ids: The rows' numbers in `chargeback quarantine list`.
    """
    from entrypoints.commands import quarantine

    return quarantine.waive(ids, source, code, reason, as_json)
