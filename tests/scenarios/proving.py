"""How a company's books prove themselves after each step: by the product's own proofs, and beside the truth."""

from collections.abc import Callable, Mapping
from datetime import date
from fractions import Fraction
from typing import ClassVar, NamedTuple, TypeVar

from hypothesis.stateful import RuleBasedStateMachine, invariant

from chargeback.errors import Refused
from chargeback.ledger.database import engine, ledger_url, snapshot
from chargeback.ledger.digest import digest
from chargeback.ledger.reconcile import reconcile
from chargeback.ledger.verify import verify
from chargeback.periods import Period
from tests.faults.crash_points import Crashed, Points
from tests.ledger.books import Books
from tests.scenarios import ledger_reading
from tests.scenarios.drawing import DAYS
from tests.scenarios.truth import Paper, Truth, printed, units

Result = TypeVar("Result")
EVERY_DAY = Period.parse("2026-09/2028-12")
# A share is rounded to 10⁻¹⁸ each time a cell is divided.
BLUR = 1000


class Place(NamedTuple):
    """Where a company's books are, and how they are cleared away."""

    books: Books
    clear: Callable[[], None]


class ProvenBooks(RuleBasedStateMachine):
    """Books and what is so; what is done to them may die on the way and is then done again."""

    make_place: ClassVar[Callable[[], Place]]
    steps: ClassVar[int] = 0
    deaths: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.place = type(self).make_place()
        self.books = self.place.books
        self.truth = Truth()
        self.today = date(2026, 11, 1)
        self.last: Callable[[], object] | None = None
        self.blurred: set[str] = set()

    def do(self, act: Callable[[], Result], death: int = -1) -> Result:
        """Do it; where the process dies on the way, do it again. It is also what `again` repeats."""
        self.last = act
        if death >= 0:
            try:
                with Points(death).watching(engine(ledger_url())):
                    return act()
            except Crashed:
                type(self).deaths += 1
        return act()

    def attempt(self, codes: tuple[str, ...], act: Callable[[], object], death: int = -1) -> bool:
        """Whether it was done; the business may say no for these reasons, and then nothing changes."""
        try:
            self.do(act, death)
        except Refused as error:
            if error.code not in codes:
                raise
            self.last = None
            return False
        return True

    def digest(self) -> str:
        """One hash of the books."""
        with snapshot() as connection:
            return digest(connection)

    def look(self, moved: Mapping[str, str], is_drafting: bool = False) -> None:
        """Documents are as they were, but for those `moved`, their credit notes, and drafts where some were made."""
        with snapshot() as connection:
            found = ledger_reading.papers(connection)
        assert self.truth.papers.keys() <= found.keys()
        for number, paper in found.items():
            held = self.truth.papers.get(number)
            if held is None:
                self._welcome(number, paper, is_drafting, moved)
            else:
                _compare(number, held, paper, is_drafting, moved.get(number))
            assert paper.is_note or paper.total == printed(paper.exact, paper.payer[0]), number
        self.truth.papers = found

    def _welcome(
        self, number: str, paper: Paper, is_drafting: bool, moved: Mapping[str, str]
    ) -> None:
        if paper.credits:
            credited = self.truth.papers[paper.credits]
            assert moved.get(paper.credits) == "cancelled", f"{number} credits an uncancelled one"
            assert (paper.exact, paper.total) == (-credited.exact, -credited.total), number
        assert is_drafting or paper.credits, f"{number} appeared"
        assert paper.status == ("paid" if paper.credits else "draft"), f"{number} is {paper.status}"

    @invariant()
    def books_tie_out(self) -> None:
        """Every invariant holds, nothing is lost, and everybody bears what is right."""
        type(self).steps += 1
        self.look({})
        with snapshot() as connection:
            broken = verify(connection)
            found = reconcile(connection, EVERY_DAY)
            billed = ledger_reading.billed(connection)
            borne = ledger_reading.borne(connection)
            is_allocated = ledger_reading.is_allocated(connection)
        assert not broken, broken
        assert found.difference == 0
        assert sum(units(source.ledger.amount) for source in found.sources) == self.truth.used
        assert billed == self.truth.billed()
        if is_allocated:
            self._compare_shares(borne)

    def _compare_shares(self, borne: ledger_reading.Borne) -> None:
        assert sum(sum(days.values()) for days in borne.values()) == self.truth.used
        right = self.truth.borne()
        for payer in borne.keys() | right.keys():
            for day in DAYS:
                is_now = Fraction(borne.get(payer, {}).get(day, 0))
                difference = is_now - right.get(payer, {}).get(day, Fraction(0))
                assert day[:7] in self.blurred or abs(difference) < BLUR, (payer, day, difference)

    def compare_documents(self) -> None:
        """Each payer was asked for, or let off, what is right; nothing is left."""
        with snapshot() as connection:
            accounted = ledger_reading.accounted(connection)
        right = self.truth.borne()
        for payer in (accounted.keys() | right.keys()) - {(None, None)}:
            wanted = sum(right.get(payer, {}).values(), Fraction(0))
            assert abs(accounted.get(payer, 0) - wanted) < BLUR, (payer, wanted)


def _compare(number: str, held: Paper, paper: Paper, is_drafting: bool, wanted: str | None) -> None:
    """A document went where it was sent, and once it left draft nothing else of it ever changes."""
    if wanted == "sent" and paper.total <= 0:
        wanted = "paid"
    assert paper.status == (wanted or held.status), f"{number} is {paper.status}"
    if held.status != "draft" or not is_drafting:
        assert (paper.exact, paper.total) == (held.exact, held.total), f"{number} changed"
    if held.status not in ("draft", "pending"):
        assert paper.due == held.due, f"{number} is due {paper.due}"
