"""Parameters that several commands share."""

from typing import Annotated

from cyclopts import Parameter

AsJson = Annotated[
    bool,
    Parameter(
        name="--json",
        negative="",
        show_default=False,
        help="Print JSON for programs; amounts are text.",
    ),
]
DryRun = Annotated[
    bool,
    Parameter(
        name="--dry-run",
        negative="",
        show_default=False,
        help="Do all of it and keep nothing: shows what would be booked.",
    ),
]
OnDate = Annotated[
    str | None,
    Parameter(
        name="--on",
        help="The business date, like 2026-11-01; without it, today in the billing zone.",
    ),
]
Reason = Annotated[str | None, Parameter(help="Why; kept in the audit log.")]
