"""What cannot be booked, whoever tries: facts do not change, and sums, shares and owners hold."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text
from sqlalchemy.exc import DataError, IntegrityError

from chargeback.identity import public_id
from models.tables import Membership, Ownership, Team, UsageQuarantine, User
from tests.conftest import Ledger
from tests.migrations import rows
from tests.migrations.rows import make, owner_of, refused, violates

FACTS = (
    "ledger_settings",
    "usage_records",
    "usage_cells",
    "usage_manifests",
    "allocation_rules",
    "audit_log",
    "reallocations",
)
KEPT = (
    *FACTS,
    "usage_batches",
    "usage_quarantine",
    "audit_head",
    "invoices",
    "invoice_lines",
    "line_allocations",
    "documents",
)
NO_NUMBERS = ("NaN", "Infinity", "-Infinity")


def test_a_fact_is_never_edited_or_deleted_even_by_the_owner(ledger: Ledger) -> None:
    with owner_of(ledger) as owner:
        rows.make_facts(owner)
        for table in FACTS:
            column = owner.execute(
                text("SELECT attname FROM pg_attribute WHERE attrelid = CAST(:t AS regclass)"
                     " AND attnum > 0 AND attidentity = '' ORDER BY attnum LIMIT 1"),
                {"t": table},
            ).scalar_one()  # fmt: skip
            with refused(owner, f"UPDATE of {table}.* is refused: its rows are facts"):
                owner.execute(text(f"UPDATE {table} SET {column} = {column}"))
            with refused(owner, f"DELETE of {table}.* is refused: its rows are facts"):
                owner.execute(text(f"DELETE FROM {table}"))


def test_a_partition_is_guarded_like_the_table_it_belongs_to(ledger: Ledger) -> None:
    with owner_of(ledger) as owner:
        rows.make_facts(owner)
        with refused(owner, "UPDATE of usage_records_2026_10 is refused"):
            owner.execute(text("UPDATE usage_records_2026_10 SET cost = 0"))
        with refused(owner, "DELETE of usage_records_2026_10 is refused"):
            owner.execute(text("DELETE FROM usage_records_2026_10"))
        with refused(owner, "TRUNCATE of usage_records_2026_10 is refused"):
            owner.execute(text("TRUNCATE usage_records_2026_10"))


def test_no_table_that_is_kept_can_be_emptied_even_by_the_owner(ledger: Ledger) -> None:
    with owner_of(ledger) as owner:
        for table in KEPT:
            with refused(owner, "TRUNCATE of .* is refused"):
                owner.execute(text(f"TRUNCATE {table} CASCADE"))


def test_the_app_has_no_right_to_edit_delete_or_empty_a_fact(connection: Connection) -> None:
    rows.make_facts(connection)
    for table in FACTS:
        for verb in ("DELETE FROM", "TRUNCATE"):
            with violates(connection, f"permission denied for table {table}"):
                connection.execute(text(f"{verb} {table}"))
        may_edit = text("SELECT has_any_column_privilege(:table, 'UPDATE')")
        assert connection.execute(may_edit, {"table": table}).scalar_one() is False


def test_every_amount_refuses_nan_and_infinity(connection: Connection) -> None:
    amounts = connection.execute(
        text("SELECT table_name, column_name FROM information_schema.columns"
             " WHERE table_schema = 'public' AND data_type = 'numeric'"
             " AND table_name IN (SELECT relname FROM pg_class WHERE relkind IN ('r', 'p'))")
    ).all()  # fmt: skip
    assert len(amounts) >= 30
    for table, column in amounts:
        for value in NO_NUMBERS:
            row = f'{{"{column}": "{value}"}}'
            with violates(connection, "amount_check|cannot hold an infinite value"):
                connection.execute(
                    text(f"SELECT jsonb_populate_record(NULL::{table}, CAST(:row AS jsonb))"),
                    {"row": row},
                )


def test_no_column_is_a_float_or_a_time_without_zone(connection: Connection) -> None:
    found = connection.execute(
        text("SELECT table_name, column_name FROM information_schema.columns"
             " WHERE table_schema = 'public' AND data_type IN"
             " ('real', 'double precision', 'money', 'timestamp without time zone')")
    ).all()  # fmt: skip
    assert found == []


def test_nan_is_refused_where_it_is_booked(connection: Connection) -> None:
    with violates(connection, "value for domain amount violates"):
        rows.make_cell(connection, cost=Decimal("NaN"))
    with violates(connection, "value for domain raw_amount violates"):
        rows.make_cell(connection, residual=Decimal("Infinity"))


def test_an_amount_has_twenty_digits_before_the_point(connection: Connection) -> None:
    largest = Decimal("99999999999999999999.999999999999999999")
    rows.make_cell(connection, cost=largest)
    assert connection.execute(text("SELECT cost FROM usage_cells")).scalar_one() == largest
    with pytest.raises(DataError, match="numeric field overflow"), connection.begin_nested():
        rows.make_cell(connection, cost=Decimal(10) ** 20)


def _make_payers(connection: Connection) -> None:
    for team in ("a", "b"):
        make(connection, Team, team_id=team, name=team)
    make(connection, User, user_id="ann", name="Ann")


def _join(connection: Connection, team: str, start: date, end: date, is_home: bool = True) -> None:
    make(connection, Membership, team_id=team, user_id="ann", is_home=is_home,
         valid_from=start, valid_to=end)  # fmt: skip


def test_a_user_has_one_home_at_a_time(connection: Connection) -> None:
    _make_payers(connection)
    _join(connection, "a", date(2026, 1, 1), date(2026, 10, 16))
    _join(connection, "b", date(2026, 10, 16), date(2027, 1, 1))
    with violates(connection, "one_home"):
        _join(connection, "b", date(2025, 12, 31), date(2026, 1, 2))


def test_a_user_is_in_many_teams_but_in_each_once_at_a_time(connection: Connection) -> None:
    _make_payers(connection)
    _join(connection, "a", date(2026, 1, 1), date(2026, 12, 31))
    _join(connection, "b", date(2026, 1, 1), date(2026, 12, 31), is_home=False)
    with violates(connection, "member_once"):
        _join(connection, "b", date(2026, 12, 30), date(2027, 1, 1), is_home=False)


def test_what_is_owned_has_one_owner_at_a_time(connection: Connection) -> None:
    _make_payers(connection)
    agent = {"kind": "agent", "key": "bot"}
    make(connection, Ownership, **agent, team_id="a", valid_to=date(2026, 10, 16))
    make(connection, Ownership, **agent, team_id="b", valid_from=date(2026, 10, 16))
    make(connection, Ownership, kind="tag", key="bot", team_id="a")
    with violates(connection, "one_owner"):
        make(connection, Ownership, **agent, team_id="a", valid_from=date(2026, 10, 31))


@pytest.mark.parametrize(("start", "end"), [("2026-10-02", "2026-10-01"), ("2026-10-01",) * 2])
def test_what_is_valid_ends_after_it_starts(connection: Connection, start: str, end: str) -> None:
    _make_payers(connection)
    with pytest.raises(IntegrityError, match="memberships_check"), connection.begin_nested():
        _join(connection, "a", date.fromisoformat(start), date.fromisoformat(end))


def test_a_source_keeps_its_role_once_usage_was_loaded_from_it(connection: Connection) -> None:
    source_id = rows.make_source(connection)
    weigh = text("UPDATE usage_sources SET role = :role, config = '{}'")
    connection.execute(weigh, {"role": "weights"})
    rows.make_batch(connection, source_id)
    connection.execute(weigh, {"role": "weights"})
    with refused(connection, "source tracker keeps its role weights because usage was loaded"):
        connection.execute(weigh, {"role": "allocate"})


def test_a_manifest_accounts_for_every_row_and_cent_it_received(connection: Connection) -> None:
    batch_id = rows.make_batch(connection, rows.make_source(connection))
    # 3 rows and 1.5 received: 1 new of 1, 1 seen before of 0.25, 1 refused of 0.25.
    whole = {
        "received_count": 3,
        "received_raw": Decimal("1.5"),
        "new_count": 1,
        "new_raw": 1,
        "unchanged_count": 1,
        "unchanged_raw": Decimal("0.25"),
        "quarantined_count": 1,
        "quarantined_raw": Decimal("0.25"),
        "cost": Decimal("0.75"),
        "residual": Decimal("0.25"),
    }
    with violates(connection, "received_is_accounted_for"):
        rows.make_manifest(connection, batch_id, **whole | {"received_count": 4})
    with violates(connection, "received_is_accounted_for"):
        rows.make_manifest(connection, batch_id, **whole | {"quarantined_raw": 0})
    with violates(connection, "raw_is_ledger_and_residual"):
        rows.make_manifest(connection, batch_id, **whole | {"residual": Decimal("1e-40")})
    rows.make_manifest(connection, batch_id, **whole)


def test_a_batch_has_one_manifest_per_day_and_one_for_no_day(connection: Connection) -> None:
    batch_id = rows.make_batch(connection, rows.make_source(connection))
    for day in (None, date(2026, 10, 1)):
        rows.make_manifest(connection, batch_id, usage_date=day)
        with violates(connection, "usage_manifests_batch_id_usage_date_currency_exchange_rate_key"):
            rows.make_manifest(connection, batch_id, usage_date=day)


def test_a_row_that_was_decided_says_when(connection: Connection) -> None:
    source_id = rows.make_source(connection)
    refusal = {
        "source_id": source_id,
        "batch_id": rows.make_batch(connection, source_id),
        "position": 1,
        "code": "cost_invalid",
        "reason": "no number",
        "row": {},
        "row_hash": public_id("1"),
    }
    make(connection, UsageQuarantine, **refusal)
    for bad in ({"state": "waived"}, {"decided_at": datetime(2026, 11, 1, tzinfo=UTC)}):
        with violates(connection, "usage_quarantine_check"):
            make(connection, UsageQuarantine, **refusal | {"row_hash": public_id("2")} | bad)
    with violates(connection, "usage_quarantine_source_id_row_hash_key"):
        make(connection, UsageQuarantine, **refusal)


# Postgres keeps no NUL in a text, and a natural key has a part at least.
PART = st.none() | st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=9)
KEYS = st.lists(PART, min_size=1, max_size=4)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(KEYS)
def test_postgres_and_python_give_a_key_the_same_public_id(
    connection: Connection, key: list[str | None]
) -> None:
    made = connection.execute(text("SELECT public_id(VARIADIC CAST(:key AS text[]))"), {"key": key})
    assert made.scalar_one() == public_id(*key)
