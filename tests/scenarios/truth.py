"""What is so in a company, worked out without the product: who bears which cost, what each document says.

A second reading of the rules, in whole numbers of 10⁻¹⁸ of the currency (fractions where a share does not come out
even), and of the way a document may go. Nothing here is imported from what it judges.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

CENT = 10**16
TEAMS, USERS = ("etl", "search"), ("ana", "bob", "cat")
TAX_PERCENT = {"search": 19}
# Where a document may go from where it is.
WAYS: Mapping[str, tuple[str, ...]] = {
    "draft": ("pending", "sent", "cancelled"),
    "pending": ("draft", "sent", "cancelled"),
    "sent": ("paid", "overdue", "cancelled"),
    "overdue": ("paid", "cancelled"),
    "paid": (),
    "cancelled": (),
}

Payer = tuple[str | None, str | None]
Shares = dict[Payer, Fraction]


def units(amount: Decimal) -> int:
    """How many 10⁻¹⁸ an amount is; it has no more decimals than that."""
    sign, digits, exponent = amount.as_tuple()
    assert isinstance(exponent, int)
    assert exponent >= -18 or not any(digits[exponent + 18 :]), amount
    whole = int("".join(map(str, digits)))
    scaled: int = (
        whole * 10 ** (exponent + 18) if exponent >= -18 else whole // 10 ** -(exponent + 18)
    )
    return -scaled if sign else scaled


def rounded(amount: int, unit: int = CENT) -> int:
    """To the nearest multiple of `unit`, a tie away from zero."""
    nearest: int = (2 * abs(amount) + unit) // (2 * unit) * unit
    return nearest if amount >= 0 else -nearest


@dataclass(frozen=True)
class Used:
    """One usage record as it is now."""

    team: str | None
    user: str | None
    agent: str | None
    account: str | None
    day: str
    cost: int
    quantity: int


@dataclass(frozen=True)
class Version:
    """One version of a rule: whom it takes from and to whom it gives; without `kind` it was deleted."""

    kind: str | None
    match: Mapping[str, str] = field(default_factory=dict)
    shares: Mapping[str, int] = field(default_factory=dict)
    priority: int = 100
    is_enabled: bool = True
    since: str = ""

    def takes(self, used: Used, team: str | None) -> bool:
        """Whether all that it asks for is so; what is not known is never asked for in vain."""
        has = {"agent": used.agent, "account": used.account, "team": team, "user": used.user}
        return all(has[what] == wanted for what, wanted in self.match.items())

    def gives(self, team: str | None, members: Mapping[str, tuple[str, ...]]) -> Shares:
        """Each payer's part of 1."""
        if self.kind == "by_team":
            assert team is not None
            return {(team, user): Fraction(1, len(members[team])) for user in members[team]}
        whole = sum(self.shares.values())
        return {
            ((name, None) if name in TEAMS else (None, name)): Fraction(part, whole)
            for name, part in self.shares.items()
            if part
        }


@dataclass
class Paper:
    """A document as it must be: its status, and once it left draft nothing else of it ever moves."""

    status: str
    exact: int
    total: int
    due: date | None
    payer: Payer
    month: str
    is_from_run: bool
    credits: str | None

    @property
    def is_note(self) -> bool:
        """Whether it is a credit note, which never moves."""
        return self.credits is not None

    @property
    def is_open(self) -> bool:
        """Whether it bills its month still."""
        return self.status != "cancelled"


