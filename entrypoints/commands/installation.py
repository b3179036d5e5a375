"""What the commands about the installation do."""

from contextlib import nullcontext

from rich.text import Text

from chargeback.settings import settings
from entrypoints import doctor as examination
from entrypoints import showing
from entrypoints.ledger_at_hand import migration_url, postgres_at_hand, upgrade_where_needed


def doctor(as_json: bool) -> int:
    """Show what was found; 1 when something is not well."""
    findings = examination.examine()
    is_well = all(finding.ok for finding in findings)
    if as_json:
        showing.print_json({"ok": is_well, "findings": findings})
        return int(not is_well)
    showing.table([
        {"": Text("well", "green") if one.ok else Text("not well", "bold red"), "what": one.name, "seen": one.seen,
         "how to mend it": "" if one.ok else one.mend}
        for one in findings
    ])  # fmt: skip
    showing.say("Everything is well." if is_well else "Something needs mending.", "bold")
    return int(not is_well)


def upgrade() -> int:
    """Bring the ledger to the newest version of its schema, and say which."""
    with nullcontext() if settings().database_url else postgres_at_hand(settings().home):
        held, newest = upgrade_where_needed(migration_url())
    if held == newest:
        showing.say(f"The ledger's schema is at version {newest} already; nothing changed.")
    else:
        showing.say(f"The ledger's schema went from version {held or 'none'} to {newest}.")
    return 0
