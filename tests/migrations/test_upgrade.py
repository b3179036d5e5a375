"""Migrating a database: once, again, four at once, and by an owner without power over the server."""

from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import create_engine, text

from chargeback.ledger import database
from chargeback.ledger.database import transaction
from tests.conftest import Ledger
from tests.postgres import Server, running_postgres


def test_migrating_twice_changes_nothing(ledger: Ledger) -> None:
    with transaction() as connection:
        connection.execute(text("INSERT INTO allocation_days VALUES ('2026-10-01', true)"))
    database.upgrade(ledger.owner_url)
    with transaction() as connection:
        assert connection.execute(text("SELECT count(*) FROM allocation_days")).scalar_one() == 1


def test_four_at_once_migrate_an_empty_database_once(postgres: Server, template: str) -> None:
    name = postgres.create_database()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(database.upgrade, [postgres.url(name)] * 4))
    url = postgres.url(name, "chargeback_app")
    with transaction(url) as connection:
        assert database.version(connection) == database.newest_version()
        assert connection.execute(text("SELECT count(*) FROM allocation_rules")).scalar_one() == 2
    database.engine(url).dispose()
    postgres.drop_database(name)


def test_a_database_that_was_never_migrated_has_no_version(postgres: Server) -> None:
    name = postgres.create_database()
    bare = create_engine(postgres.url(name))
    with bare.connect() as connection:
        assert database.version(connection) is None
    bare.dispose()
    postgres.drop_database(name)


def test_an_owner_of_the_database_who_is_no_administrator_can_migrate_it() -> None:
    with running_postgres() as server:
        administrator = create_engine(server.url("postgres"), isolation_level="AUTOCOMMIT")
        with administrator.connect() as connection:
            connection.execute(text("CREATE ROLE landlord LOGIN CREATEROLE"))
            connection.execute(text("CREATE DATABASE rented OWNER landlord"))
        administrator.dispose()
        for _ in range(2):
            database.upgrade(server.url("rented", "landlord"))
        for user in ("chargeback_app", "landlord"):
            url = server.url("rented", user)
            with transaction(url) as app:
                assert app.execute(text("SELECT current_user")).scalar_one() == "chargeback_app"
                assert database.version(app) == database.newest_version()
            database.engine(url).dispose()
