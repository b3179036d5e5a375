"""What may happen in a company, in any order; whatever happens may die on the way and is then done again."""

import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import partial

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from chargeback.documents.file_store import FileStore
from chargeback.ledger import approvals, closing
from chargeback.ledger.database import snapshot, transaction
from chargeback.ledger.verify import verify
from chargeback.periods import Period
from chargeback.settings import settings
from models.enums import InvoiceStatus
from tasks.bill_payers import issue_invoices
from tests.faults.month import publish
from tests.ledger.books import ACTOR
from tests.scenarios import ledger_reading
from tests.scenarios.drawing import (
    ACCOUNTS,
    AGENTS,
    DEATHS,
    FACTS,
    MONTHS,
    NUMBERS,
    PERIODS,
    RULE_IDS,
    VERSIONS,
)
from tests.scenarios.proving import ProvenBooks
from tests.scenarios.truth import TEAMS, USERS, Used, Version, as_spec

# The due date is thirty days after the issue: that day is in time, the next is not.
WAITS = (0, 1, 29, 30, 31)
GOING_ON = ("sent", "paid", "cancelled", "cancelled", "pending")


class Company(ProvenBooks):
    """One company, from its first usage to its settled books."""

    settlements = 0

    def teardown(self) -> None:
        """A history that came to its end settles its books."""
        try:
            if sys.exc_info()[0] is None:
                self.settle()
        finally:
            self.place.clear()

    @initialize(rows=st.lists(FACTS, min_size=3, max_size=6), is_billed=st.booleans())
    def begin(self, rows: list[Used], is_billed: bool) -> None:
        """Members, owners, rules and some usage; often billed at once, so that it can turn out otherwise."""
        self.join("etl", ["ana", "bob"], -1)
        self.join("search", ["cat"], -1)
        self.books.import_yaml('teams: [{id: search, tax_rate: "0.19"}]')
        self.own("account", "acme", "etl", -1)
        first = Version("fixed_split", {"agent": "helpdesk"}, {"etl": 60, "search": 40})
        self.decide("one", first, -1)
        # Asked before the other, though its name comes later: it asks for more.
        both = {"agent": "helpdesk", "account": "acme"}
        self.decide("two", Version("equal_split", both, dict.fromkeys(USERS, 1)), -1)
        self.use(rows, -1)
        if is_billed:
            for month in MONTHS:
                self.bill(month, True, -1)

    # What was used.

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
        self._deliver({name: replace(held, cost=used.cost) if is_cost_only else used}, death)

    @precondition(lambda self: self.truth.usage)
    @rule(number=NUMBERS, death=DEATHS)
    def deliver_again(self, number: int, death: int) -> None:
        """All that is known once more, in another order: nothing of it is news."""
        before = self.digest()
        names = sorted(self.truth.usage, key=lambda name: (len(name) * number, name), reverse=True)
        self._deliver({name: self.truth.usage[name] for name in names}, death)
        if not any(used.cost == used.quantity == 0 for used in self.truth.usage.values()):
            assert self.digest() == before

    @precondition(lambda self: self.truth.usage)
    @rule(number=NUMBERS, death=DEATHS)
    def withdraw(self, number: int, death: int) -> None:
        """Usage that should not be there; it counts as nothing from then on."""
        name, held = self._held(number)
        self.do(partial(self.books.withdraw, name), death)
        self.truth.usage[name] = replace(held, cost=0, quantity=0)

    def _held(self, number: int) -> tuple[str, Used]:
        return list(self.truth.usage.items())[number % len(self.truth.usage)]

    def _deliver(self, rows: dict[str, Used], death: int) -> None:
        def load() -> None:
            for name, used in rows.items():
                cost, quantity = f"{Decimal(used.cost).scaleb(-18):f}", str(used.quantity)
                facts = {**vars(used), "cost": cost, "quantity": quantity}
                self.books.use(**facts, external_id=name)
            self.books.load()

        self.do(load, death)
        self.truth.usage |= rows

    # What was decided.

    @rule(rule_id=st.sampled_from(RULE_IDS), version=VERSIONS, death=DEATHS)
    def decide(self, rule_id: str, version: Version, death: int) -> None:
        """A rule, or its next version: edited, enabled, disabled."""
        self._blur()
        self.do(partial(self.books.rule, as_spec(rule_id, version)), death)
        self.truth.decide(rule_id, version)

    @rule(rule_id=st.sampled_from(RULE_IDS))
    def delete(self, rule_id: str) -> None:
        """A rule that is not wanted any more."""
        held = self.truth.rules.get(rule_id)
        if held and held[-1].kind:
            self._blur()
            self.books.delete_rule(rule_id)
            self.truth.delete(rule_id)
            self.last = None

    @rule(
        kind=st.sampled_from(("account", "agent")),
        number=NUMBERS,
        team=st.sampled_from(TEAMS),
        death=DEATHS,
    )
    def own_one(self, kind: str, number: int, team: str, death: int) -> None:
        """An account or an agent turns out to have been a team's all along."""
        names = ACCOUNTS if kind == "account" else AGENTS
        self.own(kind, names[number % len(names)], team, death)

    def own(self, kind: str, name: str, team: str, death: int) -> None:
        """A team owns it, on every day."""
        self._blur()
        content = f"owners: {{{kind}: {{{name}: [{{team: {team}}}]}}}}"
        self.do(partial(self.books.import_yaml, content), death)
        self.truth.owners[kind, name] = team

    @rule(
        team=st.sampled_from(TEAMS),
        users=st.lists(st.sampled_from(USERS), min_size=1, unique=True),
        death=DEATHS,
    )
    def join(self, team: str, users: list[str], death: int) -> None:
        """A team's members turn out to have been others."""
        self._blur()
        members = ", ".join(f"{{user: {user}}}" for user in users)
        content = f"teams: [{{id: {team}, members: [{members}]}}]"
        self.do(partial(self.books.import_yaml, content), death)
        self.truth.members[team] = tuple(users)

    def _blur(self) -> None:
        """What is on paper stays as it was decided then, until it is reallocated."""
        if any(paper.status != "draft" for paper in self.truth.papers.values()):
            self.blurred.update(MONTHS)

    # What is asked for.

    @rule(period=st.sampled_from(PERIODS), death=DEATHS)
    def allocate(self, period: str, death: int) -> None:
        """Who bears what."""
        self.do(partial(self.books.allocate, period), death)

    @rule(
        team=st.sampled_from((None, *TEAMS)),
        user=st.sampled_from((None, *USERS)),
        period=st.sampled_from(PERIODS),
        death=DEATHS,
    )
    def draft(self, team: str | None, user: str | None, period: str, death: int) -> None:
        """One invoice, now: of a team, of a user, of both, or of everything."""
        drafting = partial(self.books.draft, team, user, period, self.today.isoformat())
        self.attempt(("invoice_pending",), drafting, death)
        self.look({}, is_drafting=True)

    @rule(month=st.sampled_from(MONTHS), is_issued=st.booleans(), death=DEATHS)
    def bill(self, month: str, is_issued: bool, death: int) -> None:
        """Everybody's invoices of a month, as drafts or issued at once."""
        self.do(partial(self.books.run, month, self.today.isoformat()), death)
        self.look({}, is_drafting=True)
        if not is_issued:
            return
        self._issue(partial(issue_invoices.fn, month, self.today, ACTOR), month, death, "draft")
        with snapshot() as connection:
            left = ledger_reading.unclaimed(connection, Period.parse(month))
        left -= {p.payer for p in self.truth.papers.values() if p.month == month and p.is_open}
        assert not left, f"{left} have cost in {month} and no invoice of it"

    @rule(month=st.sampled_from(MONTHS), death=DEATHS)
    def approve(self, month: str, death: int) -> None:
        """Somebody approves the month's drafts: through pending to sent."""

        def approve() -> object:
            with transaction() as connection:
                asked = Period.parse(month)
                return approvals.approve(connection, asked, None, self.today, "boss")

        self._issue(approve, month, death, "draft", "pending")

    def _issue(self, issue: Callable[[], object], month: str, death: int, *of: str) -> None:
        papers = self.truth.papers.items()
        due = [n for n, p in papers if p.is_from_run and p.month == month and p.status in of]
        if self.attempt(("invoice_stale",), issue, death):
            self.look(dict.fromkeys(due, "sent"))

    @precondition(lambda self: self.truth.papers)
    @rule(
        number=NUMBERS,
        wanted=st.sampled_from(list(InvoiceStatus)),
        is_rebillable=st.booleans(),
        death=DEATHS,
    )
    def move(self, number: int, wanted: InvoiceStatus, is_rebillable: bool, death: int) -> None:
        """A document is asked to go anywhere; it goes only where a way leads."""
        name = list(self.truth.papers)[number % len(self.truth.papers)]
        self._move(name, wanted.value, is_rebillable, death)

    @rule(
        number=NUMBERS,
        wanted=st.sampled_from(GOING_ON),
        is_rebillable=st.booleans(),
        death=DEATHS,
    )
    def go_on(self, number: int, wanted: str, is_rebillable: bool, death: int) -> None:
        """A document goes on: sent, paid, credited, written off."""
        able = [name for name in self.truth.papers if self.truth.may_go(name, wanted)]
        if able:
            self._move(able[number % len(able)], wanted, is_rebillable, death)

    def _move(self, name: str, wanted: str, is_rebillable: bool, death: int) -> None:
        on, status = self.today.isoformat(), InvoiceStatus(wanted)
        move = partial(self.books.move, name, status, on, is_rebillable)
        may, refusals = self.truth.may_go(name, wanted), self.truth.refusals(name, wanted)
        done = self.attempt(refusals, move, death)
        assert done or refusals
        assert may or not (done and refusals), f"{name} went to {wanted}"
        self.look({name: wanted} if done and may else {})

    @rule(days=st.sampled_from(WAITS), death=DEATHS)
    def sweep(self, days: int, death: int) -> None:
        """Days go by, and what was not paid in time is overdue."""
        self.today += timedelta(days)
        overdue = self.truth.overdue(self.today)
        self.do(partial(self.books.sweep, self.today.isoformat()), death)
        self.look(dict.fromkeys(overdue, "overdue"))

    @rule(month=st.sampled_from(MONTHS), death=DEATHS)
    def reallocate(self, month: str, death: int) -> None:
        """Shares that turned out wrong; the second time nothing is wrong any more."""
        self.do(partial(self.books.reallocate, month), death)
        assert self.books.reallocate(month).cells == 0
        self.blurred.discard(month)

    @rule(death=DEATHS)
    def publish(self, death: int) -> None:
        """October's documents and reports into the file store; each is there with its hash."""
        self.do(publish, death)
        with snapshot() as connection:
            broken = verify(connection, None, FileStore(settings().files))
        assert not broken, broken

    @precondition(lambda self: self.last)
    @rule()
    def again(self) -> None:
        """The last step once more: the books stay as they are."""
        assert self.last is not None
        before = self.digest()
        self.last()
        assert self.digest() == before, self.last

    @rule()
    def settle(self) -> None:
        """Everything is reallocated, billed and issued: documents say what is right, and months close."""
        for number, paper in list(self.truth.papers.items()):
            if paper.status in ("draft", "pending"):
                self._move(number, "cancelled", True, -1)
        for month in MONTHS:
            self.reallocate(month, -1)
        # A month that was never billed before takes what is late.
        self.settlements += 1
        years, month_before = divmod(10 + self.settlements, 12)
        for month in (*MONTHS, f"{2026 + years}-{month_before + 1:02}"):
            self.bill(month, True, -1)
        self.compare_documents()
        with snapshot() as connection:
            still_open = [closing.what_is_open(connection, Period.parse(month)) for month in MONTHS]
        assert still_open == [[], [], []]
        self.last = None
