"""Whatever happens in a company, in whatever order, however often it dies: the books say what is so."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from chargeback.ledger import database
from chargeback.settings import settings as product_settings
from tests.conftest import Ledger
from tests.ledger.books import Books
from tests.postgres import Server
from tests.scenarios.company import Company
from tests.scenarios.proving import Place

pytestmark = pytest.mark.spread
Record = Callable[[str, object], None]


@pytest.fixture
def make_place(
    postgres: Server, template: str, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[[], Place]:
    """Makes companies a ledger and a folder of their own."""
    monkeypatch.setenv("CHARGEBACK_DOCUMENT_PROCESSES", "1")

    def make() -> Place:
        name = postgres.create_database(template)
        fresh = Ledger(postgres.url(name, "chargeback_app"), postgres.url(name))
        monkeypatch.setenv("CHARGEBACK_DATABASE_URL", fresh.url)
        monkeypatch.setenv("CHARGEBACK_HOME", str(tmp_path / name))
        product_settings.cache_clear()

        def clear() -> None:
            database.engine(fresh.url).dispose()
            postgres.drop_database(name)

        return Place(Books(fresh), clear)

    return make


def live(
    make_place: Callable[[], Place], record: Record, lives: int, steps: int, is_drawn_anew: bool
) -> None:
    """So many companies, each of so many steps, and how many steps that were."""

    class Here(Company):
        pass

    Here.make_place = staticmethod(make_place)
    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=lives,
            stateful_step_count=steps,
            derandomize=not is_drawn_anew,
            database=None,
            deadline=None,
            print_blob=True,
            # A short history says what went wrong as it is; looking for a shorter one takes minutes.
            phases=list(Phase) if is_drawn_anew else [Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
    record("proof", ("steps of the state machine", Here.steps))
    record("proof", ("steps that died in it and were done again", Here.deaths))


def test_whatever_happens_the_books_say_what_is_so(
    make_place: Callable[[], Place], record_property: Record
) -> None:
    live(make_place, record_property, 8, 14, is_drawn_anew=False)


@pytest.mark.prove
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("part", range(8))
def test_whatever_happens_to_forty_eight_companies_the_books_say_what_is_so(
    make_place: Callable[[], Place], record_property: Record, part: int
) -> None:
    live(make_place, record_property, 6, 30, is_drawn_anew=True)


@pytest.mark.prove
@pytest.mark.prove_all
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("part", range(8))
def test_whatever_happens_to_two_thousand_companies_the_books_say_what_is_so(
    make_place: Callable[[], Place], record_property: Record, part: int
) -> None:
    live(make_place, record_property, 250, 50, is_drawn_anew=True)
