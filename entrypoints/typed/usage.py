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


def register(app: App) -> None:
    """Add these commands to the command line."""
    app.command(import_file, name="import", group=GROUP)
    for command in (rules, teams, sync, withdraw, push):
        app.command(command, group=GROUP)
    app.command(SOURCES)
    SOURCES.command(add_source, name="add")
    SOURCES.command(list_sources, name="list")
    SOURCES.command(check_source, name="check")
    SOURCES.command(zero_cost, name="zero-cost")


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
    kind: str = "cost_tracker",
    form: str | None = None,
    path: str | None = None,
    url: str | None = None,
    role: Literal["allocate", "reconcile_only", "weights"] | None = None,
    owner_tag: str | None = None,
    token_env: str | None = None,
    token_block: str | None = None,
    currency: str | None = None,
    config: Path | None = None,
    setting: Annotated[list[str] | None, Parameter(name="--set", negative="")] = None,
    as_json: AsJson = False,
) -> int:
    """Add a cost tracker, or give it another configuration; the same again changes nothing.

    Each kind has settings of its own, in the README's table of sources; the usual ones are options here.

    Args:
        name: What to call it: lower-case letters, digits, '-' and '_'.
        kind: What kind of cost tracker it is.
        form: What its export is written in.
        path: The export's file.
        url: The address, instead of a file.
        role: Whether its usage is billed, only compared, or gives weights for sharing; without it, as its kind usually.
        owner_tag: Key of the metadata or tag whose value names an owner.
        token_env: Name of the environment variable that holds the address's token.
        token_block: Name of the Prefect Secret block that holds it instead.
        currency: What its costs are in; without it, USD.
        config: A YAML file with the source's settings.
        setting: One more setting, as NAME=VALUE; may be given several times.
    """
    from entrypoints.commands import sources

    options = {"form": form, "path": path, "url": url, "owner_tag": owner_tag, "token_env": token_env,
               "token_block": token_block, "currency": currency}  # fmt: skip
    return sources.add(name, kind, role, sources.Given(options, config, setting or []), as_json)


def check_source(name: str, /, *, as_json: AsJson = False) -> int:
    """Try to read one cost tracker: its address, its secret, its first row; nothing is stored.

    Args:
        name: Name of the source.
    """
    from entrypoints.commands import sources

    return sources.check(name, as_json)


def push(
    source: str,
    file: Annotated[Path, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    as_json: AsJson = False,
) -> int:
    """Load usage from a file into a source of kind `push`; rows already held change nothing.

    One record or CloudEvent per line, or a JSON list of them.

    Args:
        source: Name of the source.
        file: The file, or - for what is piped in.
    """
    from entrypoints.commands import sources

    return sources.push(source, file, as_json)


def list_sources(*, as_json: AsJson = False) -> int:
    """Show the cost trackers and how far each was read."""
    from entrypoints.commands import sources

    return sources.show(as_json)


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
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> int:
    """Take usage back that should not be there; what was billed of it goes back to its payers as late lines.

    Where the source delivers it again, it is booked again.

    Args:
        ids: The rows' own ids, as their source calls them.
    """
    from entrypoints.commands import corrections

    return corrections.withdraw(source, list(ids), reason, as_json, dry_run)


def zero_cost(
    name: str, decision: Literal["accept", "reprice", "quarantine"], /, *, as_json: AsJson = False
) -> int:
    """Decide what becomes of a source's usage that has tokens and costs nothing.

    It holds for what is read from now on and for replays.

    Args:
        name: Name of the source.
        decision: Book it as free, price it from the rates, or refuse it until somebody looks.
    """
    from entrypoints.commands import usage

    return usage.zero_cost(name, decision, as_json)
