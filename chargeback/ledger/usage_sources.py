"""The configured cost trackers: where usage is read from and how far it was read."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from chargeback.errors import Invalid, NotFound, Refused
from chargeback.ledger import audit
from chargeback.sources import open_source, refuse_role
from models.enums import SourceRole, ZeroCost

# The source that usage is posted to: nobody configures it and nothing reads it.
PUSHED = "api"

_COLUMNS = "source_id, name, kind, role, config, cursor_at, zero_cost"


@dataclass(frozen=True)
class KeptSource:
    """A configured source; secrets are in `config` by name only. `cursor_at`: read up to here.
    `zero_cost`: what becomes of usage that has tokens and costs nothing, once somebody decided.
    """

    source_id: int
    name: str
    kind: str
    role: SourceRole
    config: dict[str, Any]
    cursor_at: datetime | None
    zero_cost: ZeroCost | None = None


def sources(connection: Connection) -> list[KeptSource]:
    """Those that can be read, by name."""
    rows = connection.execute(
        text(f"SELECT {_COLUMNS} FROM usage_sources WHERE name <> '{PUSHED}' ORDER BY name")  # noqa: S608
    )
    return [
        KeptSource(i, n, k, SourceRole(r), c, at, ZeroCost(z) if z else None)
        for i, n, k, r, c, at, z in rows
    ]


def find(connection: Connection, name: str) -> KeptSource:
    """The source of that name. Raises NotFound, naming those there are."""
    known = {source.name: source for source in sources(connection)}
    if name not in known:
        names = ", ".join(known) or "none yet"
        raise NotFound(
            "source_not_found",
            f"there is no source {name!r} (there is: {names}); add it with `chargeback sources add`",
        )
    return known[name]


def put(
    connection: Connection,
    name: str,
    kind: str,
    role: SourceRole,
    config: Mapping[str, Any],
    actor: str,
) -> bool:
    """Add the source, or give it this configuration; whether that changed anything.

    Another configuration is read from the beginning: what it has was never read.
    The configuration is tried before it is kept. Raises Invalid for one that cannot work.
    """
    if (
        not name.isascii()
        or not name.replace("-", "").replace("_", "").isalnum()
        or not name.islower()
    ):
        raise Invalid(
            "source_name_invalid",
            f"{name!r} cannot name a source; use lower-case letters, digits, '-' and '_'",
        )
    if name == PUSHED:
        raise Refused(
            "source_name_taken",
            f"{PUSHED!r} is the source that usage is posted to over HTTP; choose another name",
        )
    open_source(kind, config)
    refuse_role(kind, role.value)
    held = {source.name: source for source in sources(connection)}.get(name)
    before = {"kind": held.kind, "role": held.role.value, "config": held.config} if held else None
    after = {"kind": kind, "role": role.value, "config": dict(config)}
    if before == after:
        return False
    connection.execute(
        text("""INSERT INTO usage_sources (name, kind, role, config)
                VALUES (:name, :kind, :role, CAST(:config AS jsonb))
                ON CONFLICT (name) DO UPDATE SET kind = :kind, role = :role, config = CAST(:config AS jsonb),
                    cursor_at = NULL"""),
        {"name": name, "kind": kind, "role": role.value, "config": json.dumps(dict(config))},
    )
    action = "source.changed" if held else "source.added"
    audit.append(connection, audit.Entry(actor, action, "source", name, before, after))
    return True
