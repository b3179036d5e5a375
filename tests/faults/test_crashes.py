"""A step that dies at any point and is run again: the same books as if nothing had happened.

Every statement and every COMMIT of the month is such a point, and all are tried. A step is called by
itself, so that a round takes some hundred milliseconds; real kills of real processes are in test_kills.
"""

from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from sqlalchemy import Engine

from chargeback.errors import Unavailable
from chargeback.ledger import database
from tests.faults.conftest import Month, ledger_copy
from tests.faults.crash_points import Crashed, End, Points
from tests.faults.findings import assert_readable, assert_sound, facts
from tests.faults.month import STEPS
from tests.postgres import Server

# Nine tenths of the points there were when this was written: fewer would mean that some are no longer seen.
POINTS = {"sync": 79, "allocate": 44, "draft": 34, "issue": 9, "sweep": 4, "publish": 37}
WRITERS = ("allocate", "draft", "issue", "sweep")


def run_into_the_fault(step: str, points: Points, engine: Engine) -> bool:
    """Whether the step died on its way; a lost connection is told in our own words."""
    try:
        with points.watching(engine):
            STEPS[step]()
    except Crashed:
        return True
    except Unavailable as error:
        assert_readable(str(error))
        return True
    return False


def run_again(step: str) -> str:
    """From the step on, all that decides money; the documents where they were what died. The last step."""
    order = list(STEPS)
    rest = [step] if step == "publish" else order[order.index(step) : order.index("publish")]
    for each in rest:
        STEPS[each]()
    return rest[-1]


def crash_everywhere(
    server: Server, month: Month, step: str, folder: Path, end_session: End | None = None
) -> int:
    """Crash at one point after another until there are no more, each time on a fresh copy; how many there were."""
    point = 0
    while True:
        files = folder / str(point)
        with ledger_copy(server, month.before[step], files) as environment:
            engine = database.engine(environment["CHARGEBACK_DATABASE_URL"])
            if not run_into_the_fault(step, Points(point, end_session), engine):
                return point
            last = run_again(step)
            assert facts() == month.after[last], f"after a crash at point {point} of {step}"
            assert_sound(files)
        point += 1


@pytest.mark.parametrize("step", STEPS)
def test_a_step_that_dies_anywhere_is_made_whole_by_the_next_run(
    postgres: Server, month: Month, step: str, tmp_path: Path
) -> None:
    points = crash_everywhere(postgres, month, step, tmp_path)
    print(f"{step}: {points} points")
    assert points >= POINTS[step]


@pytest.mark.parametrize("step", WRITERS)
def test_a_step_that_loses_postgres_anywhere_says_so_and_is_made_whole(
    postgres: Server, month: Month, step: str, tmp_path: Path
) -> None:
    administrator = psycopg2.connect(host=str(postgres.folder), user="postgres", dbname="postgres")
    administrator.autocommit = True

    def end_session(pid: int) -> None:
        with administrator.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", (pid,))
            while cursor.rowcount:
                cursor.execute("SELECT FROM pg_stat_activity WHERE pid = %s", (pid,))

    with closing(administrator):
        points = crash_everywhere(postgres, month, step, tmp_path, end_session)
    print(f"{step}: {points} points")
    assert points >= POINTS[step]
