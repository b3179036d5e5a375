"""Where tokens are looked at: all requests that wait share one question to the ledger.

Owns the asking only. Each request's token is compared after the request came, so a token that was revoked opens
nothing from its next request on; and the event loop never waits for the database.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from chargeback.ledger import tokens
from chargeback.ledger.database import engine, ledger_url, translated
from chargeback.ledger.tokens import Token


class Recognised(NamedTuple):
    """What the ledger knows of a request's token; `is_open` while no token was ever made."""

    is_open: bool
    token: Token | None


@dataclass
class TokenDesk:
    """One desk per application; it asks the ledger once for everybody who came while it was asking."""

    _waiting: list[tuple[str | None, "asyncio.Future[Recognised]"]] = field(default_factory=list)
    _asking: "asyncio.Task[None] | None" = None

    async def recognise(self, shown: str | None) -> Recognised:
        """What is known of the token shown. Raises Unavailable where the ledger does not answer."""
        answer: asyncio.Future[Recognised] = asyncio.get_running_loop().create_future()
        self._waiting.append((shown, answer))
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        return await answer

    async def _ask(self) -> None:
        """Ask until nobody waits."""
        while self._waiting:
            batch, self._waiting = self._waiting, []
            await _answer(batch)


async def _answer(batch: Sequence[tuple[str | None, "asyncio.Future[Recognised]"]]) -> None:
    try:
        shown = {token for token, _ in batch if token is not None}
        is_open, known = await asyncio.to_thread(_look_up, shown)
    except Exception as error:  # noqa: BLE001 - every waiting request has to hear of it
        for _, answer in batch:
            if not answer.done():
                answer.set_exception(error)
        return
    for token, answer in batch:
        if not answer.done():
            answer.set_result(Recognised(is_open, None if token is None else known.get(token)))


def _look_up(shown: set[str]) -> tuple[bool, dict[str, Token]]:
    with translated(), engine(ledger_url()).connect() as connection:
        # One statement each: no transaction to begin and to end.
        connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        known = tokens.recognised(connection, shown)
        return (not known and not tokens.has_any(connection)), known
