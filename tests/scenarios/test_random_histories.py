"""Any history of usage, changes, rules, owners, invoices, cancellations and reallocations comes out right.

After each step every invariant holds. In the end the frozen cost is reallocated and all is billed: then every payer's
documents add up to what somebody who knew everything from the beginning would have charged.
"""

from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.enums import InvoiceStatus
from tests.conftest import Ledger
from tests.ledger.books import Books
from tests.ledger.soundness import assert_sound

MONTHS = ("2026-09", "2026-10", "2026-11")
DAYS = ("2026-09-05", "2026-09-30", "2026-10-05", "2026-10-31", "2026-11-20")
TEAMS, USERS = ("etl", "search"), ("ana", "bob", "cat")
ACCOUNTS, AGENTS = ("acme", "beta"), ("crawler", "helpdesk")
# Of all the amounts that a split leaves a remainder of, and one that is nothing.
# Always the same few histories, to be quick; a hunt takes hundreds, drawn anew.
EXAMPLES, STEPS, IS_HUNT = 10, 12, False
COSTS = st.one_of(
    st.just(Decimal(0)),
    st.decimals("-50", "200", places=2),
    st.decimals("0.000000000000000001", "0.00000000000000001", places=18),
)
FACTS = st.fixed_dictionaries(
    {
        "team": st.sampled_from((None, *TEAMS)),
        "user": st.sampled_from((None, *USERS)),
        "agent": st.sampled_from((None, *AGENTS)),
        "account": st.sampled_from((None, *ACCOUNTS)),
        "day": st.sampled_from(DAYS),
        "cost": COSTS,
        "quantity": st.integers(0, 5),
    }
)
MATCHES: tuple[dict[str, Any], ...] = ({}, {"agent_ids": ["helpdesk"]}, {"account_ids": ["acme"]})
SHARES = st.one_of(
    st.integers(0, 100).map(lambda p: {"etl": Fraction(p), "search": Fraction(100 - p)}),
    st.sampled_from(({"etl": Fraction(1)}, {"ana": Fraction(1), "bob": Fraction(1), "cat": Fraction(1)})),
)  # fmt: skip

NUMBERS = st.integers(0, 30)

Payer = tuple[str | None, str | None]


class Omniscient:
    """What is so in the end, and who would bear it: a second reading of the rules, in fractions."""

    def __init__(self) -> None:
        self.usage: dict[str, dict[str, Any]] = {}
        self.owners: dict[str, str] = {}
        self.rules: dict[str, tuple[dict[str, Any], dict[str, Fraction]]] = {}

    def billed(self) -> dict[Payer, Fraction]:
        """Per team, and per user charged alone, what all usage comes to."""
        total: dict[Payer, Fraction] = defaultdict(Fraction)
        for used in self.usage.values():
            team = used["team"] or self.owners.get(used["account"] or "")
            for payer, share in self._shares(team, used).items():
                total[payer] += share * Fraction(used["cost"])
        total.pop((None, None), None)
        return total

    def _shares(self, team: str | None, used: dict[str, Any]) -> dict[Payer, Fraction]:
        order = sorted(self.rules.items(), key=lambda item: (not item[1][0], item[0]))
        for _, (match, shares) in order:
            if self._takes(match, used):
                whole = sum(shares.values())
                return {
                    ((name, None) if name in TEAMS else (None, name)): part / whole
                    for name, part in shares.items()
                }
        return {(team, None) if team else (None, used["user"]): Fraction(1)}

    @staticmethod
    def _takes(match: dict[str, Any], used: dict[str, Any]) -> bool:
        return used["agent"] in match.get("agent_ids", (used["agent"],)) and used[
            "account"
        ] in match.get("account_ids", (used["account"],))


