"""What is fixed for good with the first usage: the billing zone and the currency."""

from sqlalchemy import Connection, text

from chargeback.errors import Refused
from chargeback.settings import settings


def fix(connection: Connection) -> None:
    """Write them once; from then on an environment that says otherwise is refused."""
    wanted = (settings().billing_zone, settings().currency)
    connection.execute(
        text(
            "INSERT INTO ledger_settings (billing_zone, currency) VALUES (:zone, :currency) ON CONFLICT DO NOTHING"
        ),
        {"zone": wanted[0], "currency": wanted[1]},
    )
    check(connection)


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
