"""What the commands about tokens and the audit log do."""

import json
from typing import Any

from chargeback.clock import now
from chargeback.errors import Invalid
from chargeback.ledger import audit, tokens
from chargeback.ledger.database import snapshot, transaction
from chargeback.ledger.tokens import Token
from chargeback.settings import settings
from entrypoints import showing
from entrypoints.commands import asked
from entrypoints.ledger_at_hand import ledger_at_hand
from models.enums import TokenRole

MOST_ENTRIES = 10_000
_SHOWN_CHARACTERS = 160


def create_token(
    name: str, role: str, team: str | None, days: int, reason: str | None, as_json: bool
) -> int:
    """Make a token and show it, this once."""
    with ledger_at_hand(), transaction() as connection:
        made, token = tokens.create(
            connection, name, TokenRole(role), team, days, now(), asked.actor(), reason
        )
    if as_json:
        showing.print_json({**_facts(made), "token": token})
        return 0
    showing.say(token)
    showing.say("")
    who = f"the viewer of team {made.team_id}" if made.team_id else f"an {made.role}"
    showing.say(
        f"Token {made.name} makes its holder {who} until {made.expires_at:%Y-%m-%d %H:%M} UTC. It is shown only now; "
        "send it in the header `Authorization: Bearer TOKEN`."
    )
    return 0


def list_tokens(as_json: bool) -> int:
    """Show all that were made."""
    with ledger_at_hand(), snapshot() as connection:
        kept = tokens.tokens(connection)
    if as_json:
        showing.print_json([_facts(token) for token in kept])
    elif not kept:
        showing.say(
            "No token was made yet: the API answers everybody on this machine, and nobody else."
        )
    else:
        showing.table([
            {"token": one.name, "handle": one.handle, "role": one.role.value, "team": one.team_id,
             "made": f"{one.created_at:%Y-%m-%d}", "by": one.created_by, "ends": f"{one.expires_at:%Y-%m-%d}",
             "is": "in force" if one.standing(now()) is tokens.Standing.GOOD else one.standing(now()).value}
            for one in kept
        ])  # fmt: skip
    return 0


def _facts(token: Token) -> dict[str, Any]:
    return {**showing.plain(token), "standing": token.standing(now()).value}


def revoke_token(name: str, reason: str | None) -> int:
    """End a token."""
    with ledger_at_hand(), transaction() as connection:
        held, has_changed = tokens.revoke(connection, name, now(), asked.actor(), reason)
    already = (
        f"Token {held.name} was revoked already, on {held.revoked_at:%Y-%m-%d}; nothing changed."
    )
    showing.say(
        f"Token {held.name} is revoked; its next request is refused." if has_changed else already
    )
    return 0


def list_entries(
    kind: str | None,
    subject: str | None,
    actor: str | None,
    action: str | None,
    period: str | None,
    limit: int,
    as_json: bool,
) -> int:
    """Show entries of the audit log, newest first."""
    if not 1 <= limit <= MOST_ENTRIES:
        raise Invalid(
            "limit_invalid", f"{limit} entries cannot be shown; ask for 1 to {MOST_ENTRIES}"
        )
    days = asked.period(period)
    since, until = days.instants(settings().zone) if days else (None, None)
    wanted = audit.Wanted(kind, subject, actor, action, since, until)
    with ledger_at_hand(), snapshot() as connection:
        found = audit.listed(connection, wanted, limit + 1)
    shown, has_more = found[:limit], len(found) > limit
    if as_json:
        showing.print_json(shown)
    elif not shown:
        showing.say("No entry of the audit log is like that.")
    else:
        showing.table([
            {"entry": one.seq, "when (UTC)": f"{one.at:%Y-%m-%d %H:%M:%S}", "who": one.actor, "what": one.action,
             "of": f"{one.subject_kind} {one.subject_id}", "before": _said(one.before), "after": _said(one.after),
             "why": one.reason}
            for one in shown
        ], right=["entry"])  # fmt: skip
        if has_more:
            showing.say(f"There are older ones too; --limit shows more than {limit}.")
    return 0


def _said(value: Any) -> str:
    """What an entry holds, in one line that leaves out what is empty; `--json` has all of it."""
    if not isinstance(value, dict):
        return ""
    told = [
        f"{name} {one if isinstance(one, str) else json.dumps(one, ensure_ascii=False)}"
        for name, one in value.items()
        if one not in (None, "", [], {})
    ]
    line = ", ".join(told)
    return line if len(line) <= _SHOWN_CHARACTERS else f"{line[:_SHOWN_CHARACTERS]}…"


def verify(as_json: bool) -> int:
    """Prove the chain; 1 where it is broken."""
    with ledger_at_hand(), snapshot() as connection:
        broken = audit.broken(connection)
        seq, digest = audit.head(connection)
    if as_json:
        showing.print_json({"holds": not broken, "entries": seq, "head": digest, "broken": broken})
    elif broken:
        for sentence in broken[:20]:
            showing.say(sentence)
        showing.say(f"The audit log is not as it was written: {len(broken)} findings.", "bold red")
    else:
        showing.say(f"All {seq} entries of the audit log are as they were written.", "green")
        showing.say(f"The chain ends with {digest}; kept elsewhere, it proves that later too.")
    return int(bool(broken))
