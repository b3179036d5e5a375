"""Commands about prices: of tokens, of other currencies, and of nobody."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from entrypoints.typed.parameters import AsJson
from entrypoints.typed.usage import GROUP

RATES = App(name="rates", help="What models' tokens cost.", group=GROUP, group_commands="Commands")
EXCHANGE_RATES = App(
    name="exchange-rates",
    help="What other currencies are in the ledger's.",
    group=GROUP,
    group_commands="Commands",
)


def register(app: App) -> None:
    """Add these commands to the command line."""
    app.command(RATES)
    RATES.command(import_rates, name="import")
    RATES.command(list_rates, name="list")
    app.command(EXCHANGE_RATES)
    EXCHANGE_RATES.command(import_exchange_rates, name="import")
    EXCHANGE_RATES.command(list_exchange_rates, name="list")
    app.command(unattributed, group=GROUP)


def import_rates(file: Path, /, *, as_json: AsJson = False) -> int:
    """Load prices of tokens, and replay what waited for them; importing the same again changes nothing.

    The prices of each model and kind of token that the file names are replaced as a whole.

    Args:
        file: YAML with a list under `rates`, or CSV: model, token_kind, price, per_tokens, from, to.
    """
    from entrypoints.commands import rates

    return rates.import_rates(file, as_json)


def list_rates(*, as_json: AsJson = False) -> int:
    """Show the prices of tokens."""
    from entrypoints.commands import rates

    return rates.list_rates(as_json)


def import_exchange_rates(file: Path, /, *, as_json: AsJson = False) -> int:
    """Load rates of currencies, and replay what waited for them; importing the same again changes nothing.

    A month's rate can change until the first invoice of the month is issued; usage that entered at the old one is
    taken back and booked at the new one.

    Args:
        file: YAML with a list under `exchange_rates`, or CSV: month, currency, rate.
    """
    from entrypoints.commands import rates

    return rates.import_exchange_rates(file, as_json)


def list_exchange_rates(*, as_json: AsJson = False) -> int:
    """Show the rates of currencies by month, and which are frozen."""
    from entrypoints.commands import rates

    return rates.list_exchange_rates(as_json)


def unattributed(
    period: str,
    /,
    *,
    as_yaml: Annotated[
        bool,
        Parameter(
            name="--yaml",
            negative="",
            show_default=False,
            help="Print the list of owners as a payers file to fill in.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Show the cost that nobody owns, and the shortest list of owners that would clear most of it.

    Args:
        period: Month or days, like 2026-10.
    """
    from entrypoints.commands import rates

    return rates.unattributed(period, as_yaml, as_json)
