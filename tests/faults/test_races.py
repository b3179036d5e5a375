"""The same month billed by several processes at once: one effect, and no database error in what is said.

The functions of the tasks in processes that begin together, then what threads do to one number series and to
one invoice. Two deployed runs at once are in test_kills, which has a stack for them.
"""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import partial
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import text

from chargeback.errors import Refused, Unavailable
from chargeback.ledger import issuing
from chargeback.ledger.database import snapshot, transaction
from chargeback.ledger.document_numbers import take_numbers
from chargeback.numbering import Series
from models.enums import InvoiceStatus
from tests.faults import billing_process
from tests.faults.conftest import Month, ledger_copy
from tests.faults.findings import assert_readable, assert_sound, facts
from tests.faults.matrix import Told
from tests.faults.month import ISSUED_ON, STEPS
from tests.ledger.books import ACTOR
from tests.ledger.waiting import wait_until_somebody_waits
from tests.postgres import Server

pytestmark = pytest.mark.timeout(600)

WRITERS, TAKEN_EACH, ABORTED = 16, 25, 0.3
# So many processes, so often.
MONTHS = {2: 3, 4: 3, 8: 2, 16: 1}
INVOICES = ("INV-20261101-0001", "INV-20261101-0002", "INV-20261101-0003")
PAID_ON, LONG_AFTER = date(2026, 11, 10), date(2027, 3, 1)


class Aborted(Exception):
    """Something went wrong after a number was taken."""


def race(
    server: Server, month: Month, folder: Path, processes: int, steps: list[str]
) -> dict[str, str]:
    """What the ledger says after processes took these steps side by side; all came through, in readable words."""
    logs = [folder / f"{number}.log" for number in range(processes)]
    with ledger_copy(server, month.before[steps[0]], folder / "files") as environment:
        statuses = billing_process.run_steps_at_once(environment, logs, steps)
        said = "".join(log.read_text(encoding="utf-8") for log in logs)
        assert statuses == [0] * processes, said
        assert_readable(said)
        assert_sound(folder / "files")
        return facts()


@pytest.mark.proof
@pytest.mark.parametrize("attempt", range(2))
@pytest.mark.parametrize("processes", [2, 4])
def test_processes_that_bill_one_month_at_once_do_it_once(
    postgres: Server,
    month: Month,
    stack_home: Path,
    tmp_path: Path,
    processes: int,
    attempt: int,
    record_property: Told,
) -> None:
    assert race(postgres, month, tmp_path, processes, list(STEPS)) == month.after["publish"]
    record_property("proof", (f"month billed by {processes} at once", processes))


@pytest.mark.prove
@pytest.mark.parametrize("processes", MONTHS)
def test_many_processes_that_bill_one_month_at_once_do_it_once(
    postgres: Server,
    month: Month,
    stack_home: Path,
    tmp_path: Path,
    processes: int,
    record_property: Told,
) -> None:
    for attempt in range(MONTHS[processes]):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        assert race(postgres, month, folder, processes, list(STEPS)) == month.after["publish"]
    cases = processes * MONTHS[processes]
    record_property("proof", (f"month billed by {processes} at once", cases))


def at_once(*acts: Callable[[], object]) -> list[object]:
    """What each act returned, or the error of ours that it raised; begun together."""
    gate = Barrier(len(acts))

    def begin(act: Callable[[], object]) -> object:
        gate.wait()
        try:
            return act()
        except (Refused, Unavailable) as error:
            assert_readable(str(error))
            return error

    with ThreadPoolExecutor(len(acts)) as threads:
        return list(threads.map(begin, acts))


def test_a_run_that_waits_while_its_drafts_are_sent_makes_no_second_invoices(
    postgres: Server, month: Month, tmp_path: Path
) -> None:
    with (
        ledger_copy(postgres, month.before["issue"], tmp_path),
        ThreadPoolExecutor(1) as other,
        transaction() as connection,
    ):
        ids = connection.execute(text("SELECT invoice_id FROM invoices")).scalars().all()
        issuing.issue(connection, ids, ISSUED_ON, ACTOR)
        drafting = other.submit(STEPS["draft"])
        wait_until_somebody_waits(connection)
        connection.commit()
        assert drafting.result()["invoices"] == 0


def take_some(seed: int) -> list[int]:
    """The numbers that a writer took, many times, and kept: now and then it goes wrong after a number was taken."""
    chance, kept = random.Random(seed), []
    for _ in range(TAKEN_EACH):
        try:
            with transaction() as connection:
                ((_, ordinal),) = take_numbers(connection, Series.INV, ISSUED_ON, 1)
                if chance.random() < ABORTED:
                    raise Aborted
        except Aborted:
            continue
        kept.append(ordinal)
    return kept


@pytest.mark.proof
@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(n, marks=pytest.mark.prove) for n in (1, 2, 3))]
)
def test_numbers_are_gapless_though_every_third_writer_aborts(
    postgres: Server, month: Month, tmp_path: Path, seed: int, record_property: Told
) -> None:
    with (
        ledger_copy(postgres, month.before["sync"], tmp_path),
        ThreadPoolExecutor(WRITERS) as threads,
    ):
        writers = range(seed * WRITERS, (seed + 1) * WRITERS)
        kept = [ordinal for part in threads.map(take_some, writers) for ordinal in part]
    assert len(kept) > WRITERS * TAKEN_EACH / 2
    assert sorted(kept) == list(range(1, len(kept) + 1))
    record_property("proof", ("number taken, a third of them given back", WRITERS * TAKEN_EACH))


def move(number: str, wanted: InvoiceStatus) -> issuing.Moved:
    with transaction() as connection:
        found = issuing.find(connection, number)
        return issuing.move(connection, found, wanted, PAID_ON, ACTOR, "a race")


def sweep() -> list[str]:
    with transaction() as connection:
        return issuing.sweep(connection, LONG_AFTER, ACTOR)


def status_of(number: str) -> tuple[str, int]:
    """An invoice's status, and how many credit notes it has."""
    query = """SELECT status, (SELECT count(*) FROM invoices c WHERE c.credits_invoice_id = i.invoice_id) AS notes
               FROM invoices i WHERE number = :number"""
    with snapshot() as connection:
        row = connection.execute(text(query), {"number": number}).one()
    return row.status, row.notes


def pay_cancel_and_sweep(number: str) -> None:
    """All at once: whoever came second is told no, and what the first was told stays true."""
    paid, cancelled, _ = at_once(
        partial(move, number, InvoiceStatus.PAID),
        partial(move, number, InvoiceStatus.CANCELLED),
        sweep,
    )
    assert isinstance(paid, Refused) != isinstance(cancelled, Refused), (paid, cancelled)
    is_paid = isinstance(paid, issuing.Moved)
    assert status_of(number) == (("paid", 0) if is_paid else ("cancelled", 1))


@pytest.mark.proof
@pytest.mark.parametrize("rounds", [8, pytest.param(60, marks=pytest.mark.prove)])
def test_an_invoice_paid_cancelled_and_swept_at_once_is_paid_or_cancelled(
    postgres: Server, month: Month, tmp_path: Path, rounds: int, record_property: Told
) -> None:
    for round_ in range(rounds):
        with ledger_copy(postgres, month.before["sweep"], tmp_path / str(round_)):
            for number in INVOICES:
                pay_cancel_and_sweep(number)
            assert_sound(tmp_path)
    cases = rounds * len(INVOICES)
    record_property("proof", ("invoice paid, cancelled and swept at once", cases))
