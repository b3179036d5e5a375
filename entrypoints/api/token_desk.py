"""Where tokens are looked at: all requests that wait share one question to the ledger.

Owns the asking only. Each request's token is compared after the request came, so a token that was revoked opens
nothing from its next request on; and the event loop never waits for the database.
"""

from collections.abc import Sequence
from typing import NamedTuple

from chargeback.ledger import tokens
from chargeback.ledger.database import engine, ledger_url, translated
from chargeback.ledger.tokens import Token
from entrypoints.api.gathering import Gathering


class Recognised(NamedTuple):
    """What the ledger knows of a request's token; `is_open` while no token was ever made."""

    is_open: bool
    token: Token | None


class TokenDesk:
    """One desk per application; it asks the ledger once for everybody who came while it was asking."""

    def __init__(self) -> None:
        self._gathering: Gathering[str | None, Recognised] = Gathering(_answers)

    async def recognise(self, shown: str | None) -> Recognised:
        """What is known of the token shown. Raises Unavailable where the ledger does not answer."""
        return await self._gathering.ask(shown)


def _answers(shown: Sequence[str | None]) -> Sequence[Recognised]:
    is_open, known = _look_up({token for token in shown if token is not None})
    return [Recognised(is_open, None if token is None else known.get(token)) for token in shown]


def _look_up(shown: set[str]) -> tuple[bool, dict[str, Token]]:
    with translated(), engine(ledger_url()).connect() as connection:
        # One statement each: no transaction to begin and to end.
        connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        known = tokens.recognised(connection, shown)
        return (not known and not tokens.has_any(connection)), known
