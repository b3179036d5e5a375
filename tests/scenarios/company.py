"""A company's books as a state machine: anything happens in any order, dies on the way, is done again.

After each step the books prove themselves (`verify`, `reconcile`), and say what `truth` says.
"""

import sys
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import partial
from typing import Any, ClassVar, NamedTuple, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from chargeback.documents.file_store import FileStore
from chargeback.errors import Refused
from chargeback.ledger import approvals, closing
from chargeback.ledger.database import engine, ledger_url, snapshot, transaction
from chargeback.ledger.digest import digest
from chargeback.ledger.reconcile import reconcile
from chargeback.ledger.verify import verify
from chargeback.periods import Period
from chargeback.settings import settings
from models.enums import InvoiceStatus
from tasks.bill_payers import issue_invoices
from tasks.publish_documents import publish_invoices, publish_reports
from tests.faults.crash_points import Crashed, Points
from tests.ledger.books import ACTOR, Books
from tests.scenarios import ledger_reading
from tests.scenarios.truth import TEAMS, USERS, Paper, Truth, Used, Version, as_spec, printed, units

Result = TypeVar("Result")
MONTHS = ("2026-09", "2026-10", "2026-11")
ALL = "2026-09/2027-12"
DAYS = ("2026-09-05", "2026-09-30", "2026-10-05", "2026-10-31", "2026-11-20")
PERIODS = (*MONTHS, "2026-10-01/2026-10-10", "2026-09/2026-10")
ACCOUNTS, AGENTS = ("acme", "beta"), ("crawler", "helpdesk")
# A share is rounded to 10⁻¹⁸ each time a cell is divided.
BLUR = 1000

NUMBERS = st.integers(0, 30)
# Mostly nothing happens; else the process dies at this point of what it does, and it is done again.
DEATHS = st.integers(-150, 50).map(lambda point: max(point, -1))
COSTS = st.one_of(
    st.just(0), st.integers(-(50 * 10**18), 200 * 10**18), st.integers(-5000, 20_000).map(lambda n: n * 10**16),
    st.integers(-9, 40),
)  # fmt: skip
FACTS = st.builds(
    Used,
    st.sampled_from((None, *TEAMS)),
    st.sampled_from((None, *USERS)),
    st.sampled_from((None, *AGENTS)),
    st.sampled_from((None, *ACCOUNTS)),
    st.sampled_from(DAYS),
    COSTS,
    st.integers(0, 5),
)
MATCHES = st.sampled_from(({}, {"agent": "helpdesk"}, {"account": "acme"}, {"agent": "crawler", "account": "acme"}))  # fmt: skip
KINDS = st.one_of(
    st.integers(0, 100).map(lambda part: ("fixed_split", {"etl": part, "search": 100 - part}, {})),
    st.lists(st.sampled_from(USERS), min_size=1, unique=True).map(
        lambda users: ("equal_split", dict.fromkeys(users, 1), {})
    ),
    st.sampled_from(TEAMS).map(lambda team: ("by_team", {}, {"team": team})),
    st.sampled_from(USERS).map(lambda user: ("by_user", {user: 1}, {"user": user})),
)
VERSIONS = st.builds(
    lambda kind, match, priority, is_enabled, since: Version(
        kind[0], {**match, **kind[2]}, kind[1], priority, is_enabled, since
    ),
    KINDS,
    MATCHES,
    st.sampled_from((100, 50)),
    st.sampled_from((True, True, True, False)),
    st.sampled_from(("", "", "2026-10-16")),
)


class Place(NamedTuple):
    """Where a company's books are, and how they are cleared away."""

    books: Books
    clear: Callable[[], None]