class Truth:
    """What is so."""

    def __init__(self) -> None:
        self.usage: dict[str, Used] = {}
        self.owners: dict[tuple[str, str], str] = {}
        self.members: dict[str, tuple[str, ...]] = {}
        self.rules: dict[str, list[Version]] = defaultdict(list)
        self.papers: dict[str, Paper] = {}

    @property
    def used(self) -> int:
        """What all usage costs."""
        return sum(used.cost for used in self.usage.values())

    def borne(self) -> dict[Payer, dict[str, Fraction]]:
        """What each payer bears of each day; (None, None) is nobody."""
        borne: dict[Payer, dict[str, Fraction]] = defaultdict(lambda: defaultdict(Fraction))
        for used in self.usage.values():
            for payer, part in self._shares(used).items():
                borne[payer][used.day] += part * used.cost
        return borne

    def _shares(self, used: Used) -> Shares:
        team = used.team or self._owner("account", used.account) or self._owner("agent", used.agent)
        for version in self._asked(used.day):
            if version.takes(used, team):
                return version.gives(team, self.members)
        return {(team, used.user): Fraction(1)}

    def _owner(self, kind: str, name: str | None) -> str | None:
        return None if name is None else self.owners.get((kind, name))

    def _asked(self, day: str) -> Iterator[Version]:
        """The rules of a day in the order in which they are asked."""
        newest: dict[str, Version] = {}
        for rule_id, versions in self.rules.items():
            for version in versions:
                if version.since <= day:
                    newest[rule_id] = version
        order = sorted(newest, key=lambda one: (newest[one].priority, -len(newest[one].match), one))
        return (newest[one] for one in order if newest[one].kind and newest[one].is_enabled)

    def decide(self, rule_id: str, version: Version) -> None:
        """A rule's next version; an edit keeps the date of what it edits unless it brings its own."""
        held = self.rules[rule_id]
        if held and held[-1].kind and not version.since:
            version = Version(**{**vars(version), "since": held[-1].since})
        if not held or held[-1] != version:
            held.append(version)

    def delete(self, rule_id: str) -> None:
        """A rule that speaks no more, on any day."""
        self.rules[rule_id].append(Version(None))

    def billed(self) -> int:
        """What all issued documents come to: those cancelled count as nothing, with their credit notes."""
        return sum(
            paper.exact
            for paper in self.papers.values()
            if paper.status in ("sent", "overdue", "paid") and not paper.is_note
        )

    def may_go(self, number: str, wanted: str) -> bool:
        """Whether the document may be moved so, leaving aside that it may be stale."""
        paper = self.papers[number]
        return not paper.is_note and wanted in WAYS[paper.status]

    def refusals(self, number: str, wanted: str) -> tuple[str, ...]:
        """The codes with which the move may be, or where it does not exist has to be, refused."""
        paper = self.papers[number]
        if paper.is_note:
            return ("credit_note_never_moves",)
        if self.may_go(number, wanted):
            return ("invoice_stale",) if wanted in ("sent", "pending") else ()
        is_there = paper.status == wanted
        is_settled = wanted == "sent" and paper.status == "paid" and paper.total <= 0
        return () if is_there or is_settled else ("status_refused",)

    def overdue(self, today: date) -> set[str]:
        """What is past its last day to be paid."""
        return {
            number
            for number, paper in self.papers.items()
            if paper.status == "sent" and paper.due is not None and paper.due < today
        }


def printed(exact: int, team: str | None) -> int:
    """The total on paper of what costs `exact`: rounded once, then taxed once."""
    subtotal = rounded(exact)
    return subtotal + rounded(subtotal * TAX_PERCENT.get(team or "", 0), 100 * CENT) // 100


def as_spec(rule_id: str, version: Version) -> dict[str, Any]:
    """The rule as a person writes it."""
    spec: dict[str, Any] = {"rule_id": rule_id, "rule_type": version.kind, "priority": version.priority,
                            "enabled": version.is_enabled}  # fmt: skip
    spec["match"] = {
        f"{what}_ids": [name]
        for what, name in version.match.items()
        if what in ("agent", "account")
    }
    if version.since:
        spec["valid_from"] = version.since
    if version.kind == "fixed_split":
        spec["split_percentages"] = {name: str(part) for name, part in version.shares.items()}
        spec["allocation_metadata"] = {"entity_type": "team"}
    elif version.kind == "by_team":
        spec["team_id"] = version.match["team"]
    else:
        spec["user_ids"] = list(version.shares)
    return spec
