"""Who pays: teams and users, who belongs to which team, and which team owns what.

Owns writing them down, from a payers file. Names never seen before appear. Every change marks the days
it may decide dirty and is told in the audit log, in the same transaction.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, text

from chargeback.errors import NotFound, Refused
from chargeback.ledger import appearance, audit, budgets, rulebook
from chargeback.payer import Payer
from chargeback.payers_file import PayersFile, as_mapping


@dataclass(frozen=True)
class ImportCounts:
    """How many of each kind an import changed; all zero when the ledger said so already."""

    teams: int = 0
    users: int = 0
    memberships: int = 0
    budgets: int = 0
    owners: int = 0
    rules: int = 0


def import_file(connection: Connection, file: PayersFile, actor: str) -> ImportCounts:
    """Make what the file names so; what it does not name stays.

    A team's members and budgets and a thing's owners are replaced as a whole where the file gives them. A rule
    that differs becomes its next version. Rerun: nothing changes, and the counts say so.
    """
    entries: list[audit.Entry] = []
    by_id = attrgetter(
        "id"
    )  # In order, so that an import and a load never wait for each other in a circle.
    teams = sum(
        _put_payer(connection, "team", team.id, as_mapping(team), actor, entries)
        for team in sorted(file.teams, key=by_id)
    )
    users = sum(
        _put_payer(connection, "user", user.id, as_mapping(user), actor, entries)
        for user in sorted(file.users, key=by_id)
    )
    members = _put_members(connection, file, actor, entries)
    kept = budgets.put(connection, file, actor, entries)
    owners = _put_owners(connection, file, actor, entries)
    changes = [rulebook.write(connection, rule, actor) for rule in file.parsed_rules]
    if members or owners:
        rulebook.mark_days(connection, date.min, date.max)
    rulebook.settle(connection, changes, *entries)
    changed = sum(change.entry is not None for change in changes)
    return ImportCounts(teams, users, members, kept, owners, changed)


def _put_payer(
    connection: Connection,
    kind: str,
    payer_id: str,
    facts: Mapping[str, Any],
    actor: str,
    entries: list[audit.Entry],
) -> bool:
    """Insert or update one team or user; whether that changed anything."""
    table, key = {"team": ("teams", "team_id"), "user": ("users", "user_id")}[kind]
    inserted = connection.execute(
        text(f"INSERT INTO {table} ({key}, name) VALUES (:id, :id) ON CONFLICT DO NOTHING"),  # noqa: S608
        {"id": payer_id},
    ).rowcount
    held = connection.execute(
        text(f"SELECT * FROM {table} WHERE {key} = :id FOR UPDATE"),  # noqa: S608
        {"id": payer_id},
    ).one()
    differing = {name: value for name, value in facts.items() if getattr(held, name) != value}
    if differing:
        settings = ", ".join(f"{name} = :{name}" for name in differing)
        connection.execute(
            text(f"UPDATE {table} SET {settings} WHERE {key} = :id"),  # noqa: S608
            {"id": payer_id, **differing},
        )
    if inserted or differing:
        before = None if inserted else {name: getattr(held, name) for name in differing}
        action = f"{kind}.added" if inserted else f"{kind}.changed"
        entries.append(audit.Entry(actor, action, kind, payer_id, before, dict(differing)))
    return bool(inserted or differing)


def _put_members(
    connection: Connection, file: PayersFile, actor: str, entries: list[audit.Entry]
) -> int:
    """Replace the members of each team that gives them; in how many teams that changed something.

    All old ones go before any new one comes, so that a user can move from one team to another.
    """
    given = {team.id: team.members for team in file.teams if team.members is not None}
    wanted = {
        team: sorted((m.user, m.home, m.valid_from, m.valid_to) for m in members)
        for team, members in given.items()
    }
    held: dict[str, list[tuple[Any, ...]]] = {team: [] for team in given}
    for team, *found in connection.execute(
        text("""SELECT team_id, user_id, is_home, valid_from, valid_to FROM memberships
                WHERE team_id = ANY (:teams) ORDER BY user_id COLLATE "C", valid_from"""),
        {"teams": list(given)},
    ):
        held[team].append(tuple(found))
    changed = [team for team in given if sorted(held[team]) != wanted[team]]
    named = [member[0] for team in changed for member in wanted[team]]
    appearance.appear(connection, "user", named, actor, "named in a payers file")
    connection.execute(
        text("DELETE FROM memberships WHERE team_id = ANY (:teams)"), {"teams": changed}
    )
    _refuse_second_homes(connection, {team: wanted[team] for team in changed})
    for team in changed:
        for member in wanted[team]:
            connection.execute(
                text("""INSERT INTO memberships (team_id, user_id, is_home, valid_from, valid_to)
                        VALUES (:team, :user, :home, :from, :to)"""),
                dict(zip(("team", "user", "home", "from", "to"), (team, *member), strict=True)),
            )
        before, after = {"members": held[team]}, {"members": wanted[team]}
        entries.append(audit.Entry(actor, "team.members_changed", "team", team, before, after))
    return len(changed)


def _refuse_second_homes(
    connection: Connection, wanted: Mapping[str, list[tuple[Any, ...]]]
) -> None:
    """Raises Refused for a user at home in a team that the file does not name, on the same days."""
    for team, members in wanted.items():
        for user, is_home, valid_from, valid_to in members:
            other = (
                is_home
                and connection.execute(
                    text("""SELECT team_id FROM memberships WHERE user_id = :user AND is_home
                          AND valid_from < :to AND :from < valid_to LIMIT 1"""),
                    {"user": user, "from": valid_from, "to": valid_to},
                ).scalar()
            )
            if other:
                raise Refused(
                    "home_taken",
                    f"user {user!r} is at home in team {other!r} on days for which the file says team {team!r}; "
                    f"give {other!r} with its members in the same file, ended with `to:`; nothing was changed",
                )


def _put_owners(
    connection: Connection, file: PayersFile, actor: str, entries: list[audit.Entry]
) -> int:
    """Replace the owners of each thing that has them in the file; of how many that changed something."""
    changed = 0
    for kind, owned in file.owners.items():
        for key, owners in sorted(owned.items()):
            wanted = sorted((o.team, o.valid_from, o.valid_to) for o in owners)
            found = connection.execute(
                text(
                    "SELECT team_id, valid_from, valid_to FROM ownerships WHERE kind = :kind AND key = :key"
                ),
                {"kind": kind.value, "key": key},
            )
            held = sorted(tuple(row) for row in found)
            if held == wanted:
                continue
            changed += 1
            named = [team for team, _, _ in wanted]
            appearance.appear(connection, "team", named, actor, "named in a payers file")
            connection.execute(
                text("DELETE FROM ownerships WHERE kind = :kind AND key = :key"),
                {"kind": kind.value, "key": key},
            )
            for team, valid_from, valid_to in wanted:
                connection.execute(
                    text("""INSERT INTO ownerships (kind, key, team_id, valid_from, valid_to)
                            VALUES (:kind, :key, :team, :from, :to)"""),
                    {
                        "kind": kind.value,
                        "key": key,
                        "team": team,
                        "from": valid_from,
                        "to": valid_to,
                    },
                )
            entries.append(
                audit.Entry(
                    actor, "owners.changed", kind.value, key, {"owners": held}, {"owners": wanted}
                )
            )
    return changed


def teams(connection: Connection) -> list[Any]:
    """Every team with its billing facts and how many members it has today, by id."""
    return list(
        connection.execute(
            text("""SELECT t.*, (SELECT count(*) FROM memberships m WHERE m.team_id = t.team_id
                        AND m.valid_from <= current_date AND current_date < m.valid_to) AS member_count
                    FROM teams t ORDER BY team_id COLLATE "C" """)
        )
    )


def appear(connection: Connection, payer: Payer, actor: str = "api") -> None:
    """A payer first seen in a request is there from then on."""
    appearance.appear(connection, "team", [payer.team_id], actor, "named in a request")
    appearance.appear(connection, "user", [payer.user_id], actor, "named in a request")


def check_known(connection: Connection, payer: Payer) -> None:
    """Raises NotFound for a team or user never seen, with the nearest name there is."""
    for table, key, payer_id in (
        ("teams", "team_id", payer.team_id),
        ("users", "user_id", payer.user_id),
    ):
        if payer_id is None:
            continue
        is_known = connection.execute(
            text(f"SELECT EXISTS (SELECT FROM {table} WHERE {key} = :id)"),  # noqa: S608
            {"id": payer_id},
        ).scalar_one()
        if not is_known:
            raise NotFound(
                f"{key.removesuffix('_id')}_not_found",
                f"{key.removesuffix('_id')} {payer_id!r} was never seen in usage, a rule or an import; "
                f"check the name ({_nearest(appearance.registered(connection, table), payer_id)})",
            )


def _nearest(known: frozenset[str], wanted: str) -> str:
    near = get_close_matches(wanted, sorted(known), 1)
    return f"did you mean {near[0]!r}?" if near else "`chargeback teams` lists the teams"