class Company(RuleBasedStateMachine):
    """One company, from its first usage to its settled books."""

    make_place: ClassVar[Callable[[], Place]]
    steps: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.place = type(self).make_place()
        self.books = self.place.books
        self.truth = Truth()
        self.today = date(2026, 11, 1)
        self.last: Callable[[], object] | None = None
        self.blurred: set[str] = set()
        self.settlements = 0

    def teardown(self) -> None:
        """A history that came to its end settles its books."""
        try:
            if sys.exc_info()[0] is None:
                self.settle()
        finally:
            self.place.clear()

    def _do(self, act: Callable[[], Result], death: int = -1) -> Result:
        """Do it; where the process dies on the way, do it again. It is also what `again` repeats."""
        self.last = act
        if death >= 0:
            try:
                with Points(death).watching(engine(ledger_url())):
                    return act()
            except Crashed:
                pass
        return act()

    # What was used.

    @initialize(rows=st.lists(FACTS, min_size=3, max_size=6), is_billed=st.booleans())
    def begin(self, rows: list[Used], is_billed: bool) -> None:
        """Members, owners, a rule and some usage; often billed at once, so that it can turn out otherwise."""
        self.join("etl", ["ana", "bob"], -1)
        self.join("search", ["cat"], -1)
        self.books.import_yaml('teams: [{id: search, tax_rate: "0.19"}]')
        self.own("account", "acme", "etl", -1)
        self.decide("one", Version("fixed_split", {"agent": "helpdesk"}, {"etl": 60, "search": 40}), -1)  # fmt: skip
        self.use(rows, -1)
        if is_billed:
            for month in MONTHS:
                self.bill(month, True, -1)

    @rule(rows=st.lists(FACTS, min_size=1, max_size=3), death=DEATHS)
    def use(self, rows: list[Used], death: int) -> None:
        """New usage, often late."""
        first = len(self.truth.usage) + 1
        self._deliver({f"call-{first + n}": used for n, used in enumerate(rows)}, death)

    @precondition(lambda self: self.truth.usage)
    @rule(number=NUMBERS, used=FACTS, is_cost_only=st.booleans(), death=DEATHS)
    def change(self, number: int, used: Used, is_cost_only: bool, death: int) -> None:
        """Usage delivered again, otherwise: in its cost alone, or in everything."""
        name, held = self._held(number)
        self._deliver({name: Used(**{**vars(held), "cost": used.cost}) if is_cost_only else used}, death)  # fmt: skip

    @precondition(lambda self: self.truth.usage)
    @rule(number=NUMBERS, death=DEATHS)
    def deliver_again(self, number: int, death: int) -> None:
        """All that is known once more, in another order, twice: nothing of it is news."""
        names = sorted(self.truth.usage, key=lambda name: (len(name) * number, name), reverse=True)
        self._deliver({name: self.truth.usage[name] for name in names}, death)

    @precondition(lambda self: self.truth.usage)
    @rule(number=NUMBERS, death=DEATHS)
    def withdraw(self, number: int, death: int) -> None:
        """Usage that should not be there; it counts as nothing from then on."""
        name, held = self._held(number)
        self._do(partial(self.books.withdraw, name), death)
        self.truth.usage[name] = Used(**{**vars(held), "cost": 0, "quantity": 0})

    def _held(self, number: int) -> tuple[str, Used]:
        return list(self.truth.usage.items())[number % len(self.truth.usage)]

    def _deliver(self, rows: dict[str, Used], death: int) -> None:
        def load() -> None:
            for name, used in rows.items():
                cost, quantity = f"{Decimal(used.cost).scaleb(-18):f}", str(used.quantity)
                facts = {**vars(used), "cost": cost, "quantity": quantity}
                self.books.use(**facts, external_id=name)
            self.books.load()

        self._do(load, death)
        self.truth.usage |= rows

    # What was decided.

    @rule(rule_id=st.sampled_from(("one", "two", "three")), version=VERSIONS, death=DEATHS)
    def decide(self, rule_id: str, version: Version, death: int) -> None:
        """A rule, or its next version: edited, enabled, disabled."""
        self._blur()
        self._do(partial(self.books.rule, as_spec(rule_id, version)), death)
        self.truth.decide(rule_id, version)

    @rule(rule_id=st.sampled_from(("one", "two", "three")))
    def delete(self, rule_id: str) -> None:
        """A rule that is not wanted any more."""
        held = self.truth.rules.get(rule_id)
        if held and held[-1].kind:
            self._blur()
            self.books.delete_rule(rule_id)
            self.truth.delete(rule_id)
            self.last = None

    @rule(kind=st.sampled_from(("account", "agent")), number=NUMBERS, team=st.sampled_from(TEAMS), death=DEATHS)  # fmt: skip
    def own_one(self, kind: str, number: int, team: str, death: int) -> None:
        """An account or an agent turns out to have been a team's all along."""
        names = ACCOUNTS if kind == "account" else AGENTS
        self.own(kind, names[number % len(names)], team, death)

    def own(self, kind: str, name: str, team: str, death: int) -> None:
        """A team owns it, on every day."""
        self._blur()
        content = f"owners: {{{kind}: {{{name}: [{{team: {team}}}]}}}}"
        self._do(partial(self.books.import_yaml, content), death)
        self.truth.owners[kind, name] = team

    @rule(team=st.sampled_from(TEAMS), users=st.lists(st.sampled_from(USERS), min_size=1, unique=True), death=DEATHS)  # fmt: skip
    def join(self, team: str, users: list[str], death: int) -> None:
        """A team's members turn out to have been others."""
        self._blur()
        members = ", ".join(f"{{user: {user}}}" for user in users)
        content = f"teams: [{{id: {team}, members: [{members}]}}]"
        self._do(partial(self.books.import_yaml, content), death)
        self.truth.members[team] = tuple(users)

    def _blur(self) -> None:
        """What is on paper stays as it was decided then, until it is reallocated."""
        if any(paper.status != "draft" for paper in self.truth.papers.values()):
            self.blurred.update(MONTHS)

    # What is asked for.

    @rule(period=st.sampled_from(PERIODS), death=DEATHS)
    def allocate(self, period: str, death: int) -> None:
        """Who bears what."""
        self._do(partial(self.books.allocate, period), death)

    @rule(team=st.sampled_from((None, *TEAMS)), user=st.sampled_from((None, *USERS)), period=st.sampled_from(PERIODS), death=DEATHS)  # fmt: skip
    def draft(self, team: str | None, user: str | None, period: str, death: int) -> None:
        """One invoice, now: of a team, of a user, of both, or of everything."""
        self._try("invoice_pending", partial(self.books.draft, team, user, period, self.today.isoformat()), death)  # fmt: skip
        self._look(is_drafting=True)

    @rule(month=st.sampled_from(MONTHS), is_issued=st.booleans(), death=DEATHS)
    def bill(self, month: str, is_issued: bool, death: int) -> None:
        """Everybody's invoices of a month, as drafts or issued at once."""
        self._do(partial(self.books.run, month, self.today.isoformat()), death)
        self._look(is_drafting=True)
        if is_issued:
            self._issue(partial(issue_invoices.fn, month, self.today, ACTOR), month, death)
            with snapshot() as connection:
                left = ledger_reading.unclaimed(connection, Period.parse(month))
            served = {p.payer for p in self.truth.papers.values() if p.month == month and p.status != "cancelled"}  # fmt: skip
            assert left <= served, f"{left - served} have cost in {month} and no invoice of it"

    @rule(month=st.sampled_from(MONTHS), death=DEATHS)
    def approve(self, month: str, death: int) -> None:
        """Somebody approves the month's drafts: through pending to sent."""

        def approve() -> object:
            with transaction() as connection:
                return approvals.approve(connection, Period.parse(month), None, self.today, "boss")

        self._issue(approve, month, death, ("draft", "pending"))

    def _issue(self, issue: Callable[[], object], month: str, death: int, of: tuple[str, ...] = ("draft",)) -> None:  # fmt: skip
        due = [n for n, p in self.truth.papers.items() if p.is_from_run and p.month == month and p.status in of]  # fmt: skip
        if self._try("invoice_stale", issue, death):
            self._look(**{number: "sent" for number in due})

    @precondition(lambda self: self.truth.papers)
    @rule(number=NUMBERS, wanted=st.sampled_from(list(InvoiceStatus)), is_rebillable=st.booleans(), death=DEATHS)  # fmt: skip
    def move(self, number: int, wanted: InvoiceStatus, is_rebillable: bool, death: int) -> None:
        """A document is asked to go anywhere; it goes only where a way leads."""
        name = list(self.truth.papers)[number % len(self.truth.papers)]
        self._move(name, wanted.value, is_rebillable, death)

    @rule(number=NUMBERS, wanted=st.sampled_from(("sent", "paid", "cancelled", "cancelled", "pending")), is_rebillable=st.booleans(), death=DEATHS)  # fmt: skip
    def go_on(self, number: int, wanted: str, is_rebillable: bool, death: int) -> None:
        """A document goes on: sent, paid, credited, written off."""
        able = [name for name in self.truth.papers if self.truth.may_go(name, wanted)]
        if able:
            self._move(able[number % len(able)], wanted, is_rebillable, death)

    def _move(self, name: str, wanted: str, is_rebillable: bool, death: int) -> None:
        paper, may = self.truth.papers[name], self.truth.may_go(name, wanted)
        stays = paper.status == wanted and not paper.is_note
        move = partial(self.books.move, name, InvoiceStatus(wanted), self.today.isoformat(), is_rebillable)  # fmt: skip
        codes = ["invoice_stale"] if may and wanted in ("sent", "pending") else []
        is_settled_credit = (
            wanted == "sent" and paper.status == "paid" and paper.total <= 0 and not paper.is_note
        )
        if not may and not stays and not is_settled_credit:
            codes = ["credit_note_never_moves" if paper.is_note else "status_refused"]
        done = self._try(codes, move, death)
        assert done or not stays
        assert may or stays or is_settled_credit or not done, f"{name} went from {paper.status} to {wanted}"  # fmt: skip
        self._look(**({name: wanted} if done and may else {}))

    def _try(self, codes: str | list[str], act: Callable[[], object], death: int) -> bool:
        """Whether it was done; the business may say no for these reasons, and then nothing changes."""
        try:
            self._do(act, death)
        except Refused as error:
            assert error.code in codes, error
            self.last = None
            return False
        return True

    @rule(days=st.integers(0, 40), death=DEATHS)
    def sweep(self, days: int, death: int) -> None:
        """Days go by, and what was not paid in time is overdue."""
        self.today += timedelta(days)
        overdue = self.truth.overdue(self.today)
        self._do(partial(self.books.sweep, self.today.isoformat()), death)
        self._look(**dict.fromkeys(overdue, "overdue"))

    @rule(month=st.sampled_from(MONTHS), death=DEATHS)
    def reallocate(self, month: str, death: int) -> None:
        """Shares that turned out wrong; the second time nothing is wrong any more."""
        self._do(partial(self.books.reallocate, month), death)
        assert self.books.reallocate(month).cells == 0
        self.blurred.discard(month)

    @rule(month=st.sampled_from(MONTHS), death=DEATHS)
    def publish(self, month: str, death: int) -> None:
        """Documents and reports into the file store; each is there with its hash."""

        def publish() -> None:
            publish_invoices.fn(month)
            publish_reports.fn(month)

        self._do(publish, death)
        with snapshot() as connection:
            broken = verify(connection, None, FileStore(settings().files))
        assert not broken, broken

    @precondition(lambda self: self.last)
    @rule()
    def again(self) -> None:
        """The last step once more: the books stay as they are."""
        assert self.last is not None
        with snapshot() as connection:
            before = digest(connection)
        self.last()
        with snapshot() as connection:
            assert digest(connection) == before, self.last

    # What must be so.

    def _look(self, is_drafting: bool = False, **moved: str) -> None:
        """The documents are as they were, but for those `moved`, their credit notes, and drafts that were made anew."""
        with snapshot() as connection:
            found = ledger_reading.papers(connection)
        assert self.truth.papers.keys() <= found.keys()
        for number, paper in found.items():
            held = self.truth.papers.get(number)
            if held is None:
                self._welcome(number, paper, is_drafting, moved)
            else:
                self._compare(number, held, paper, is_drafting, moved.get(number))
            assert paper.is_note or paper.total == printed(paper.exact, paper.payer[0]), number
        self.truth.papers = found

    def _welcome(self, number: str, paper: Paper, is_drafting: bool, moved: dict[str, str]) -> None:
        if paper.credits:
            credited = self.truth.papers[paper.credits]
            assert moved.get(paper.credits) == "cancelled", f"{number} credits what nobody cancelled"
            assert (paper.exact, paper.total) == (-credited.exact, -credited.total), number
        assert is_drafting or paper.credits, f"{number} appeared"
        assert paper.status == ("paid" if paper.credits else "draft"), f"{number} is {paper.status}"

    @staticmethod
    def _compare(number: str, held: Paper, paper: Paper, is_drafting: bool, wanted: str | None) -> None:  # fmt: skip
        if wanted == "sent" and paper.total <= 0:
            wanted = "paid"
        assert paper.status == (wanted or held.status), f"{number} is {paper.status}"
        if held.status != "draft" or not is_drafting:
            assert (paper.exact, paper.total) == (held.exact, held.total), f"{number} changed"
        if held.status not in ("draft", "pending"):
            assert paper.due == held.due, f"{number} is due {paper.due}"

    @invariant()
    def books_tie_out(self) -> None:
        """Every invariant holds, nothing is lost, and everybody bears what is right."""
        type(self).steps += 1
        self._look()
        with snapshot() as connection:
            broken = verify(connection)
            found = reconcile(connection, Period.parse(ALL))
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
                difference = borne.get(payer, {}).get(day, 0) - right.get(payer, {}).get(day, 0)
                assert day[:7] in self.blurred or abs(difference) < BLUR, (payer, day, difference)

    @rule()
    def settle(self) -> None:
        """Everything is reallocated, billed and issued: each payer's documents say what is right, and months close."""
        for number, paper in list(self.truth.papers.items()):
            if paper.status in ("draft", "pending"):
                self._move(number, "cancelled", True, -1)
        for month in MONTHS:
            self.reallocate(month, -1)
        self.settlements += 1
        for month in (*MONTHS, f"{2026 + (11 + self.settlements) // 12}-{(11 + self.settlements) % 12 + 1:02}"):  # fmt: skip
            self.bill(month, True, -1)
        with snapshot() as connection:
            accounted = ledger_reading.accounted(connection)
            still_open = [closing.what_is_open(connection, Period.parse(month)) for month in MONTHS]
        assert still_open == [[], [], []]
        assert not self.blurred
        right = self.truth.borne()
        for payer in (accounted.keys() | right.keys()) - {(None, None)}:
            difference = accounted.get(payer, 0) - sum(right.get(payer, {}).values(), Fraction(0))
            assert abs(difference) < BLUR, (payer, difference)
        self.last = None
