"""The YAML file that says who pays: teams, users, members, budgets, owners and rules, read into plain values.

Owns its shape and its checks, not the ledger. What the file names is made so; what it does not name stays.
"""

from collections.abc import Hashable, Iterable, Mapping
from datetime import date
from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Any, Self

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from chargeback import rules
from chargeback.errors import Invalid
from chargeback.rule import Rule
from chargeback.rule_reading import LONGEST_ID, id_of
from chargeback.storable import is_storable
from models.enums import OwnedKind


def _checked_id(value: str) -> str:
    try:
        return id_of(value, "the id")
    except Invalid as error:
        raise ValueError(error.message) from None


def _printable(value: str) -> str:
    if not is_storable(value):
        raise ValueError("holds a NUL or half a character; remove it")
    if len(value) > LONGEST_ID:
        # It stands in the head of an invoice, which has to fit on a page.
        raise ValueError(f"has {len(value)} characters; give {LONGEST_ID} at most")
    return value


Id = Annotated[str, AfterValidator(_checked_id)]
Text = Annotated[str, AfterValidator(_printable)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Dated(_Strict):
    """Something true from one day up to, and without, another; without dates always."""

    valid_from: date = Field(date.min, alias="from")
    valid_to: date = Field(date.max, alias="to")

    @model_validator(mode="after")
    def _begins_before_it_ends(self) -> Self:
        if self.valid_from >= self.valid_to:
            raise ValueError(f"from {self.valid_from} is not before to {self.valid_to}")
        return self


class Member(Dated):
    """A user in a team; at `home` its usage without team is the team's."""

    user: Id
    home: bool = False


class Billing(_Strict):
    """How a payer is billed; `tax_rate` is a fraction in quotes, '0.21' for 21 %."""

    name: Text | None = None
    cost_center: Text | None = None
    contact: Text | None = None
    net_days: int | None = Field(None, ge=0, le=3650)
    tax_rate: Decimal | None = Field(None, ge=0, le=1, max_digits=7, decimal_places=6)


class Budget(Dated):
    """What a team may spend in each calendar month that begins within its days.

    Units: `amount` per month, in the ledger's currency; `thresholds` in percent of it, none for those of the settings.
    """

    amount: Decimal = Field(gt=0, max_digits=38, decimal_places=18)
    thresholds: tuple[Annotated[int, Field(ge=1, le=1000)], ...] = Field((), max_length=20)

    @model_validator(mode="after")
    def _of_whole_months(self) -> Self:
        for day in (self.valid_from, self.valid_to):
            if day.day != 1 and day != date.max:
                raise ValueError(
                    f"{day} is no first day of a month, and budgets are of whole months"
                )
        return self


class Team(Billing):
    """A team; `members` and `budgets`, where given, are all of them."""

    id: Id
    members: tuple[Member, ...] | None = None
    budgets: tuple[Budget, ...] | None = None


class User(Billing):
    """A user who may be charged alone."""

    id: Id


class Owner(Dated):
    """A team that owns an agent, an account or a tag value for some time."""

    team: Id


class PayersFile(_Strict):
    """The whole file, checked."""

    teams: tuple[Team, ...] = ()
    users: tuple[User, ...] = ()
    owners: dict[OwnedKind, dict[Id, tuple[Owner, ...]]] = {}
    rules: tuple[dict[str, Any], ...] = ()

    @property
    def parsed_rules(self) -> list[Rule]:
        """The rules; raises Invalid for one that cannot work."""
        return [rules.parse(spec) for spec in self.rules]


class TextLoader(yaml.SafeLoader):
    """Numbers with a point stay text, so that a tax rate or a percentage never is a float; no key comes twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """The mapping; raises a YAML error where a key stands twice, of which one would be lost."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key!r} stands twice", node.start_mark
                )
        return super().construct_mapping(node, deep)


TextLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:float"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read(content: str, name: str) -> PayersFile:
    """The file's content, checked whole before anything is done with it.

    Raises Invalid naming the file, the place in it and what is wrong there.
    """
    try:
        document = yaml.load(content, Loader=TextLoader)  # noqa: S506 - a SafeLoader
        found = PayersFile.model_validate(document or {})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the top"
        raise Invalid(
            "payers_file_invalid", f"{name}, at {place}: {first['msg']}; nothing was changed"
        ) from error
    except (yaml.YAMLError, ValueError) as error:
        said = " ".join(str(error).split())
        raise Invalid(
            "payers_file_invalid",
            f"{name} is not YAML that can be read: {said}; nothing was changed",
        ) from error
    _refuse_repeats(found, name)
    for rule in found.rules:
        rules.parse(rule)
    return found


def _refuse_repeats(found: PayersFile, name: str) -> None:
    for kind, ids in (
        ("team", [team.id for team in found.teams]),
        ("user", [user.id for user in found.users]),
        ("rule", [str(rule.get("rule_id")) for rule in found.rules]),
    ):
        twice = sorted({one for one in ids if ids.count(one) > 1})
        if twice:
            raise Invalid(
                "payers_file_invalid",
                f"{name} names {kind} {twice[0]!r} twice; nothing was changed",
            )
    for team in found.teams:
        _refuse_overlaps(
            name, f"member of team {team.id}", [(m.user, m) for m in team.members or ()]
        )
        _refuse_overlaps(name, "budget of team", [(team.id, one) for one in team.budgets or ()])
    homes = [(m.user, m) for team in found.teams for m in team.members or () if m.home]
    _refuse_overlaps(name, "home team of user", homes)
    for kind, owned in found.owners.items():
        _refuse_overlaps(
            name, f"owner of {kind}", [(key, o) for key, owners in owned.items() for o in owners]
        )


def _refuse_overlaps(name: str, what: str, dated: Iterable[tuple[str, Dated]]) -> None:
    """Two that hold at once for one key cannot both be true."""
    by_key: dict[str, list[Dated]] = {}
    for key, one in dated:
        by_key.setdefault(key, []).append(one)
    for key, several in by_key.items():
        several.sort(key=lambda one: one.valid_from)
        for earlier, later in pairwise(several):
            if later.valid_from < earlier.valid_to:
                raise Invalid(
                    "payers_file_invalid",
                    f"{name} has two at once as {what} {key!r} on {later.valid_from}; "
                    "end the first with `to:` before the second begins; nothing was changed",
                )


def as_mapping(billing: Billing) -> Mapping[str, Any]:
    """The billing facts that the file gives; what it leaves out stays as it is."""
    return billing.model_dump(include=set(Billing.model_fields), exclude_none=True)
