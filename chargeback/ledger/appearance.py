"""Payers appear when they are first seen: in usage, in a rule, in a payers file.

Owns which names are known, and adding those that are not. What is known of a payer besides is `payers`.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, text

from chargeback.ledger import audit


def registered(connection: Connection, payers: str) -> frozenset[str]:
    """The ids of all `teams` or all `users`."""
    column = {"teams": "team_id", "users": "user_id"}[payers]
    return frozenset(connection.execute(text(f"SELECT {column} FROM {payers}")).scalars())  # noqa: S608


def appear(
    connection: Connection, kind: str, ids: Iterable[str | None], actor: str, reason: str
) -> None:
    """Add the teams or users (`kind` team or user) not seen before, each with an entry of its own.

    Who did that, and why, is told at the transaction's end.
    """
    added = _add_named(connection, kind, ids)
    entries = [audit.Entry(actor, f"{kind}.added", kind, one, None, {}, reason) for one in added]
    audit.later(connection, *entries)


def appear_in_batch(connection: Connection, batch_id: int) -> None:
    """Add the teams and users that a batch's cells name for the first time."""
    teams, users = (
        _add(connection, kind, _OF_BATCH.format(column=_PAYERS[kind][1]), {"batch_id": batch_id})
        for kind in ("team", "user")
    )
    _tell_of_usage(connection, f"batch {batch_id}", teams, users)


def appear_in_posts(
    connection: Connection, teams: Iterable[str | None], users: Iterable[str | None]
) -> None:
    """Add the teams and users that posted usage names for the first time."""
    made = _add_named(connection, "team", teams), _add_named(connection, "user", users)
    _tell_of_usage(connection, "posted", *made)


_PAYERS = {"team": ("teams", "team_id"), "user": ("users", "user_id")}
_NAMED = "SELECT unnest(CAST(:ids AS text[]))"
_OF_BATCH = "SELECT DISTINCT {column} FROM usage_cells WHERE batch_id = :batch_id"


def _add_named(connection: Connection, kind: str, ids: Iterable[str | None]) -> Sequence[str]:
    wanted = sorted({one for one in ids if one is not None})
    return _add(connection, kind, _NAMED, {"ids": wanted}) if wanted else ()


def _add(connection: Connection, kind: str, ids: str, values: dict[str, Any]) -> Sequence[str]:
    """Those of `ids` that were not there; in order, so that two transactions never wait in a circle."""
    table, column = _PAYERS[kind]
    added = connection.execute(
        text(f"""INSERT INTO {table} ({column}, name) SELECT id, id FROM ({ids}) named (id)
                 WHERE id IS NOT NULL AND NOT EXISTS (SELECT FROM {table} p WHERE p.{column} = id)
                 ORDER BY id COLLATE "C" ON CONFLICT DO NOTHING RETURNING {column}"""),  # noqa: S608
        values,
    )
    return added.scalars().all()


def _tell_of_usage(
    connection: Connection, where: str, teams: Sequence[str], users: Sequence[str]
) -> None:
    """One entry for all payers that some usage brought, because there may be ten thousand."""
    if teams or users:
        after = {"teams": sorted(teams), "users": sorted(users)}
        audit.later(
            connection,
            audit.Entry(
                "chargeback", "payers.added", "usage", where, None, after, "first seen in usage"
            ),
        )
