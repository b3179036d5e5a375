"""The settings as the ledger knows them: what is fixed for good with the first usage, and what was told of the rest."""

from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlalchemy import Connection, text

from chargeback.errors import Refused
from chargeback.ledger import audit
from chargeback.settings import Settings, settings

# Where things are reached and how one gets in there is nobody's business who reads the log.
_UNTOLD = ("url", "secret", "password", "token", "auth", "host", "port", "key")


def fix(connection: Connection, actor: str = "chargeback") -> None:
    """Write billing zone and currency once; from then on an environment that says otherwise is refused."""
    wanted = {"billing_zone": settings().billing_zone, "currency": settings().currency}
    is_first = connection.execute(
        text("""INSERT INTO ledger_settings (billing_zone, currency) VALUES (:billing_zone, :currency)
                ON CONFLICT DO NOTHING"""),
        wanted,
    ).rowcount
    check(connection)
    if is_first:
        entry = audit.Entry(
            actor, "settings.fixed", "settings", "ledger", None, wanted, "first usage"
        )
        audit.later(connection, entry)


def tell(connection: Connection, actor: str) -> bool:
    """Tell the audit log of settings that are others than it was told last; whether there were any.

    They come from the environment, so this is done at start. Rerun: nothing changed, nothing is told.
    """
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('settings', 0))"))
    held: dict[str, Any] = {}
    for told_before in audit.history(connection, "settings", "installation"):
        held |= told_before["after"]
    told = _told(settings())
    changed = {
        name: value for name, value in told.items() if name not in held or held[name] != value
    }
    if not changed:
        return False
    before = {name: held.get(name) for name in changed} if held else None
    entry = audit.Entry(actor, "settings.changed", "settings", "installation", before, changed)
    audit.append(connection, entry)
    return True


def _told(read: Settings) -> dict[str, Any]:
    """What may be told of the settings, as JSON values."""
    return {
        name: value
        for name, value in read.model_dump(mode="json").items()
        if not any(word in name for word in _UNTOLD)
        and not isinstance(getattr(read, name), SecretStr | Path)
    }


def check(connection: Connection) -> None:
    """Raises Refused when the environment's billing zone or currency is not the ledger's."""
    held = connection.execute(text("SELECT billing_zone, currency FROM ledger_settings")).first()
    names = (
        ("CHARGEBACK_BILLING_ZONE", settings().billing_zone),
        ("CHARGEBACK_CURRENCY", settings().currency),
    )
    for (name, wanted), fixed in zip(names, held or (), strict=False):
        if wanted != fixed:
            raise Refused(
                "ledger_settings_fixed",
                f"{name} is {wanted} but this ledger was begun with {fixed}, which is fixed for good; "
                f"set {name}={fixed}, or begin another ledger",
            )
