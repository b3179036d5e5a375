"""Payers appear when they are first seen: in usage, in a rule, in a payers file.

Owns which names are known, and adding those that are not. What is known of a payer besides is `payers`.
"""

from collections.abc import Iterable

from sqlalchemy import Connection, text

from chargeback.ledger import audit


def registered(connection: Connection, payers: str) -> frozenset[str]:
    """The ids of all `teams` or all `users`."""
    column = {"teams": "team_id", "users": "user_id"}[payers]
    return frozenset(connection.execute(text(f"SELECT {column} FROM {payers}")).scalars())  # noqa: S608


def appear(
    connection: Connection, kind: str, ids: Iterable[str | None], actor: str, reason: str
) -> None:
    """Add the teams or users (`kind` team or user) not seen before; in order, so that nobody waits in a circle.

    Who did that, and why, is told at the transaction's end.
    """
    table, column = {"team": ("teams", "team_id"), "user": ("users", "user_id")}[kind]
    added = connection.execute(
        text(f"""INSERT INTO {table} ({column}, name)
                 SELECT id, id FROM unnest(CAST(:ids AS text[])) id
                 WHERE NOT EXISTS (SELECT FROM {table} p WHERE p.{column} = id)
                 ORDER BY id COLLATE "C" ON CONFLICT DO NOTHING RETURNING {column}"""),  # noqa: S608
        {"ids": sorted({one for one in ids if one is not None})},
    ).scalars()
    entries = [audit.Entry(actor, f"{kind}.added", kind, one, None, {}, reason) for one in added]
    audit.later(connection, *entries)
