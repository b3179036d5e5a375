"""Who sees what: the app writes and owns nothing, a viewer reads its own team's rows only."""

from datetime import date

import pytest
from sqlalchemy import Connection, insert, text

from chargeback.ledger.database import transaction
from models import Allocation, CostPool, PoolCell
from models.enums import InvoiceStatus as S
from tests.conftest import Ledger
from tests.migrations import rows
from tests.migrations.rows import make, violates

VISIBLE = ("pool_cells", "invoices", "invoice_lines", "viewer_usage", "viewer_allocations")


@pytest.fixture
def two_teams(ledger: Ledger) -> Ledger:
    """A ledger in which teams a and b each have one row of everything, and nobody owns a third."""
    with transaction() as connection:
        rows.make_facts(connection)
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
            cell_id = rows.make_cell(connection, team_id=team)
            connection.execute(
                insert(PoolCell).values(cell_id=cell_id, pool_id=1, team_id=team, user_id="ann")
            )
            share = {"usage_date": date(2026, 10, 1), "cost": 1, "quantity": 10}
            make(connection, Allocation, pool_id=1, team_id=team, user_id="ann", **share)
            scope = "team" if team else "all"
            invoice_id = rows.make_invoice(connection, team_id=team, scope=scope)
            rows.make_line(connection, invoice_id, team_id=team)
            rows.move(connection, invoice_id, S.SENT)
    return ledger


def _view(connection: Connection, team: str | None) -> None:
    """Go on as the viewer of `team` until the transaction ends."""
    connection.execute(text("SET LOCAL ROLE chargeback_viewer"))
    if team is not None:
        connection.execute(text("SELECT set_config('app.team', :team, true)"), {"team": team})


def _teams(connection: Connection, table: str) -> list[str | None]:
    return list(connection.execute(text(f"SELECT team_id FROM {table}")).scalars())


@pytest.mark.parametrize("table", VISIBLE)
def test_a_viewer_sees_its_own_teams_rows_without_asking_for_them(
    two_teams: Ledger, table: str
) -> None:
    with transaction() as connection:
        if not table.startswith("viewer_"):
            assert set(_teams(connection, table)) == {"a", "b", None}
        _view(connection, "a")
        assert _teams(connection, table) == ["a"]


@pytest.mark.parametrize("table", VISIBLE)
@pytest.mark.parametrize("team", [None, "", "c", "a' OR 'a' = 'a", "%"])
def test_a_viewer_of_no_team_sees_nothing(two_teams: Ledger, table: str, team: str | None) -> None:
    with transaction() as connection:
        _view(connection, team)
        assert _teams(connection, table) == []


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
        assert list(readable) == sorted(VISIBLE)
        for table in ("usage_records", "usage_cells", "audit_log", "teams", "attributed_cells"):
            with violates(connection, f"permission denied for \\w+ {table}"):
                connection.execute(text(f"SELECT * FROM {table}"))
        for table in set(VISIBLE) - {"viewer_usage", "viewer_allocations"}:
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
            AND relname IN ('usage_records', 'usage_cells', 'pool_cells', 'allocations', 'invoices',
                            'invoice_lines')
            AND NOT (relrowsecurity AND relforcerowsecurity)
        """)
    ).all()
    assert loose == []
