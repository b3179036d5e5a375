"""One booking under one kind of fault, at one point after another, each time on a fresh copy of the ledger.

Owns the round: the fault, the step again, the same facts, sound books, readable words.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Engine

from chargeback.errors import ChargebackError
from chargeback.ledger import database
from tests.faults.bookings import BOOKINGS
from tests.faults.crash_points import Crashed, Fault, Point, Points
from tests.faults.faults import Chosen
from tests.faults.findings import assert_readable
from tests.faults.story import Story

Environment = Mapping[str, str]
# Takes a booking's step up to the point and lets the fault happen; whether it did.
Strike = Callable[[str, int, Environment], bool]
# What a test says to the table of the proof.
Told = Callable[[str, object], None]
MOST_SHOWN = 3


def points_of(story: Story, name: str) -> list[Point]:
    """All points of a booking's step, by taking it undisturbed; which leaves what is expected."""
    with story.copy(name) as environment:
        points = Points()
        with points.watching(_engine(environment)):
            BOOKINGS[name].act()
        story.assert_whole(name)
    return points.passed


def chosen_points(story: Story, name: str, chosen: Chosen) -> list[int]:
    """The numbers of the points at which a kind of fault strikes."""
    return [point.number for point in points_of(story, name) if chosen(point)]


def striking(fault: Fault) -> Strike:
    """Strikes in this process. What the step says of it is Chargeback's own error, in readable words."""

    def strike(name: str, point: int, environment: Environment) -> bool:
        points = Points(point, fault)
        try:
            with points.watching(_engine(environment)):
                BOOKINGS[name].act()
        except Crashed:
            pass
        except ChargebackError as error:
            assert_readable(str(error))
        return points.has_struck

    return strike


@dataclass
class Rounds:
    """The rounds of one booking under one kind of fault; what differed is kept, so that all points are tried."""

    story: Story
    name: str
    tried: int = 0
    differences: list[str] = field(default_factory=list)

    def strike_each(self, points: Iterable[int], strike: Strike) -> None:
        """A round per point."""
        for point in points:
            self._round([(point, strike)])

    def strike_pairs(self, pairs: Iterable[tuple[int, int]], strike: Strike) -> None:
        """A round per pair: the step is struck at the first point, and the step that mends it at the second.

        The second may lie behind the end of what is left to do.
        """
        for first, second in pairs:
            self._round([(first, strike), (second, strike)])

    def _round(self, strikes: Sequence[tuple[int, Strike]]) -> None:
        self.tried += 1
        try:
            with self.story.copy(self.name) as environment:
                struck = [strike(self.name, point, environment) for point, strike in strikes]
                assert struck[0], "there is no such point any more"
                BOOKINGS[self.name].act()
                self.story.assert_whole(self.name)
        except Exception as error:  # noqa: BLE001 - whatever it was, it is a difference
            at = " and ".join(str(point) for point, _ in strikes)
            self.differences.append(f"{self.name} at {at}: {type(error).__name__}: {error}")

    def assert_equal(self) -> None:
        """Every round ended in the ledger of the undisturbed."""
        shown = "\n".join(self.differences[:MOST_SHOWN])
        assert not self.differences, f"{len(self.differences)} of {self.tried} differ\n{shown}"


def tell(rounds: Rounds, kind: str, record: Told, cases_each: int = 1) -> None:
    """Put the rounds into the table of the proof; all of them ended as undisturbed."""
    cases = rounds.tried * cases_each
    print(f"{rounds.name}: {cases} of {kind}")
    record("proof", (kind, cases))
    record("proof differences", len(rounds.differences))
    rounds.assert_equal()


def _engine(environment: Environment) -> Engine:
    return database.engine(environment["CHARGEBACK_DATABASE_URL"])
