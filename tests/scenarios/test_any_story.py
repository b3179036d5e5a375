"""Months in which anything happens in any order: the books tie out and every cent is somewhere once."""

from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from chargeback.errors import Refused
from chargeback.ledger.database import snapshot
from chargeback.ledger.reconcile import reconcile
from chargeback.periods import Period
from models.enums import InvoiceStatus
from tests.ledger.books import Books

STEPS = 50
TEAMS, USERS, AGENTS = ("etl", "search", "support"), ("ana", "bob", "cat"), ("crawler", "helpdesk")
PERIODS = ("2026-09", "2026-10", "2026-10-01/2026-10-10", "2026-11")


class Story:
    """One company whose every day is drawn from a seed."""

    def __init__(self, books: Books, seed: int) -> None:
        self.books = books
        self.random = Random(seed)
        self.used: dict[str, Decimal] = {}

    def live(self) -> None:
        """Do something, and something that usually follows it."""
        acts: list[Callable[[], object]] = [
            self.use, self.use, self.use, self.change, self.withdraw, self.reallocate, self.allocate,
            self.edit_rule, self.delete_rule, self.own,
            self.join, self.draft, self.draft, self.run, self.run, self.move, self.move, self.sweep,
        ]  # fmt: skip
        try:
            self.random.choice(acts)()
        except Refused:
            return  # The business may say no; then nothing changed.

    def use(self) -> None:
        for _ in range(self.random.randint(1, 6)):
            self._deliver(f"call-{len(self.used)}")
        self.books.load()

    def _deliver(self, name: str) -> None:
        cost = Decimal(self.random.randint(-(10**6), 10**7)).scaleb(-self.random.choice((2, 6, 18)))
        self.used[name] = cost
        self.books.use(
            self.random.choice((None, *TEAMS)), self.random.choice((None, *USERS)), f"{cost:f}",
            f"2026-{self.random.choice(('09', '10', '11'))}-{self.random.choice((5, 20)):02}",
            agent=self.random.choice((None, *AGENTS)), resource_type=self.random.choice(("image", "tokens")),
            quantity=str(self.random.randint(0, 9)), external_id=name,
        )  # fmt: skip

    def change(self) -> None:
        if self.used:
            self._deliver(self.random.choice(list(self.used)))
            self.books.load()

    def withdraw(self) -> None:
        if self.used:
            name = self.random.choice(list(self.used))
            self.used[name] = Decimal(0)
            self.books.withdraw(name)

    def reallocate(self) -> None:
        period = self.random.choice(PERIODS)
        self.books.reallocate(period)
        assert self.books.reallocate(period).cells == 0

    def allocate(self) -> None:
        self.books.allocate(self.random.choice(PERIODS))

    def edit_rule(self) -> None:
        rule_id = self.random.choice(("one", "two"))
        shares = self.random.randint(0, 100)
        kinds: list[dict[str, Any]] = [
            {"rule_type": "fixed_split", "split_percentages": {"etl": shares, "search": 100 - shares},
             "allocation_metadata": {"entity_type": "team"}},
            {"rule_type": "equal_split", "user_ids": list(USERS)},
            {"rule_type": "by_team", "team_id": self.random.choice(TEAMS)},
            {"rule_type": "by_user", "user_ids": ["ana"]},
        ]  # fmt: skip
        match: dict[str, Any] = self.random.choice(
            ({}, {"agent_ids": ["helpdesk"]}, {"resource_types": ["image"]})
        )
        dates: dict[str, Any] = self.random.choice(({}, {"valid_from": "2026-10-16"}))
        enabled = self.random.random() < 0.8
        spec = {"rule_id": rule_id, "match": match, "enabled": enabled, **dates}
        self.books.rule(spec | self.random.choice(kinds))

    def delete_rule(self) -> None:
        if self.books.query(
            """SELECT FROM allocation_rules WHERE rule_id = 'one' AND NOT is_closing AND version =
               (SELECT max(version) FROM allocation_rules WHERE rule_id = 'one')"""
        ):
            self.books.delete_rule("one")

    def own(self) -> None:
        team = self.random.choice(TEAMS)
        self.books.import_yaml(
            f"owners: {{agent: {{{self.random.choice(AGENTS)}: [{{team: {team}}}]}}}}"
        )

    def join(self) -> None:
        members = ", ".join(f"{{user: {user}}}" for user in USERS if self.random.random() < 0.5)
        self.books.import_yaml(
            f"teams: [{{id: {self.random.choice(TEAMS)}, members: [{members}]}}]"
        )

    def draft(self) -> None:
        team, user = self.random.choice((None, *TEAMS)), self.random.choice((None, *USERS))
        self.books.draft(team, user, self.random.choice(PERIODS))

    def run(self) -> None:
        run = self.books.run(self.random.choice(PERIODS))
        if self.random.random() < 0.5:
            self.books.send(*(drafted.number for drafted in run))

    def move(self) -> None:
        numbers = [
            row.number
            for row in self.books.query("SELECT number FROM invoices ORDER BY invoice_id")
        ]
        if numbers:
            wanted = self.random.choice(list(InvoiceStatus))
            is_rebillable = self.random.random() < 0.8
            self.books.move(self.random.choice(numbers), wanted, is_rebillable=is_rebillable)

    def sweep(self) -> None:
        self.books.sweep("2026-12-15")


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_every_cent_is_billed_waiting_or_nobodys(books: Books, seed: int) -> None:
    story = Story(books, seed)
    for _ in range(STEPS):
        story.live()
    books.allocate("2026-12")
    books.query("UPDATE allocation_days SET is_dirty = true")
    assert (books.allocate("2026-12").pools, books.allocate("2026-12").days) == (0, 0)
    with snapshot() as connection:
        found = [
            reconcile(connection, Period.month(month))
            for month in ("2026-09", "2026-10", "2026-11")
        ]
    sources = [source for one in found for source in one.sources]
    assert [one.difference for one in found] == [0, 0, 0]
    assert sum((source.ledger.amount for source in sources), Decimal(0)) == sum(story.used.values())
    assert sum(books.total_by_payer("2026-09/2026-11").values(), Decimal(0)) == sum(
        story.used.values()
    )
