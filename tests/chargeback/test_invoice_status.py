"""Invoice status: eleven moves, and a reason for each of the other nineteen."""

from itertools import product

import pytest

from chargeback import invoice_status
from chargeback.errors import Invalid, Refused
from models.enums import InvoiceStatus as S

MOVES = {
    (S.DRAFT, S.PENDING),
    (S.DRAFT, S.SENT),
    (S.DRAFT, S.CANCELLED),
    (S.PENDING, S.DRAFT),
    (S.PENDING, S.SENT),
    (S.PENDING, S.CANCELLED),
    (S.SENT, S.PAID),
    (S.SENT, S.OVERDUE),
    (S.SENT, S.CANCELLED),
    (S.OVERDUE, S.PAID),
    (S.OVERDUE, S.CANCELLED),
}
BAD_MOVES = [(a, b) for a, b in product(S, S) if a is not b and (a, b) not in MOVES]
NUMBER = "INV-20261101-0001"


@pytest.mark.parametrize(("current", "wanted"), sorted(MOVES))
def test_the_moves_of_the_table_are_made(current: S, wanted: S) -> None:
    assert invoice_status.check(NUMBER, current, wanted) is True


@pytest.mark.parametrize(("current", "wanted"), BAD_MOVES)
def test_nothing_else_is(current: S, wanted: S) -> None:
    with pytest.raises(Refused, match=f"{NUMBER} is {current} and cannot become {wanted}") as no:
        invoice_status.check(NUMBER, current, wanted)
    assert no.value.code == "status_refused"


def test_there_are_nineteen_bad_moves() -> None:
    assert len(BAD_MOVES) == 19


@pytest.mark.parametrize("status", S)
def test_the_same_status_again_changes_nothing(status: S) -> None:
    assert invoice_status.check(NUMBER, status, status) is False


def test_a_refusal_names_the_allowed_moves() -> None:
    with pytest.raises(Refused) as refused:
        invoice_status.check(NUMBER, S.SENT, S.DRAFT)
    assert str(refused.value) == (
        "INV-20261101-0001 is sent and cannot become draft; it may become paid, overdue, cancelled."
    )


def test_a_paid_invoice_never_goes_back_to_draft() -> None:
    with pytest.raises(Refused, match="it stays as it is"):
        invoice_status.check(NUMBER, S.PAID, S.DRAFT)


def test_where_approval_is_required_a_draft_is_not_sent() -> None:
    with pytest.raises(Refused, match="make it pending first") as refused:
        invoice_status.check(NUMBER, S.DRAFT, S.SENT, require_approval=True)
    assert refused.value.code == "approval_required"
    assert invoice_status.allowed(S.DRAFT, require_approval=True) == {S.PENDING, S.CANCELLED}


def test_without_the_setting_a_draft_may_be_sent() -> None:
    assert invoice_status.allowed(S.DRAFT) == {S.PENDING, S.SENT, S.CANCELLED}


def test_an_approved_invoice_is_sent() -> None:
    assert invoice_status.check(NUMBER, S.PENDING, S.SENT, require_approval=True) is True


def test_the_guide_took_any_string_as_a_status_and_we_take_six() -> None:
    with pytest.raises(Invalid) as refused:
        invoice_status.parse("zzz")
    assert str(refused.value) == (
        "'zzz' is no invoice status; write one of draft, pending, sent, paid, overdue, cancelled."
    )
    assert [invoice_status.parse(text) for text in S] == list(S)
    with pytest.raises(Invalid):
        invoice_status.parse("PAID")
