"""What is typed into a form: refused before there is a run, or ended in one sentence; without a Prefect server.

Each value goes through both doors: the form's schema, which the server holds against it, and the flow's own
signature, which the worker holds against it. The numbers are those of `tests/scenarios/bad_input.yaml`.
"""

import logging
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from prefect import Flow
from prefect.exceptions import ParameterBindError, ParameterTypeError
from prefect.utilities.callables import parameter_schema
from prefect.utilities.schema_tools.validation import ValidationError, validate

from chargeback.errors import ChargebackError, Invalid
from chargeback.payer import billed
from flows.forms import closed
from flows.invoice_on_demand import invoice_on_demand
from flows.monthly_billing import monthly_billing
from flows.overdue_sweep import overdue_sweep
from flows.reallocation import reallocation
from flows.recording import asked_period
from flows.retention import retention
from flows.usage_sync import usage_sync

pytestmark = pytest.mark.proof
Record = Callable[[str, object], None]
SOURCES = ["cost-tracker"]


class Typed(NamedTuple):
    """What was typed into which form; `says` are words of the form's refusal."""

    number: int
    flow: Flow[Any, Any]
    parameters: dict[str, Any]
    says: str
    is_refused_by_signature: bool = True


TYPED = [
    Typed(169, monthly_billing, {"period": "2024-13"}, "period"),
    Typed(170, monthly_billing, {"period": "2024-1"}, "period"),
    Typed(170, monthly_billing, {"period": "01/2024"}, "period"),
    Typed(170, monthly_billing, {"period": "2026-10-32"}, "period"),
    Typed(170, monthly_billing, {"period": 202610}, "period"),
    Typed(170, monthly_billing, {"period": None}, "period"),
    Typed(171, retention, {"keep_months": "x"}, "keep_months"),
    Typed(171, retention, {"keep_months": -1}, "keep_months"),
    Typed(171, retention, {"keep_months": 10**9}, "keep_months"),
    Typed(171, overdue_sweep, {"as_of": "soon"}, "as_of"),
    Typed(171, overdue_sweep, {"as_of": "2026-02-30x"}, "as_of"),
    Typed(171, monthly_billing, {"business_date": 20261101.5}, "business_date"),
    Typed(172, monthly_billing, {"month": "2026-10"}, "month"),
    Typed(172, invoice_on_demand, {"team_id": "search"}, "team_id"),
    Typed(173, monthly_billing, {"period": "2026-10", "start": "2026-10-01", "end": "2026-10-31"}, "start"),
    Typed(174, invoice_on_demand, {"team": []}, "team"),
    Typed(174, invoice_on_demand, {"team": None}, "team"),
    Typed(174, invoice_on_demand, {"team": "x" * 256}, "team"),
    Typed(174, invoice_on_demand, {"number": "x" * 101}, "number"),
    # The signature knows no names of sources; the run then finds none of that name and says which there are.
    Typed(175, usage_sync, {"source": "another"}, "cost-tracker", False),
    Typed(176, usage_sync, {"source": "https://tracker/?key=canary-secret"}, "source"),
    Typed(176, usage_sync, {"source": "postgres://user:canary-secret@host/db"}, "source"),
    Typed(177, reallocation, {"reason": ""}, "reason"),
    Typed(177, reallocation, {"period": "2026-10"}, "reason"),
    # Read as false where a program says so; the form offers a switch and takes no word.
    Typed(178, invoice_on_demand, {"everybody": "false"}, "everybody", False),
    Typed(178, invoice_on_demand, {"everybody": "maybe"}, "everybody"),
    Typed(178, retention, {"action": "burn"}, "action"),
]  # fmt: skip
CONTRADICTIONS: list[tuple[int, Callable[[], object], str]] = [
    (116, lambda: billed("search", "", everybody=True), "say whom to bill"),
    (117, lambda: billed("", "", everybody=False), "say whom to bill"),
    (100, lambda: asked_period("2026-10-31/2026-10-01"), "give an end after the start"),
    (55, lambda: asked_period("2026-10-01 to 2026-02-30"), "not in the calendar"),
]


@pytest.mark.parametrize("typed", TYPED, ids=lambda one: f"{one.number}-{one.flow.name}")
def test_what_cannot_be_is_refused_at_the_form_and_by_the_flow(
    typed: Typed, record_property: Record, caplog: pytest.LogCaptureFixture
) -> None:
    schema = closed(parameter_schema(typed.flow).model_dump(), SOURCES)
    with pytest.raises(ValidationError) as refused:
        validate(typed.parameters, schema, raise_on_error=True)
    said = str(refused.value)
    assert typed.says in said
    with caplog.at_level(logging.CRITICAL, "prefect.flows"):
        said = refusal_by_signature(typed)
    assert bool(said) is typed.is_refused_by_signature
    assert "canary-secret" not in said
    record_property("proof", ("bad parameters of flows", 1))


def refusal_by_signature(typed: Typed) -> str:
    """What the flow itself says of the parameters; nothing where it takes them."""
    try:
        typed.flow.validate_parameters(bound(typed))
    except (ParameterTypeError, ParameterBindError, TypeError) as error:
        return str(error)
    return ""


def bound(typed: Typed) -> dict[str, Any]:
    """The parameters as the signature takes them; one that it lacks is refused here already."""
    from prefect.utilities.callables import get_call_parameters

    return get_call_parameters(typed.flow.fn, (), typed.parameters)


@pytest.mark.parametrize("number", range(len(CONTRADICTIONS)))
def test_fields_that_contradict_each_other_are_refused_in_one_sentence(
    number: int, record_property: Record
) -> None:
    _, ask, says = CONTRADICTIONS[number]
    with pytest.raises(ChargebackError, match=says) as refused:
        ask()
    assert isinstance(refused.value, Invalid)
    record_property("proof", ("bad parameters of flows", 1))
