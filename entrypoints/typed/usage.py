"""Commands about what comes in: payers, rules, cost trackers and their usage."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Group, Parameter

from entrypoints.typed.parameters import AsJson, DryRun, Reason

GROUP = Group("What comes in", sort_key=2)
SOURCES = App(
    name="sources",
    help="The cost trackers that usage is read from.",
    group=GROUP,
    group_commands="Commands",
)
QUARANTINE = App(
    name="quarantine", help="Usage rows that were refused.", group=GROUP, group_commands="Commands"
)


def register(app: App) -> None:
    """Add these commands to the command line."""
    app.command(import_file, name="import", group=GROUP)
    for command in (rules, teams, sync, withdraw):
        app.command(command, group=GROUP)
    app.command(SOURCES)
    SOURCES.command(add_source, name="add")
    SOURCES.command(list_sources, name="list")
    app.command(QUARANTINE)
    QUARANTINE.command(list_quarantine, name="list")
    QUARANTINE.command(waive)


def import_file(
    file: Path, /, *, reason: Reason = None, dry_run: DryRun = False, as_json: AsJson = False
) -> int:
    """Load payers and rules: teams, users, members, owners and allocation rules.

    What the file names is made so, what it does not name stays. Importing it again changes nothing.
    Says how much unbilled cost that moves, in how many days, from whom to whom.

    Args:
        file: A YAML file like examples/company.yaml.
    """
    from entrypoints.commands import payers

    return payers.import_file(file, reason, as_json, dry_run)


def rules(*, as_json: AsJson = False) -> int:
    """Show the allocation rules in force: what each takes and who pays."""
    from entrypoints.commands import payers

    return payers.rules(as_json)


def teams(*, as_json: AsJson = False) -> int:
    """Show the teams: cost centre, contact, days to pay, tax rate and members."""
    from entrypoints.commands import payers

    return payers.teams(as_json)


def add_source(
    name: str,
    /,
    *,
    form: Literal["json", "csv"],
    kind: str = "cost_tracker",
    path: str | None = None,
    url: str | None = None,
    role: Literal["allocate", "reconcile_only", "weights"] = "allocate",
    owner_tag: str | None = None,
    token_env: str | None = None,
    currency: str | None = None,
    as_json: AsJson = False,
) -> int:
    """Add a cost tracker, or give it another configuration; the same again changes nothing.

    Args:
        name: What to call it: lower-case letters, digits, '-' and '_'.
        form: What its export is written in.
        kind: What kind of cost tracker it is.
        path: The export's file.
        url: The address of the export, instead of a file.
        role: Whether its usage is billed, only compared, or gives weights for sharing.
        owner_tag: Key of the metadata whose value names an owner.
        token_env: Name of the environment variable that holds the address's bearer token.
        currency: What its costs are in; without it, USD.
    """
    from entrypoints.commands import usage

    config = {"path": path, "url": url, "form": form, "owner_tag": owner_tag,
              "token_env": token_env, "currency": currency}  # fmt: skip
    return usage.add_source(name, kind, role, config, as_json)


def list_sources(*, as_json: AsJson = False) -> int:
    """Show the cost trackers and how far each was read."""
    from entrypoints.commands import usage

    return usage.list_sources(as_json)


def sync(
    source: str | None = None,
    /,
    *,
    period: str | None = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> int:
    """Read new usage from one cost tracker, or from all; rows already held change nothing.

    Args:
        source: Name of the one to read; without it, all.
        period: Month or days to read again, like 2026-10; without it, what is new since the last sync.
    """
    from entrypoints.commands import usage

    return usage.sync(source, period, as_json, dry_run)


def withdraw(
    *ids: str,
    source: Annotated[str, Parameter(help="The cost tracker they came from.")],
    reason: Annotated[str, Parameter(help="Why they are not so; kept in the audit log.")],
    as_json: AsJson = False,
) -> int:
    """Take usage back that should not be there; what was billed of it goes back to its payers as late lines.

    Args:
        ids: The rows' own ids, as their source calls them.
    """
    from entrypoints.commands import corrections

    return corrections.withdraw(source, list(ids), reason, as_json)


def list_quarantine(
    *,
    state: Literal["open", "waived", "replaced", "all"] = "open",
    limit: Annotated[int, Parameter(help="How many rows at most.")] = 100,
    as_json: AsJson = False,
) -> int:
    """Show the usage rows that were refused, oldest first, each with its reason.

    Args:
        state: Which rows: waiting for a decision, waived, replaced by a good row, or all.
    """
    from entrypoints.commands import usage

    return usage.list_quarantine(None if state == "all" else state, limit, as_json)


def waive(
    id: int,  # noqa: A002 - what the list calls it
    /,
    *,
    reason: Annotated[str, Parameter(help="Why it is not to be booked; kept in the audit log.")],
) -> int:
    """Decide that a refused row is not to be booked.

    Args:
        id: The row's number in `chargeback quarantine list`.
    """
    from entrypoints.commands import usage

    return usage.waive(id, reason)
