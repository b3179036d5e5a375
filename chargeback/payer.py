"""Whose cost it is: the one a document or an allocation is for."""

from dataclasses import dataclass

from chargeback.errors import Invalid
from models.enums import Scope


@dataclass(frozen=True)
class Payer:
    """A team, a user in any team or none, a user in a team; with neither id: all payers together."""

    team_id: str | None = None
    user_id: str | None = None

    @property
    def scope(self) -> Scope:
        """The scope these ids make."""
        if self.team_id is not None:
            return Scope.TEAM if self.user_id is None else Scope.TEAM_USER
        return Scope.ALL if self.user_id is None else Scope.USER

    def __str__(self) -> str:
        names = {
            Scope.TEAM: f"team {self.team_id}",
            Scope.USER: f"user {self.user_id}",
            Scope.TEAM_USER: f"user {self.user_id} in team {self.team_id}",
            Scope.ALL: "all payers",
        }
        return names[self.scope]


def billed(team_id: str | None, user_id: str | None, *, everybody: bool) -> Payer:
    """Whom a person asked to bill. Raises Invalid where that is nobody, or both somebody and everybody."""
    if everybody == bool(team_id or user_id):
        raise Invalid(
            "payer_missing",
            "say whom to bill: a team, a user or both for one payer, or everybody (--all) alone for all together",
        )
    return Payer(team_id or None, user_id or None)
