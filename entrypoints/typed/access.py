"""Commands about who may call the API, and about what was done by whom."""

from typing import Annotated, Literal

from cyclopts import App, Group, Parameter

from entrypoints.typed.parameters import AsJson, Reason

GROUP = Group("Who may, and who did", sort_key=5)
TOKENS = App(name="tokens", help="Tokens for the HTTP API.", group=GROUP, group_commands="Commands")
AUDIT = App(
    name="audit",
    help="The audit log: who did what, and why.",
    group=GROUP,
    group_commands="Commands",
)


def register(app: App) -> None:
    """Add these commands to the command line."""
    app.command(TOKENS)
    TOKENS.command(create)
    TOKENS.command(list_tokens, name="list")
    TOKENS.command(revoke)
    app.command(AUDIT)
    AUDIT.command(list_entries, name="list")
    AUDIT.command(verify)


def create(
    name: str,
    /,
    *,
    role: Literal["admin", "operator", "viewer"],
    team: str | None = None,
    days: int = 90,
    reason: Reason = None,
    as_json: AsJson = False,
) -> int:
    """Make a token for the HTTP API; it is shown this once, and kept as a hash only.

    From the first token on nobody calls the API without one.

    Args:
        name: What to call it: the audit log names who did something by it.
        role: admin: everything. operator: sends usage, allocates, bills, but makes no rules. viewer: sees one team.
        team: A viewer's team.
        days: How long it lasts.
    """
    from entrypoints.commands import access

    return access.create_token(name, role, team, days, reason, as_json)


def list_tokens(*, as_json: AsJson = False) -> int:
    """Show every token that was made, what it may do and whether it is in force; never the token itself."""
    from entrypoints.commands import access

    return access.list_tokens(as_json)


def revoke(name: str, /, *, reason: Reason = None) -> int:
    """End a token for good; its next request is refused.

    Args:
        name: Its name or handle in `chargeback tokens list`.
    """
    from entrypoints.commands import access

    return access.revoke_token(name, reason)


def list_entries(
    *,
    kind: Annotated[
        str | None, Parameter(help="What was changed: invoice, rule, team, token, …")
    ] = None,
    subject: Annotated[
        str | None, Parameter(help="Which one: an invoice's number, a rule's id, …")
    ] = None,
    actor: Annotated[str | None, Parameter(help="Who did it, like cli:ana or token:ci.")] = None,
    action: Annotated[
        str | None, Parameter(help="What was done, like invoice.sent, or only invoice.")
    ] = None,
    period: Annotated[str | None, Parameter(help="When: a month or days, like 2026-10.")] = None,
    limit: Annotated[int, Parameter(help="How many entries at most.")] = 50,
    as_json: AsJson = False,
) -> int:
    """Show what was done, newest first: who, what, before, after and why."""
    from entrypoints.commands import access

    return access.list_entries(kind, subject, actor, action, period, limit, as_json)


def verify(*, as_json: AsJson = False) -> int:
    """Prove that no entry of the audit log was changed, taken out or put in; exit status 1 names the first."""
    from entrypoints.commands import access

    return access.verify(as_json)
