"""Usage posted one by one: booked into the open batch of the hour, many posts in one transaction.

Owns what a post means beside what is held: new, the same again, or a refusal. Locks, in order: the API's
source (shared, so that a whole delivery takes turns with posts), the usage ids, the open batch.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from sqlalchemy import Connection, text

from chargeback import exact_json, money
from chargeback.errors import Refused
from chargeback.identity import public_id
from chargeback.ledger import appearance, archives, ledger_settings, usage
from chargeback.ledger.chunks import content_hash
from chargeback.ledger.database import transaction
from chargeback.ledger.open_batches import hold_open
from chargeback.ledger.usage_sources import PUSHED
from chargeback.payer import Payer
from chargeback.periods import day_of
from chargeback.posted_usage import Posted
from chargeback.settings import settings
from chargeback.sources.contract import Usage


@dataclass(frozen=True)
class Held:
    """A usage record as it is kept, with what its sender said beside it; `usage_id` as sent, `record_id` ours.

    `is_standing` is False for one that was withdrawn.
    """

    usage_id: str
    record_id: UUID
    usage_at: datetime
    team_id: str | None
    user_id: str | None
    agent_id: str | None
    account_id: str | None
    resource_type: str
    unit: str
    quantity: Decimal
    cost: Decimal
    resource_id: str | None
    metadata: Any
    is_standing: bool = True

    @property
    def has_notes(self) -> bool:
        """Whether its sender said anything that decides no money."""
        return self.resource_id is not None or self.metadata is not None


class Booked(NamedTuple):
    """What became of a post: the record that is held now, and whether this post made it."""

    held: Held
    is_new: bool


class Pushed(NamedTuple):
    """The source that usage is posted to."""

    source_id: int


def pushed_source(connection: Connection) -> Pushed:
    """The API's own source, made with the first post; its ledger's zone and currency are fixed then."""
    ledger_settings.fix(connection)
    connection.execute(
        text("""INSERT INTO usage_sources (name, kind) VALUES (:name, :name)
                ON CONFLICT (name) DO NOTHING"""),
        {"name": PUSHED},
    )
    found = text("SELECT source_id FROM usage_sources WHERE name = :name")
    return Pushed(connection.execute(found, {"name": PUSHED}).scalar_one())


def prepared(now: datetime, posts: Sequence[Posted]) -> Pushed:
    """Make, and commit, what must be there before posts are booked: the source and their months' partitions."""
    with transaction() as connection:
        source = pushed_source(connection)
        moments = (post.usage_at or now for post in posts)
        usage.ensure_partitions(connection, {(at.year, at.month) for at in moments})
    return source


def record_id(usage_id: str) -> UUID:
    """The ledger's id of what was posted under `usage_id`."""
    return public_id("usage", PUSHED, usage_id)


def post(
    connection: Connection,
    source: Pushed,
    posts: Sequence[Posted],
    now: datetime,
    appeared: Collection[Payer] = (),
) -> list[Booked | Refused]:
    """Book each post, in their order, all in this transaction; what became of each.

    Payers in `appeared` are known to be in the ledger, and are not looked for.
    A post without id gets a UUID, one without time is used `now`. Rerun: a post that says what is held
    changes nothing. The partitions of the months must be there (`usage.ensure_partitions`).
    """
    given = [one.usage_id for one in posts if one.usage_id is not None]
    _lock(connection, source, given)
    batch_id = hold_open(connection, source.source_id, f"posts of {now:%Y-%m-%dT%H}:00Z")
    held = _held(connection, given)
    answers: list[Booked | Refused] = []
    new: list[Held] = []
    horizon = archives.horizon(connection)
    for one in posts:
        known = held.get(one.usage_id or "")
        if known is not None:
            answers.append(_compared(one, known))
            continue
        if horizon is not None and (one.usage_at or now).date() < horizon:
            answers.append(_archived(one, horizon))
            continue
        new.append(_made(one, now))
        held[new[-1].usage_id] = new[-1]
        answers.append(Booked(new[-1], is_new=True))
    if new:
        _insert(connection, source, batch_id, new, appeared)
    return answers


def _lock(connection: Connection, source: Pushed, usage_ids: Sequence[str]) -> None:
    connection.execute(
        text("SELECT FROM usage_sources WHERE source_id = :id FOR SHARE"), {"id": source.source_id}
    )
    keys = sorted({record_id(usage_id).int >> 65 for usage_id in usage_ids})
    if keys:
        connection.execute(
            text("SELECT pg_advisory_xact_lock(k) FROM unnest(CAST(:keys AS bigint[])) k"),
            {"keys": keys},
        )


def _held(connection: Connection, usage_ids: Sequence[str]) -> dict[str, Held]:
    """What is held under these ids, in whatever month: the newest revision of each."""
    if not usage_ids:
        return {}
    rows = connection.execute(
        text("""
            SELECT DISTINCT ON (r.usage_id) r.external_id, r.usage_id, r.usage_at, r.team_id, r.user_id, r.agent_id,
                r.account_id, r.resource_type, r.unit, r.quantity, r.cost + r.residual AS cost,
                n.resource_id, CAST(n.metadata AS text) AS metadata, r.record_count = 1 AS is_standing
            FROM usage_records r LEFT JOIN usage_notes n USING (usage_id)
            WHERE r.usage_id = ANY (CAST(:ids AS uuid[])) ORDER BY r.usage_id, r.revision DESC"""),
        {"ids": [str(record_id(usage_id)) for usage_id in usage_ids]},
    )
    found = [Held(*row) for row in rows]
    return {one.usage_id: replace(one, metadata=exact(one.metadata)) for one in found}