class History:
    """A company's books, and beside them what is so."""

    def __init__(self, books: Books) -> None:
        self.books = books
        self.truth = Omniscient()
        self.made = 0

    def begin(self, rows: list[dict[str, Any]]) -> None:
        """Something is billed from the beginning, so that it can turn out otherwise."""
        self.own("acme", "etl")
        self.decide(
            "one", {"agent_ids": ["helpdesk"]}, {"etl": Fraction(60), "search": Fraction(40)}
        )
        self.use(rows)
        for month in MONTHS:
            self.bill(month, True)

    def use(self, rows: list[dict[str, Any]]) -> None:
        """New usage, often late."""
        for facts in rows:
            self.made += 1
            self._deliver(f"call-{self.made}", facts)
        self.books.load()

    def change(self, number: int, facts: dict[str, Any], is_cost_only: bool) -> None:
        """Usage delivered again, otherwise: in its cost alone, or in everything."""
        if self.made:
            name = f"call-{number % self.made + 1}"
            held = self.truth.usage.get(name)
            self._deliver(name, held | {"cost": facts["cost"]} if held and is_cost_only else facts)
            self.books.load()

    def _deliver(self, name: str, facts: dict[str, Any]) -> None:
        self.truth.usage[name] = facts
        texts = facts | {"cost": f"{facts['cost']:f}", "quantity": str(facts["quantity"])}
        self.books.use(**texts, external_id=name)

    def withdraw(self, number: int) -> None:
        """Usage that should not be there."""
        if self.made:
            name = f"call-{number % self.made + 1}"
            self.truth.usage.pop(name, None)
            self.books.withdraw(name)

    def decide(self, rule_id: str, match: dict[str, Any], shares: dict[str, Fraction]) -> None:
        """A rule, or its next version."""
        spec: dict[str, Any] = {"rule_id": rule_id, "match": match, "rule_type": "equal_split",
                                "user_ids": list(shares)}  # fmt: skip
        if set(shares) <= set(TEAMS):
            percentages = {
                name: str(100 * part / sum(shares.values())) for name, part in shares.items()
            }
            spec = {"rule_id": rule_id, "match": match, "rule_type": "fixed_split", "split_percentages": percentages,
                    "allocation_metadata": {"entity_type": "team"}}  # fmt: skip
        self.books.rule(spec)
        self.truth.rules[rule_id] = (match, shares)

    def own(self, account: str, team: str) -> None:
        """An account turns out to have been a team's all along."""
        self.books.import_yaml(f"owners: {{account: {{{account}: [{{team: {team}}}]}}}}")
        self.truth.owners[account] = team

    def bill(self, month: str, is_issued: bool) -> None:
        """Everybody's invoices of a month, as drafts or issued."""
        numbers = [drafted.number for drafted in self.books.run(month)]
        if is_issued:
            self.books.send(*numbers)

    def bill_one(self, team: str, period: str) -> None:
        """One team's invoice, now."""
        drafted = self.books.draft(team, period=period)
        if drafted.outcome != "issued":
            self.books.send(drafted.number)

    def cancel(self, number: int) -> None:
        """A document that was wrong."""
        held = self.books.query(
            """SELECT number FROM invoices WHERE kind = 'invoice' AND status IN ('draft', 'sent', 'overdue')
               ORDER BY invoice_id"""
        )
        if held:
            self.books.cancel(held[number % len(held)].number)

    def reallocate(self, month: str) -> None:
        """Shares that turned out wrong."""
        self.books.reallocate(month)
        assert self.books.reallocate(month).cells == 0

    def end(self) -> None:
        """Settle everything; then everybody's documents say what is so."""
        for row in self.books.query("SELECT number FROM invoices WHERE status = 'draft'"):
            self.books.move(row.number, InvoiceStatus.CANCELLED)
        for month in MONTHS:
            self.books.allocate(month)
            self.books.reallocate(month)
        for month in (*MONTHS, "2026-12"):
            self.books.bill(month)
        assert_sound()
        billed = {payer: Fraction(total) for payer, total in self.books.billed_by_payer().items()}
        for payer, right in self.truth.billed().items():
            # A share is rounded to 10⁻¹⁸ each time a cell is divided.
            assert abs(billed.pop(payer, Fraction(0)) - right) < Fraction(1, 10**15), payer
        assert all(abs(total) < Fraction(1, 10**15) for total in billed.values()), billed


def act(
    name: str, **drawn: st.SearchStrategy[Any]
) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    """Something that happens, with what it happens to."""
    return st.tuples(st.just(name), st.fixed_dictionaries(drawn))


ACTS = st.one_of(
    act("use", rows=st.lists(FACTS, min_size=1, max_size=3)),
    act("change", number=NUMBERS, facts=FACTS, is_cost_only=st.booleans()),
    act("withdraw", number=NUMBERS),
    act("decide", rule_id=st.sampled_from(("one", "two")), match=st.sampled_from(MATCHES), shares=SHARES),
    act("own", account=st.sampled_from(ACCOUNTS), team=st.sampled_from(TEAMS)),
    act("bill", month=st.sampled_from(MONTHS), is_issued=st.booleans()),
    act("bill_one", team=st.sampled_from(TEAMS), period=st.sampled_from((*MONTHS, "2026-10-01/2026-10-10"))),
    act("cancel", number=NUMBERS),
    act("reallocate", month=st.sampled_from(MONTHS)),
)  # fmt: skip


@settings(
    max_examples=EXAMPLES,
    derandomize=not IS_HUNT,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(
    first=st.lists(FACTS, min_size=4, max_size=6),
    acts=st.lists(ACTS, min_size=STEPS, max_size=STEPS + 4),
)
def test_every_payer_is_charged_in_the_end_what_is_right(
    another_ledger: Callable[[], Ledger],
    first: list[dict[str, Any]],
    acts: list[tuple[str, dict[str, Any]]],
) -> None:
    history = History(Books(another_ledger()))
    history.begin(first)
    assert_sound()
    for name, drawn in acts:
        getattr(history, name)(**drawn)
        assert_sound()
    history.end()
