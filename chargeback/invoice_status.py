"""Invoice status: the moves a document may make, and the answer when it may not.

Owns the one table of transitions. The guarded UPDATE, its audit row and the trigger that holds
the same table are the ledger's. A credit note is born paid and therefore never moves.
"""

from collections.abc import Mapping
from typing import Final

from chargeback.errors import Invalid, Refused
from models.enums import InvoiceStatus as S

TRANSITIONS: Final[Mapping[S, frozenset[S]]] = {
    S.DRAFT: frozenset({S.PENDING, S.SENT, S.CANCELLED}),
    S.PENDING: frozenset({S.DRAFT, S.SENT, S.CANCELLED}),
    S.SENT: frozenset({S.PAID, S.OVERDUE, S.CANCELLED}),
    S.OVERDUE: frozenset({S.PAID, S.CANCELLED}),
    S.PAID: frozenset(),
    S.CANCELLED: frozenset(),
}


def parse(text: str) -> S:
    """The status that `text` names. Raises Invalid (`status_unknown`), listing the six."""
    try:
        return S(text)
    except ValueError:
        known = ", ".join(S)
        raise Invalid(
            "status_unknown", f"{text!r} is no invoice status; write one of {known}."
        ) from None


def allowed(current: S, require_approval: bool = False) -> frozenset[S]:
    """Where a document may go from `current`; where approval is needed, never straight to sent."""
    if require_approval and current is S.DRAFT:
        return TRANSITIONS[current] - {S.SENT}
    return TRANSITIONS[current]


def check(number: str, current: S, wanted: S, require_approval: bool = False) -> bool:
    """Whether document `number` has to move to get to `wanted`: False when it is there already.

    Raises Refused: `approval_required` when only the approval is missing, else `status_refused`.
    """
    if wanted is current:
        return False
    moves = allowed(current, require_approval)
    if wanted in moves:
        return True
    if wanted in TRANSITIONS[current]:
        raise Refused(
            "approval_required",
            f"{number} is {current} and needs approval before it is {wanted}; "
            f"make it {S.PENDING} first.",
        )
    raise Refused(
        "status_refused", f"{number} is {current} and cannot become {wanted}; {_way(moves)}."
    )


def _way(moves: frozenset[S]) -> str:
    """What may be done instead, in the order of the six statuses."""
    if not moves:
        return "it stays as it is, so bill or credit with a new document"
    return f"it may become {', '.join(status for status in S if status in moves)}"
