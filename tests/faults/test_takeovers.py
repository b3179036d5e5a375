"""One booking by many processes at once, and by one that sleeps while another takes its work over.

One effect, the books of the undisturbed, and nobody hears the words of the database.
"""

import pytest

from tests.faults.bookings import BOOKINGS
from tests.faults.dying_process import DONE, REFUSED, DyingProcess
from tests.faults.faults import Chosen, at_commits
from tests.faults.matrix import Environment, Rounds, Told, chosen_points, tell
from tests.faults.story import Story

pytestmark = [pytest.mark.timeout(1800), pytest.mark.spread]

# So many processes at once, so often.
RACES = {2: 3, 4: 3, 8: 2, 16: 1}
NOW_AND_THEN = ("allocate", "issue", "reallocate")


def race(story: Story, dying: DyingProcess, name: str, processes: int, rounds: int) -> Rounds:
    """Let so many processes take the step at once, so often; each time they did it once."""

    def strike(_name: str, _point: int, environment: Environment) -> bool:
        ended = dying.all_at_once(name, processes, environment)
        assert ended == [DONE] * processes, f"they ended with {ended}"
        return True

    done = Rounds(story, name)
    done.strike_each(range(rounds), strike)
    return done


def sleep_through(story: Story, dying: DyingProcess, name: str, chosen: Chosen) -> Rounds:
    """Pause the step at each of these points, let another take over, wake it: it does no harm."""

    def strike(_name: str, point: int, environment: Environment) -> bool:
        ended = dying.sleeps_while(name, point, environment, BOOKINGS[name].act)
        assert ended in (DONE, REFUSED), f"what woke ended with {ended}"
        return True

    rounds = Rounds(story, name)
    rounds.strike_each(chosen_points(story, name, chosen), strike)
    return rounds


@pytest.mark.proof
@pytest.mark.parametrize("name", ["sync", "allocate", "draft", "issue", "cancel", "deliver"])
def test_four_processes_that_take_a_step_at_once_take_it_once(
    story: Story, dying: DyingProcess, name: str, record_property: Told
) -> None:
    rounds = race(story, dying, name, 4, 1)
    tell(rounds, "step taken by 4 at once", record_property, 4)


@pytest.mark.prove
@pytest.mark.parametrize("processes", RACES)
@pytest.mark.parametrize("name", BOOKINGS)
def test_processes_that_take_any_step_at_once_take_it_once(
    story: Story, dying: DyingProcess, name: str, processes: int, record_property: Told
) -> None:
    rounds = race(story, dying, name, processes, RACES[processes])
    tell(rounds, f"step taken by {processes} at once", record_property, processes)


@pytest.mark.parametrize("name", NOW_AND_THEN)
def test_a_process_that_wakes_after_another_took_over_does_no_harm(
    story: Story, dying: DyingProcess, name: str, record_property: Told
) -> None:
    tell(sleep_through(story, dying, name, at_commits), "process paused", record_property)


@pytest.mark.prove
@pytest.mark.parametrize("name", BOOKINGS)
def test_any_process_that_wakes_after_another_took_over_does_no_harm(
    story: Story, dying: DyingProcess, name: str, record_property: Told
) -> None:
    tell(sleep_through(story, dying, name, at_commits), "process paused", record_property)
