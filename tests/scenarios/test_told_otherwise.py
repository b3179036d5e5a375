"""The same story told otherwise gives the same books: in another order, in other parts, with other names, negated."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from itertools import pairwise
from random import Random
from typing import Any, NamedTuple

import pytest

from chargeback.ledger.database import snapshot
from chargeback.ledger.digest import digest
from tests.conftest import Ledger
from tests.ledger.books import Books
from tests.ledger.soundness import assert_sound

pytestmark = pytest.mark.spread
Record = Callable[[str, object], None]
Names = Mapping[str | None, str | None]
TEAMS, USERS, AGENTS = ("etl", "search", "web"), ("ana", "bob", "cat"), ("crawler", "helpdesk")
MEMBERS = {"etl": ("ana", "bob"), "search": ("bob", "cat"), "web": ("ana", "bob", "cat")}
# Each cell of a story is divided once and rounded to 10⁻¹⁸ then; a story has some sixty.
BLUR = Decimal("1e-16")
SEEDS = [
    range(1),
    *(pytest.param(range(n, n + 8), marks=pytest.mark.prove) for n in range(1, 33, 8)),
]


@dataclass
class Story:
    """What was used, under which rules, in the order in which it is told; what is delivered at once."""

    names: Names
    rows: list[dict[str, Any]]
    rules: list[dict[str, Any]]
    batch_records: int = 50_000
    deliveries: int = 1
    is_ruled_late: bool = False

    def tell(self, books: Books) -> "Told":
        """Live through it, bill October and look."""
        books.batch_records = self.batch_records
        books.import_yaml(_teams(self.names))
        ruled: list[Callable[[], object]] = [partial(books.rule, spec) for spec in self.rules]
        used: list[Callable[[], object]] = [
            partial(_deliver, books, self.rows[part :: self.deliveries])
            for part in range(self.deliveries)
        ]
        for step in used + ruled if self.is_ruled_late else ruled + used:
            step()
        books.bill("2026-10")
        with snapshot() as connection:
            whole = digest(connection)
        assert_sound()
        papers = books.query("SELECT team_id, user_id, total FROM invoices")
        return Told(
            whole,
            books.total_by_payer("2026-09/2026-10"),
            {(t, u): total for t, u, total in papers},
        )


class Told(NamedTuple):
    """What the books say then: their digest, what each payer bears, what each document comes to."""

    digest: str
    borne: dict[tuple[str | None, str | None], Decimal]
    totals: dict[tuple[str | None, str | None], Decimal]


def _deliver(books: Books, rows: Iterable[dict[str, Any]]) -> None:
    for row in rows:
        books.use(**row)
    books.load()
    books.allocate("2026-10")


def _teams(names: Names) -> str:
    members = (
        f"{{id: {names[team]}, members: [{', '.join(f'{{user: {names[user]}}}' for user in users)}]}}"
        for team, users in MEMBERS.items()
    )
    return f"teams: [{', '.join(members)}]"


def drawn(seed: int, names: Names, sign: int = 1) -> Story:
    """The story of a seed, with these names in it."""
    random = Random(seed)

    def one(*options: str | None) -> str | None:
        return names[random.choice(options)]

    rows = []
    for number in range(60):
        cost = Decimal(random.randint(-(10**6), 10**7)).scaleb(-random.choice((2, 6, 18)))
        rows.append({
            "team": one(None, *TEAMS), "user": one(None, *USERS), "agent": one(None, *AGENTS),
            "cost": f"{cost * sign:f}", "quantity": str(random.randint(0, 9) * sign),
            "day": f"2026-{random.choice(('09-30', '10-01', '10-05', '10-31'))}",
            "resource_type": random.choice(("image", "tokens")), "external_id": f"call-{number}",
        })  # fmt: skip
    to_teams = {"allocation_metadata": {"entity_type": "team"}}
    part = random.randint(1, 99)
    rules: list[dict[str, Any]] = [
        {"rule_id": "a", "rule_type": "fixed_split", "match": {"agent_ids": [one(*AGENTS)]}, **to_teams,
         "split_percentages": {names["etl"]: part, names["web"]: 100 - part}},
        {"rule_id": "b", "rule_type": "equal_split", "match": {"resource_types": ["image"]}, "priority": 90,
         "user_ids": [names[user] for user in USERS]},
        {"rule_id": "c", "rule_type": "by_team", "team_id": one(*TEAMS), "valid_from": "2026-10-02"},
        {"rule_id": "d", "rule_type": "by_user", "user_ids": [names["cat"]], "priority": 120},
        {"rule_id": "e", "rule_type": "fixed_split", "match": {"agent_ids": [names["helpdesk"]]}, "priority": 99,
         "split_percentages": {names["etl"]: "33.33", names["search"]: "33.33", names["web"]: "33.33"}, **to_teams},
    ]  # fmt: skip
    return Story(names, rows, rules)


def named(change: Callable[[str], str]) -> Names:
    every: dict[str | None, str | None] = {n: change(n) for n in (*TEAMS, *USERS, *AGENTS)}
    return {None: None, **every}


AS_THEY_ARE = named(str)
# The first keeps the order of the names, by which odd units are given; the second turns it round.
IN_ORDER = named(lambda name: f"-{name} é")
BACKWARDS = named(lambda name: f"{chr(ord('a') + ord('z') - ord(name[0]))}-{name}")


def anew(another_ledger: Callable[[], Ledger], story: Story) -> Told:
    return story.tell(Books(another_ledger()))


@pytest.mark.parametrize("seeds", SEEDS, ids=str)
def test_another_order_and_other_parts_give_the_same_books(
    another_ledger: Callable[[], Ledger], seeds: range, record_property: Record
) -> None:
    for seed in seeds:
        told = anew(another_ledger, drawn(seed, AS_THEY_ARE))
        for name, story in otherwise(seed).items():
            assert anew(another_ledger, story) == told, (name, seed)
    record_property("proof", ("stories told in another order or in parts", 5 * len(seeds)))


def otherwise(seed: int) -> dict[str, Story]:
    """The story in another order, in small batches, in several deliveries, with rules in another order, or late."""
    random = Random(seed)
    ways = ("shuffled", "small batches", "in parts", "rules", "late")
    told = {name: drawn(seed, AS_THEY_ARE) for name in ways}
    random.shuffle(told["shuffled"].rows)
    told["small batches"].batch_records = random.randint(1, 7)
    told["in parts"].deliveries = 3
    random.shuffle(told["rules"].rules)
    told["late"].is_ruled_late = True
    return told


@pytest.mark.parametrize("seeds", SEEDS, ids=str)
def test_other_names_and_the_other_sign_give_the_same_amounts(
    another_ledger: Callable[[], Ledger], seeds: range, record_property: Record
) -> None:
    for seed in seeds:
        told = anew(another_ledger, drawn(seed, AS_THEY_ARE))
        in_order = anew(another_ledger, drawn(seed, IN_ORDER))
        assert in_order.borne == renamed(told.borne, IN_ORDER)
        assert in_order.totals == renamed(told.totals, IN_ORDER)
        backwards = anew(another_ledger, drawn(seed, BACKWARDS)).borne
        right = renamed(told.borne, BACKWARDS)
        assert backwards.keys() == right.keys()
        assert all(abs(backwards[payer] - right[payer]) < BLUR for payer in right)
        assert sum(backwards.values()) == sum(right.values())
        negated = anew(another_ledger, drawn(seed, AS_THEY_ARE, -1))
        assert negated.borne == {payer: -cost for payer, cost in told.borne.items()}
        assert negated.totals == {payer: -total for payer, total in told.totals.items()}
    record_property("proof", ("stories told with other names or the other sign", 3 * len(seeds)))


def renamed(
    amounts: dict[tuple[str | None, str | None], Decimal], names: Names
) -> dict[tuple[str | None, str | None], Decimal]:
    return {(names[team], names[user]): amount for (team, user), amount in amounts.items()}


def test_the_names_of_a_story_are_as_told() -> None:
    ids = sorted(n for n in AS_THEY_ARE if n)
    for before, after in pairwise(ids):
        assert (IN_ORDER[before] or "") < (IN_ORDER[after] or "")
        assert (BACKWARDS[before] or "") > (BACKWARDS[after] or "") or before[0] == after[0]
    assert len({*BACKWARDS.values()}) == len(BACKWARDS)
