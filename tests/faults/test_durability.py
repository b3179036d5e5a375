"""Backups keep the books: a dump restored elsewhere, and a copy of the whole server taken in the middle of a step.

Both hold the digest and the audit chain, and what the copy caught half done is done whole by the next run.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from psycopg2.extensions import connection as driver_connection

from chargeback.ledger import database
from tests.faults.bookings import BOOKINGS
from tests.faults.crash_points import Point, crash
from tests.faults.faults import at_commits, before
from tests.faults.findings import assert_sound, facts
from tests.faults.matrix import Rounds, Told, chosen_points, striking, tell
from tests.faults.story import COPIED, Story, telling, using
from tests.postgres import OwnServer, new_folder, running_postgres, served

pytestmark = [pytest.mark.timeout(1800), pytest.mark.spread]

OLDEST = Path("/usr/lib/postgresql/15/bin")


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[OwnServer]:
    """Another server, which knows the ledger's roles and nothing else."""
    with running_postgres() as server:
        database.upgrade(server.url(server.create_database()))
        yield server


@pytest.fixture(scope="module")
def oldest_story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """The story on the oldest Postgres that is supported, from the system's packages."""
    if not OLDEST.exists():
        pytest.skip(f"there is no Postgres 15 at {OLDEST}")
    folder = tmp_path_factory.mktemp("oldest")
    with running_postgres(programs=OLDEST) as server, telling(server, folder) as story:
        yield story


def dump_and_restore(story: Story, elsewhere: OwnServer, name: str) -> None:
    """A dump of the ledger after this booking, restored on the other server, says and holds the same."""
    assert isinstance(story.server, OwnServer)
    dumped = story.server.folder / "dump"
    source = story.database_after(name)
    story.server.postgres.run("pg_dump", "-h", str(story.server.folder), "-U", "postgres",
                              "-Fc", "-f", str(dumped), source)  # fmt: skip
    restored = elsewhere.create_database()
    elsewhere.postgres.run("pg_restore", "-h", str(elsewhere.folder), "-U", "postgres",
                           "--exit-on-error", "-d", restored, str(dumped))  # fmt: skip
    files = story.files_after(name)
    with using(elsewhere.url(restored, "chargeback_app"), files, story.environment):
        expected = story.expected(name)
        assert {**expected, **facts()} == expected
        assert_sound(files)
    elsewhere.drop_database(restored)


@contextmanager
def restored_copy(folder: Path, server: OwnServer) -> Iterator[OwnServer]:
    """The server that a base backup in this folder makes."""
    with served(OwnServer(folder, postgres=server.postgres, settings=server.settings)) as copy:
        yield copy


def back_up_within(story: Story, name: str, point: int) -> None:
    """Copy the whole server while a step is at this point; on the copy the step is run again.

    The step itself goes on undisturbed.
    """
    server = story.server
    assert isinstance(server, OwnServer)
    with new_folder() as folder, story.copy(name) as environment:

        def back_up(_connection: driver_connection, _point: Point) -> None:
            server.postgres.run("pg_basebackup", "-h", str(server.folder), "-U", "postgres",
                                "-D", str(folder / "data"), "-X", "stream", "-c", "fast")  # fmt: skip

        assert striking(back_up)(name, point, environment)
        story.assert_whole(name)
        with restored_copy(folder, server) as copy:
            url = copy.url(COPIED, "chargeback_app")
            files = Path(environment["CHARGEBACK_FILE_STORE"])
            with using(url, files, story.environment):
                BOOKINGS[name].act()
                story.assert_whole(name)


def test_a_dump_restored_elsewhere_is_the_same_ledger(
    story: Story, elsewhere: OwnServer, record_property: Told
) -> None:
    dump_and_restore(story, elsewhere, "publish")
    record_property("proof", ("dump restored", 1))


@pytest.mark.prove
@pytest.mark.parametrize("name", BOOKINGS)
def test_a_dump_after_any_step_restored_elsewhere_is_the_same_ledger(
    story: Story, elsewhere: OwnServer, name: str, record_property: Told
) -> None:
    dump_and_restore(story, elsewhere, name)
    record_property("proof", ("dump restored", 1))


@pytest.mark.prove
@pytest.mark.parametrize("name", BOOKINGS)
def test_a_base_backup_in_the_middle_of_a_step_is_a_ledger_to_go_on_with(
    durable_story: Story, name: str, record_property: Told
) -> None:
    points = chosen_points(durable_story, name, before)
    back_up_within(durable_story, name, points[len(points) // 2])
    record_property("proof", ("base backup within a step", 1))


@pytest.mark.prove
@pytest.mark.parametrize("name", BOOKINGS)
def test_the_oldest_postgres_keeps_the_books_as_well(
    oldest_story: Story, name: str, record_property: Told
) -> None:
    rounds = Rounds(oldest_story, name)
    rounds.strike_each(chosen_points(oldest_story, name, at_commits), striking(crash))
    tell(rounds, "step ends, on Postgres 15", record_property)
