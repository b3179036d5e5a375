"""Idempotency keys: a request sent again under its key has one effect and one answer.

Owns what is kept of them. The key is written first, in the transaction of the effect, and the answer last: a
second request with the same key waits for the first one's end and then finds either the answer or nothing.
A key belongs to its caller and is kept for 30 days.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, text

from chargeback.errors import Refused

KEPT_DAYS = 30


@dataclass(frozen=True)
class KeptAnswer:
    """What a request was answered: the HTTP status and the body as JSON text."""

    status: int
    content: str


def begin(connection: Connection, caller: str, key: str, request_hash: bytes) -> KeptAnswer | None:
    """The answer kept for the key; None where this request is the first, and has to `finish`.

    Raises Refused for a key that came with another request.
    """
    named = {"caller": caller, "key": key}
    _forget_old(connection)
    # Waits for a transaction that is writing the same key; one that failed leaves the key free.
    is_first = connection.execute(
        text("""INSERT INTO idempotency_keys (caller, key, request_hash) VALUES (:caller, :key, :hash)
                ON CONFLICT DO NOTHING"""),
        {**named, "hash": request_hash},
    ).rowcount
    if is_first:
        return None
    held = connection.execute(
        text("""SELECT request_hash, status, content FROM idempotency_keys
                WHERE caller = :caller AND key = :key"""),
        named,
    ).one()
    if bytes(held.request_hash) != request_hash:
        raise Refused(
            "idempotency_key_reused",
            f"Idempotency-Key {key!r} came with another request before; send this one with a key of its own",
        )
    return KeptAnswer(held.status, held.content)


def finish(connection: Connection, caller: str, key: str, answer: KeptAnswer) -> None:
    """Keep the answer beside the effect it tells of."""
    connection.execute(
        text("""UPDATE idempotency_keys SET status = :status, content = :content
                WHERE caller = :caller AND key = :key"""),
        {"caller": caller, "key": key, "status": answer.status, "content": answer.content},
    )


def _forget_old(connection: Connection) -> None:
    """Drop a few keys that are past their time; those that another request drops are left to it."""
    connection.execute(
        text("""DELETE FROM idempotency_keys WHERE (caller, key) IN (
                    SELECT caller, key FROM idempotency_keys
                    WHERE created_at < now() - make_interval(days => :days)
                    LIMIT 100 FOR UPDATE SKIP LOCKED)"""),
        {"days": KEPT_DAYS},
    )