def exact(written: str | None) -> Any:
    """A JSON value as it is kept, with every digit of its numbers."""
    return None if written is None else exact_json.loads(written.encode())


def _archived(one: Posted, horizon: date) -> Refused:
    return Refused(
        "archived_period",
        f"usage of {one.usage_at:%Y-%m} came, and usage before {horizon} is archived; "
        "restore the month with `chargeback archive restore` and send it again",
    )


def _made(one: Posted, now: datetime) -> Held:
    usage_id = one.usage_id or str(uuid4())
    return Held(
        usage_id, record_id(usage_id), one.usage_at or now, one.team_id, one.user_id, one.agent_id,
        one.account_id, one.resource_type, one.unit, one.quantity, one.cost, one.resource_id, one.metadata,
    )  # fmt: skip


_FACTS = ("team_id", "user_id", "agent_id", "account_id", "resource_type", "unit")


def _compared(one: Posted, known: Held) -> Booked | Refused:
    """The same content again is what is held; a time left out agrees with any."""
    if not known.is_standing:
        return Refused(
            "usage_withdrawn",
            f"usage {one.usage_id!r} was withdrawn; send it in a batch to book it again, or under another usage_id",
        )
    said = {name: getattr(one, name) for name in _FACTS}
    said |= {"quantity": money.enter(one.quantity)[0], "cost": one.cost}
    if one.usage_at is not None:
        said["usage_at"] = one.usage_at
    other = {name: value for name, value in said.items() if getattr(known, name) != value}
    if not other:
        return Booked(known, is_new=False)
    differences = ", ".join(
        f"{name} {_shown(getattr(known, name))} and not {_shown(value)}"
        for name, value in other.items()
    )
    return Refused(
        "usage_conflict",
        f"usage {one.usage_id!r} is held with {differences}; send a fact of its own under another usage_id",
    )


def _shown(value: object) -> str:
    if isinstance(value, Decimal):
        return money.written(value)
    return f"{value:%Y-%m-%dT%H:%M:%S.%fZ}" if isinstance(value, datetime) else repr(value)


_COLUMNS = """usage_id uuid, usage_at timestamptz, usage_date date, external_id text, team_id text, user_id text,
    agent_id text, account_id text, resource_type text, unit text, quantity numeric, cost numeric, residual numeric,
    content_hash uuid"""
_NAMES = ", ".join(column.split()[0] for column in _COLUMNS.split(","))
_INSERT = text(f"""
    INSERT INTO usage_records (source_id, batch_id, charge_date, {_NAMES})
    SELECT :source_id, :batch_id, usage_date, {_NAMES}
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r ({_COLUMNS})
""")  # noqa: S608 - made of constants only
_NOTES = text("""
    INSERT INTO usage_notes (usage_id, resource_id, metadata)
    SELECT usage_id, resource_id, metadata
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (usage_id uuid, resource_id text, metadata jsonb)
    ON CONFLICT (usage_id) DO NOTHING
""")


def _insert(
    connection: Connection,
    source: Pushed,
    batch_id: int,
    made: Sequence[Held],
    appeared: Collection[Payer],
) -> None:
    connection.execute(
        _INSERT,
        {
            "source_id": source.source_id,
            "batch_id": batch_id,
            "rows": _written([_row(one) for one in made]),
        },
    )
    notes = {one.usage_id: one for one in made if one.has_notes}
    keep_notes(connection, notes)
    unseen = {payer for one in made for payer in payers_of(one)}.difference(appeared)
    if unseen:
        teams, users = {one.team_id for one in unseen}, {one.user_id for one in unseen}
        appearance.appear_in_posts(connection, teams, users)


def payers_of(one: Held) -> tuple[Payer, Payer]:
    """The team and the user of a record, each alone."""
    return Payer(one.team_id, None), Payer(None, one.user_id)


def keep_notes(connection: Connection, notes: Mapping[str, Held | Posted]) -> None:
    """Keep what was said beside the facts of these usage ids; what was said of one before stays."""
    rows = [
        {"usage_id": record_id(key), "resource_id": one.resource_id, "metadata": one.metadata}
        for key, one in notes.items()
    ]
    if rows:
        connection.execute(_NOTES, {"rows": _written(rows)})


def _written(rows: list[dict[str, Any]]) -> str:
    return exact_json.dumps(rows).decode()


def _row(one: Held) -> dict[str, Any]:
    cost, residual = money.enter(one.cost)
    quantity = money.enter(one.quantity)[0]
    fact = Usage(0, one.usage_id, one.usage_at, one.team_id, one.user_id, one.agent_id, one.account_id, None,
                  one.resource_type, None, one.unit, quantity, cost)  # fmt: skip
    return {
        "usage_id": one.record_id, "usage_at": one.usage_at, "external_id": one.usage_id,
        "usage_date": day_of(one.usage_at, settings().zone), "team_id": one.team_id, "user_id": one.user_id,
        "agent_id": one.agent_id, "account_id": one.account_id, "resource_type": one.resource_type,
        "unit": one.unit, "quantity": quantity, "cost": cost, "residual": residual,
        "content_hash": content_hash(fact),
    }  # fmt: skip
