"""Who sees what: the app writes and owns nothing, a viewer reads its own team's rows only."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, insert, text

from chargeback.identity import public_id
from chargeback.ledger.database import transaction
from models.enums import InvoiceStatus as S
from models.tables import (
    Allocation,
    Budget,
    BudgetAlert,
    CostPool,
    Document,
    Membership,
    PoolCell,
    RetiredPoolCell,
    Team,
    UsageNote,
    User,
)
from tests.conftest import Ledger
from tests.migrations import rows
from tests.migrations.rows import make, violates

VIEWS = ("viewer_usage", "viewer_allocations", "seen_cells", "seen_open_records", "seen_records",
         "seen_allocations", "seen_shares", "seen_teams", "seen_weights")  # fmt: skip
# Each row names its team, and what a viewer finds is its own.
VISIBLE = ("pool_cells", "retired_pool_cells", "allocations", "invoices", "invoice_lines", "budgets", "budget_alerts",
           *VIEWS)  # fmt: skip
# Rows that name no team: whose they are is said by rows that do.
BESIDE = ("usage_cells", "cost_pools", "line_allocations", "documents", "seen_notes", "seen_users",
          "seen_passed_on", "seen_splits", "seen_taken")  # fmt: skip
# Of the installation, not of a team.
SHARED = ("seen_sources", "ledger_settings")
NOON = datetime(2026, 10, 1, 12, tzinfo=UTC)


@pytest.fixture
def two_teams(ledger: Ledger) -> Ledger:
    """A ledger in which teams a and b each have one row of everything, and nobody owns a third."""
    with transaction() as connection:
        rows.make_facts(connection)
        connection.execute(text("UPDATE usage_batches SET sealed_at = now()"))
        open_batch = rows.make_batch(connection, 1)
        pool = {
            "source_id": 1,
            "rule_key": 1,
            "resource_type": "query",
            "unit": "Tokens",
            "generation": 1,
        }
        make(
            connection,
            CostPool,
            usage_date=date(2026, 10, 1),
            cost=3,
            quantity=30,
            record_count=3,
            **pool,
        )
        for team in ("a", "b", None):
            member = f"{team}-user"
            make(connection, User, user_id=member, name=member)
            if team is not None:
                make(connection, Team, team_id=team, name=team)
                make(connection, Membership, team_id=team, user_id=member)
                make(connection, Budget, team_id=team, amount=10)
                passed = {"month": date(2026, 10, 1), "threshold": 50, "amount": 10, "spent": 5}
                make(connection, BudgetAlert, team_id=team, event_id=public_id(team), **passed)
            cell_id = rows.make_cell(connection, team_id=team)
            make(connection, RetiredPoolCell, pool_id=9, cell_id=cell_id, team_id=team)
            connection.execute(
                insert(PoolCell).values(cell_id=cell_id, pool_id=1, team_id=team, user_id="ann")
            )
            share = {"usage_date": date(2026, 10, 1), "cost": 1, "quantity": 10}
            allocation_id = make(
                connection, Allocation, pool_id=1, team_id=team, user_id="ann", **share
            )
            scope = "team" if team else "all"
            number = f"INV-OF-{team}"
            invoice_id = rows.make_invoice(connection, team_id=team, scope=scope, number=number)
            line_id = rows.make_line(connection, invoice_id, team_id=team)
            rows.make_claim(connection, line_id, allocation_id)
            rows.move(connection, invoice_id, S.SENT)
            for kind, subject in (("invoice", number), ("team", f"{team} 2026-10")):
                file = {"uri": f"{kind}-{team}", "bytes": 1, "sha256": "0" * 64}
                make(connection, Document, kind=kind, subject=subject, **file)
            rows.make_record(
                connection, NOON, team_id=team, batch_id=open_batch, external_id=f"open-{team}"
            )
            note = {"usage_id": public_id("tracker", f"open-{team}"), "resource_id": f"of-{team}"}
            make(connection, UsageNote, **note)
    return ledger


def _view(connection: Connection, team: str | None) -> None:
    """Go on as the viewer of `team` until the transaction ends."""
    connection.execute(text("SET LOCAL ROLE chargeback_viewer"))
    if team is not None:
        connection.execute(text("SELECT set_config('app.team', :team, true)"), {"team": team})


def _rows(connection: Connection, column: str, table: str) -> list[Any]:
    return list(connection.execute(text(f"SELECT {column} FROM {table}")).scalars())


def _teams(connection: Connection, table: str) -> list[str | None]:
    return list(connection.execute(text(f"SELECT team_id FROM {table}")).scalars())


def test_a_viewer_sees_its_own_teams_rows_without_asking_for_them(two_teams: Ledger) -> None:
    with transaction() as connection:
        for table in VISIBLE:
            if not table.startswith("viewer_"):
                assert set(_teams(connection, table)) >= {"a", "b"}, table
        _view(connection, "a")
        for table in VISIBLE:
            assert set(_teams(connection, table)) == {"a"}, table


def test_what_names_no_team_is_seen_by_those_whose_rows_it_belongs_to(two_teams: Ledger) -> None:
    seen = {}
    for team in (None, "a", "c"):
        with transaction() as connection:
            if team:
                _view(connection, team)
            seen[team] = {
                "cells": len(_rows(connection, "cell_id", "usage_cells")),
                "pools": len(_rows(connection, "pool_id", "cost_pools")),
                "claims": len(_rows(connection, "allocation_id", "line_allocations")),
                "files": sorted(_rows(connection, "uri", "documents")),
                "notes": sorted(_rows(connection, "resource_id", "seen_notes")),
                "users": sorted(_rows(connection, "user_id", "seen_users")),
            }
    assert seen[None] == {
        "cells": 4, "pools": 1, "claims": 3, "notes": ["of-None", "of-a", "of-b"],
        "files": ["invoice-None", "invoice-a", "invoice-b", "team-None", "team-a", "team-b"],
        "users": ["None-user", "a-user", "b-user"],
    }  # fmt: skip
    assert seen["a"] == {
        "cells": 1, "pools": 1, "claims": 1, "files": ["invoice-a"], "notes": ["of-a"], "users": ["a-user"],
    }  # fmt: skip
    assert seen["c"] == {"cells": 0, "pools": 0, "claims": 0, "files": [], "notes": [], "users": []}


def test_what_a_shared_pool_holds_of_others_is_not_a_viewers_to_read(two_teams: Ledger) -> None:
    with transaction() as connection:
        _view(connection, "a")
        for column in ("cost", "quantity", "record_count"):
            with violates(connection, "permission denied for table cost_pools"):
                connection.execute(text(f"SELECT {column} FROM cost_pools"))


def test_a_viewer_of_no_team_sees_nothing(two_teams: Ledger) -> None:
    for team in (None, "", "c", "a' OR 'a' = 'a", "%"):
        with transaction() as connection:
            _view(connection, team)
            assert {table: _teams(connection, table) for table in VISIBLE} == {
                table: [] for table in VISIBLE
            }


def test_a_viewer_has_no_right_to_anything_else(two_teams: Ledger) -> None:
    with transaction() as connection:
        _view(connection, "a")
        readable = connection.execute(
            text("""
                SELECT relname FROM pg_class
                WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S')
                AND has_any_column_privilege(oid, 'SELECT, INSERT, UPDATE, REFERENCES') ORDER BY 1
            """)
        ).scalars()
        assert list(readable) == sorted((*VISIBLE, *BESIDE, *SHARED))
        for table in ("usage_records", "usage_quarantine", "audit_log", "teams", "users", "attributed_cells",
                      "allocation_rules", "api_tokens", "idempotency_keys", "usage_sources"):  # fmt: skip
            with violates(connection, f"permission denied for \\w+ {table}"):
                connection.execute(text(f"SELECT * FROM {table}"))
        for table in set(VISIBLE) - set(VIEWS):
            for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET team_id = 'a'"):
                with violates(connection, f"permission denied for table {table}"):
                    connection.execute(text(statement))


def test_a_viewer_calls_no_function_of_the_ledger(two_teams: Ledger) -> None:
    with transaction() as connection:
        _view(connection, "a")
        for call in ("ensure_partition('2026-11-01')", "audit_append('[]')", "public_id('a')"):
            with violates(connection, "permission denied for function"):
                connection.execute(text(f"SELECT {call}"))


def test_what_a_viewer_sees_of_usage_is_what_was_booked_to_its_team(two_teams: Ledger) -> None:
    with transaction() as connection:
        _view(connection, "b")
        row = connection.execute(
            text("SELECT team_id, user_id, usage_date, cost, quantity FROM viewer_usage")
        ).one()
        assert tuple(row) == ("b", "ann", date(2026, 10, 1), 1, 10)


def test_a_pooled_connection_keeps_neither_the_team_nor_the_viewers_role(
    two_teams: Ledger,
) -> None:
    who = text(
        "SELECT pg_backend_pid(), current_user, coalesce(current_setting('app.team', true), '')"
    )
    with transaction() as connection:
        _view(connection, "a")
        pid, role, team = connection.execute(who).one()
        assert (role, team) == ("chargeback_viewer", "a")
    with transaction() as connection:
        assert tuple(connection.execute(who).one()) == (pid, "chargeback_app", "")
        assert sorted(_teams(connection, "invoices"), key=str) == [None, "a", "b"]
        _view(connection, None)
        assert _teams(connection, "invoices") == []


def test_the_app_and_the_viewer_own_nothing(connection: Connection) -> None:
    owners = connection.execute(
        text("""
            SELECT relowner::regrole::text FROM pg_class WHERE relnamespace = 'public'::regnamespace
            UNION SELECT proowner::regrole::text FROM pg_proc
                WHERE pronamespace = 'public'::regnamespace AND proname NOT LIKE 'gb%'
            UNION SELECT typowner::regrole::text FROM pg_type
                WHERE typnamespace = 'public'::regnamespace AND typname LIKE '%amount'
        """)
    ).scalars()
    assert {"chargeback_app", "chargeback_viewer"}.isdisjoint(owners)


def test_the_app_and_the_viewer_have_no_power_over_the_server(connection: Connection) -> None:
    powerful = connection.execute(
        text("""
            SELECT rolname FROM pg_roles WHERE rolname IN ('chargeback_app', 'chargeback_viewer')
            AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication
                OR has_schema_privilege(oid, 'public', 'CREATE')
                OR pg_has_role(oid, 'chargeback_owner', 'MEMBER'))
        """)
    ).all()
    assert powerful == []
    with violates(connection, "permission denied to set role"):
        connection.execute(text("SET LOCAL ROLE chargeback_owner"))


def test_row_level_security_binds_the_owner_of_the_tables_too(connection: Connection) -> None:
    loose = connection.execute(
        text("""
            SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
            AND relkind IN ('r', 'p') AND NOT relispartition AND relname <> ALL (:shared)
            AND has_any_column_privilege('chargeback_viewer', oid, 'SELECT')
            AND NOT (relrowsecurity AND relforcerowsecurity)
        """),
        {"shared": list(SHARED)},
    ).all()
    assert loose == []
