"""Payers appear when they are first seen: in usage, in a rule, in a payers file.

Owns which names are known, and adding those that are not. What is known of a payer besides is `payers`.
"""

from collections.abc import Iterable

from sqlalchemy import Connection, text


def registered(connection: Connection, payers: str) -> frozenset[str]:
    """The ids of all `teams` or all `users`."""
    column = {"teams": "team_id", "users": "user_id"}[payers]
    return frozenset(connection.execute(text(f"SELECT {column} FROM {payers}")).scalars())  # noqa: S608


def appear(connection: Connection, payers: str, ids: Iterable[str | None]) -> None:
    """Add the `teams` or `users` not seen before; in order, so that nobody waits in a circle."""
    column = {"teams": "team_id", "users": "user_id"}[payers]
    connection.execute(
        text(f"""INSERT INTO {payers} ({column}, name)
                 SELECT id, id FROM unnest(CAST(:ids AS text[])) id
                 WHERE NOT EXISTS (SELECT FROM {payers} p WHERE p.{column} = id)
                 ORDER BY id COLLATE "C" ON CONFLICT DO NOTHING"""),  # noqa: S608
        {"ids": sorted({one for one in ids if one is not None})},
    )
