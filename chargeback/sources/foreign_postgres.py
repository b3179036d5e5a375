"""Reads pages of rows from a Postgres that belongs to somebody else, and never writes there.

Owns the connection, its bounds and what each failure means. Messages repeat nothing of an address:
it may hold a password, also where it was written wrong.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import psycopg2
import psycopg2.extensions
from psycopg2 import errors as faults
from psycopg2.extensions import make_dsn, parse_dsn
from psycopg2.extras import RealDictCursor

from chargeback.errors import ChargebackError, Invalid, Refused, Unavailable

PgConnection = psycopg2.extensions.connection
LONGEST_PAGE_SECONDS = 300
# What Prisma, whose address LiteLLM's users have at hand, adds and libpq does not know.
_PRISMA = frozenset(
    {"connection_limit", "pool_timeout", "pgbouncer", "socket_timeout", "statement_cache_size"}
    | {"sslaccept", "sslidentity", "sslpassword", "schema"}
)
_DENIED = ("authentication failed", "pg_hba.conf", "permission denied", "no password supplied")


@contextmanager
def reading(address: str, name: str, timeout_seconds: int) -> Iterator[PgConnection]:
    """A connection that may only read; each `page` is a transaction of its own."""
    found = _connected(_parsed(address, name), name, timeout_seconds)
    try:
        found.set_session(readonly=True)
        yield found
    finally:
        found.close()


def _parsed(address: str, name: str) -> dict[str, str]:
    try:
        parts = urlsplit(address)
        if parts.scheme in ("postgres", "postgresql"):
            kept = [one for one in parse_qsl(parts.query) if one[0] not in _PRISMA]
            address = urlunsplit(parts._replace(query=urlencode(kept)))
        parsed = dict(parse_dsn(address))
        if not parsed.get("port", "5432").replace(",", "").isdecimal():
            raise ValueError
        return parsed
    except (ValueError, psycopg2.Error):
        raise Invalid(
            "database_url_invalid",
            f"What {name} names is no address of a Postgres; "
            "write it like postgresql://reader:PASSWORD@host:5432/litellm.",
        ) from None


def _connected(parsed: dict[str, str], name: str, timeout_seconds: int) -> PgConnection:
    try:
        bounds = {"application_name": "chargeback", "connect_timeout": str(timeout_seconds)}
        return psycopg2.connect(make_dsn(**{**bounds, **parsed}))
    except psycopg2.Error as fault:
        # Only what the server itself said: the library's own words repeat parts of the address.
        _, _, said = str(fault).partition("FATAL:")
        said = said.strip().splitlines()[0] if said.strip() else ""
    if any(word in said for word in _DENIED):
        raise Refused(
            "source_denied",
            f"The Postgres of {name} refuses the connection ({said}); correct the role or its password.",
        )
    if "does not exist" in said:
        raise Invalid("source_answer", f"The Postgres of {name} says: {said}; correct its address.")
    raise Unavailable(
        "source_unavailable",
        f"The Postgres of {name} cannot be reached{f' ({said})' if said else ''}; sync again later.",
    )


def page(
    connection: PgConnection, name: str, statement: str, values: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """The rows of a SELECT, in a read-only transaction that ends with it.

    The session is asked for nothing that outlives the transaction, so that a pooler may be between.
    """
    try:
        with connection, connection.cursor(cursor_factory=RealDictCursor) as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = '{LONGEST_PAGE_SECONDS}s'")
            cursor.execute("SET LOCAL extra_float_digits = 1")
            cursor.execute(statement, values)
            rows: Sequence[dict[str, Any]] = cursor.fetchall()
            return list(rows)
    except psycopg2.Error as fault:
        raise _translated(fault, name) from None


def _translated(fault: psycopg2.Error, name: str) -> ChargebackError:
    said = fault.diag.message_primary or type(fault).__name__
    if isinstance(fault, faults.InsufficientPrivilege):
        return Refused(
            "source_denied", f"The Postgres of {name} says: {said}; grant its role SELECT."
        )
    if isinstance(fault, psycopg2.ProgrammingError):
        return Invalid(
            "source_answer",
            f"The Postgres of {name} says: {said}; point the source at LiteLLM's own.",
        )
    return Unavailable(
        "source_unavailable", f"The Postgres of {name} broke off ({said}); sync again later."
    )
