"""The second wall: a team's viewer reads as a role of its own, bound by row-level security."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, text

from chargeback.ledger import database


@contextmanager
def viewing(team_id: str) -> Iterator[Connection]:
    """One unmoving view of what is the team's: whatever is asked for in it, no other team's row answers.

    Both settings end with the transaction, so a pooled connection keeps nothing of them.
    """
    with database.snapshot() as connection:
        connection.execute(text("SET LOCAL ROLE chargeback_viewer"))
        connection.execute(text("SELECT set_config('app.team', :team, true)"), {"team": team_id})
        yield connection
