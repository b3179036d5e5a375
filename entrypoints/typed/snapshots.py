"""Commands about snapshots that wait for a person."""

from typing import Annotated, Literal

from cyclopts import App, Parameter

from entrypoints.typed.parameters import AsJson
from entrypoints.typed.usage import GROUP

SNAPSHOTS = App(
    name="snapshots",
    help="Deliveries of whole billing periods that wait for a decision.",
    group=GROUP,
    group_commands="Commands",
)
Why = Annotated[str, Parameter(name="--reason", help="Why; kept in the audit log.")]


def register(app: App) -> None:
    """Add these commands to the command line."""
    app.command(SNAPSHOTS)
    SNAPSHOTS.command(list_snapshots, name="list")
    for command in (show, accept, reject):
        SNAPSHOTS.command(command)


def list_snapshots(
    *,
    state: Literal["waiting", "accepted", "rejected", "replaced", "all"] = "waiting",
    limit: Annotated[int, Parameter(help="How many at most.")] = 100,
    as_json: AsJson = False,
) -> int:
    """Show the deliveries that were refused whole, oldest first, and why.

    Args:
        state: Which: waiting for a decision, accepted, rejected, replaced by a later delivery, or all.
    """
    from entrypoints.commands import snapshots

    return snapshots.list_snapshots(None if state == "all" else state, limit, as_json)


def show(
    id: int,  # noqa: A002 - what the list calls it
    /,
    *,
    limit: Annotated[int, Parameter(help="How many changes and refused rows at most.")] = 20,
    as_json: AsJson = False,
) -> int:
    """Show what a delivery would change, and its refused rows.

    Args:
        id: The delivery's number in `chargeback snapshots list`.
    """
    from entrypoints.commands import snapshots

    return snapshots.show(id, limit, as_json)


def accept(
    id: int,  # noqa: A002 - what the list calls it
    /,
    *,
    reason: Why,
) -> int:
    """Book a delivery as it came: what it no longer has is taken back, what is new in it is added.

    Args:
        id: The delivery's number in `chargeback snapshots list`.
    """
    from entrypoints.commands import snapshots

    return snapshots.accept(id, reason)


def reject(
    id: int,  # noqa: A002 - what the list calls it
    /,
    *,
    reason: Why,
) -> int:
    """Discard a delivery: what is held stays, and the same delivery is not asked about again.

    Args:
        id: The delivery's number in `chargeback snapshots list`.
    """
    from entrypoints.commands import snapshots

    return snapshots.reject(id, reason)
