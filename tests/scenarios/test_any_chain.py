"""Rules by driver and in stages, made, edited and deleted at random: after each step the books prove themselves."""

from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from chargeback.errors import Invalid, Refused
from chargeback.ledger.database import snapshot
from chargeback.ledger.reconcile import reconcile
from chargeback.periods import Period
from models.enums import InvoiceStatus, SourceRole
from tests.ledger.books import Books
from tests.ledger.soundness import assert_sound

STEPS = 30
TEAMS = ("platform", "data", "etl", "search")
DAYS = ("2026-10-05", "2026-10-20", "2026-11-05")
DRIVERS: tuple[Any, ...] = ("direct_cost", {"resource_type": "gpu"}, {"source": "heads"})


class Company:
    """One whose every day is drawn from a seed."""

    def __init__(self, books: Books, seed: int) -> None:
        self.books, self.random, self.used = books, Random(seed), Decimal(0)
        self.changing: dict[str, Decimal] = {}
        self.heads = Books(books.ledger, "heads", SourceRole.WEIGHTS)

    def begin(self) -> None:
        """Some usage, platform's passed on to data and search, and data's in turn."""
        to = {"rule_type": "proportional", "allocation_metadata": {"entity_type": "team"}}
        self.books.rule(
            {
                "rule_id": "a",
                "stage": 2,
                "team_id": "platform",
                "entity_ids": ["data", "search"],
                **to,
            }
        )
        self.books.rule(
            {"rule_id": "b", "stage": 3, "team_id": "data", "entity_ids": ["etl", "search"], **to}
        )
        self.use()
        self.change()

    def live(self) -> None:
        """Do something; the business may say no, and then nothing changed."""
        acts: list[Callable[[], object]] = [
            self.use, self.use, self.change, self.change, self.allocate, self.make_rule, self.make_rule,
            self.delete_rule, self.weigh, self.draft, self.draft, self.bill, self.move, self.move, self.reallocate,
        ]  # fmt: skip
        try:
            self.random.choice(acts)()
        except (Refused, Invalid):
            return

    def use(self) -> None:
        for _ in range(self.random.randint(1, 5)):
            digits = self.random.choice((2, 18))
            cost = Decimal(self.random.randint(-(10**5), 10**6)).scaleb(-digits)
            self.used += cost
            self.books.use(
                self.random.choice((None, *TEAMS)), self.random.choice((None, "ana", "bob")), f"{cost:f}",
                self.random.choice(DAYS), resource_type=self.random.choice(("gpu", "tokens")),
                quantity=str(self.random.randint(-3, 9)),
            )  # fmt: skip
        self.books.load()

    def change(self) -> None:
        """A record of the company's, whatever was billed of it, costs something else; or it comes at last."""
        cost = Decimal(self.random.randint(-(10**5), 10**6)).scaleb(-4)
        name = self.random.choice("xyz")
        self.used += cost - self.changing.get(name, Decimal(0))
        self.changing[name] = cost
        self.books.use(
            self.random.choice((None, *TEAMS)), None, f"{cost:f}", DAYS[0], external_id=name
        ).load()

    def reallocate(self) -> None:
        self.books.reallocate(self.random.choice(("2026-10", "2026-11")))

    def weigh(self) -> None:
        quantity = str(self.random.randint(-2, 9))
        self.heads.use(self.random.choice(TEAMS), None, "0", DAYS[0], quantity=quantity).load()

    def allocate(self) -> None:
        self.books.allocate(self.random.choice(("2026-10-01/2026-10-10", "2026-10", "2026-11")))

    def make_rule(self) -> None:
        """Mostly of a later stage and down the line of teams; now and then it would be a circle and is refused."""
        place = self.random.randrange(3)
        others = TEAMS[place + 1 :] if self.random.random() < 0.9 else TEAMS
        listed = self.random.sample(others, self.random.randint(0, len(others)))
        spec: dict[str, Any] = {
            "rule_id": "abc"[place], "stage": self.random.choice((1, 2, 2, 3, 4)), "team_id": TEAMS[place],
            "allocation_metadata": {"entity_type": "team"}, "rule_type": "proportional", "entity_ids": listed,
            "driver": self.random.choice(DRIVERS), "enabled": self.random.random() < 0.9,
            **self.random.choice(({}, {}, {"valid_from": "2026-10-16"}, {"match": {"resource_types": ["gpu"]}})),
        }  # fmt: skip
        if listed and self.random.random() < 0.4:
            spec |= {"rule_type": "equal_split", "driver": None}
        self.books.rule(spec)

    def delete_rule(self) -> None:
        found = self.books.query("SELECT rule_id, is_closing FROM allocation_rules WHERE rule_key ="
                                 " (SELECT max(rule_key) FROM allocation_rules) AND rule_key > 2")  # fmt: skip
        if found and not found[0].is_closing:
            self.books.delete_rule(found[0].rule_id)

    def draft(self) -> None:
        drafted = self.books.draft(self.random.choice(TEAMS), period="2026-10")
        if self.random.random() < 0.5:
            self.books.send(drafted.number)

    def bill(self) -> None:
        self.books.bill(self.random.choice(("2026-10", "2026-11")))

    def move(self) -> None:
        numbers = [
            row.number
            for row in self.books.query("SELECT number FROM invoices ORDER BY invoice_id")
        ]
        if numbers:
            wanted = self.random.choice(
                (InvoiceStatus.CANCELLED, InvoiceStatus.CANCELLED, *InvoiceStatus)
            )
            self.books.move(self.random.choice(numbers), wanted)


@pytest.mark.parametrize("seed", range(8))
def test_however_cost_is_passed_on_every_cent_is_somewhere_once(books: Books, seed: int) -> None:
    company = Company(books, seed)
    company.begin()
    for _ in range(STEPS):
        company.live()
        assert_sound()
    books.allocate("2026-12")
    books.query("UPDATE allocation_days SET is_dirty = true")
    assert books.allocate("2026-12").pools == 0
    with snapshot() as connection:
        found = [reconcile(connection, Period.parse(month)) for month in ("2026-10", "2026-11")]
    assert [one.difference for one in found] == [0, 0]
    assert sum(books.total_by_payer("2026-10/2026-11").values(), Decimal(0)) == company.used
