"""Whatever is sent: no mistake of the server, no answer that the OpenAPI document does not tell of.

`make fuzz` (API_REQUESTS=5000) sends thousands of requests; by default there are some hundred, to stay quick.
"""

import os
import warnings
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi import checks

from entrypoints.api.app import make_app
from entrypoints.api.document import openapi
from tests.entrypoints.api.door import JANUARY, Door

CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]
SCHEMA = schemathesis.openapi.from_dict(openapi(make_app()))
OPERATIONS = [found.ok() for found in SCHEMA.get_all_operations() if isinstance(found, Ok)]
REQUESTS = int(os.environ.get("API_REQUESTS", "250"))
EACH = -(-REQUESTS // len(OPERATIONS))


def fill(door: Door) -> dict[str, str]:
    """A little of everything, so that what is asked for is sometimes there; known ids by their parameter."""
    door.use("5", team_id="team-123", user_id="user-456", usage_id="u")
    rule = {"rule_id": "r", "name": "R", "rule_type": "by_team", "team_id": "team-123"}
    door.post("/allocation-rules", rule, 201)
    invoice = door.post("/invoices", {**JANUARY, "team_id": "team-123"}, 201)["invoice"]
    share = door.post("/allocate", JANUARY)["allocations"][0]
    return {
        "rule_id": "r", "team_id": "team-123", "user_id": "user-456", "period": "2024-01",
        "invoice_id": invoice["invoice_id"], "allocation_id": share["allocation_id"],
        "position": "1", "usage_id": "u",
        "period_start": JANUARY["period_start"], "period_end": JANUARY["period_end"],
    }  # fmt: skip


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.label)
def test_any_request_has_a_documented_answer(operation: Any, door: Door, address: str) -> None:
    known = fill(door)
    cases = st.one_of(
        operation.as_strategy(generation_mode=GenerationMode.POSITIVE),
        operation.as_strategy(generation_mode=GenerationMode.NEGATIVE),
    )

    @settings(
        max_examples=EACH,
        deadline=None,
        database=None,
        derandomize=REQUESTS < 1000,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases, names=st.sets(st.sampled_from(sorted(known))))
    def ask(case: Any, names: set[str]) -> None:
        for given_ones in (case.path_parameters, case.query, case.body):
            if isinstance(given_ones, dict):
                given_ones.update({name: known[name] for name in names if name in given_ones})
        answer = case.call(base_url=address)
        case.validate_response(answer, checks=CHECKS)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ask()
