"""Whatever a client gets wrong: one sentence that names it, the right status, and books that are as they were."""

import re
from collections.abc import Callable, Iterator

import httpx
import pytest

from chargeback.ledger import digest
from chargeback.ledger.database import snapshot
from tests.entrypoints.api import bad_input, bad_rules_and_invoices
from tests.entrypoints.api.bad_input import BILLED, DRAFT, USED, Bad
from tests.entrypoints.api.door import ROOT, Door

CATALOGUE: dict[str, list[Bad]] = {
    "requests": list(bad_input.requests()),
    "usage": list(bad_input.usages()),
    "rules": list(bad_rules_and_invoices.rules()),
    "invoices": list(bad_rules_and_invoices.invoices()),
}
pytestmark = pytest.mark.proof
Record = Callable[[str, object], None]
TRACE = re.compile(r"Traceback|\.py|psycopg|sqlalchemy|SELECT |0x[0-9a-f]{6}", re.IGNORECASE)
SENTENCE = re.compile(r".{12,400}", re.DOTALL)


@pytest.fixture
def draft(door: Door) -> str:
    """A ledger with a little in it; the id of a draft."""
    door.post("/usage", {**USED, "usage_id": "held"}, 201)
    rule = {
        "rule_id": "held",
        "name": "H",
        "rule_type": "by_team",
        "team_id": "red",
        "enabled": False,
    }
    door.post("/allocation-rules", rule, 201)
    door.post("/invoices", {**BILLED, "team_id": "tan", "invoice_number": "INV-TAKEN"}, 201)
    invoice_id: str = door.post("/invoices", BILLED, 201)["invoice"]["invoice_id"]
    return invoice_id


def send(door: Door, bad: Bad, draft: str) -> httpx.Response:
    body = bad.body
    sent = (
        {"content": body}
        if isinstance(body, str | bytes)
        else {}
        if body is None
        else {"json": body}
    )
    headers = {"Content-Type": "application/json", **bad.headers} if body is not None else {}
    return door.client.request(
        bad.method, ROOT + bad.path.replace(DRAFT, draft), headers=headers, **sent
    )


def faults(bad: Bad, answer: httpx.Response) -> Iterator[str]:
    """What is wrong with an answer."""
    if answer.status_code != bad.status:
        yield f"{answer.status_code}, not {bad.status}: {answer.text[:300]}"
        return
    if bad.status < 400:
        return
    said = answer.json()
    if said.keys() != {"error", "code", "details"} or not SENTENCE.fullmatch(said["error"]):
        yield f"in no form of ours: {answer.text[:300]}"
    elif TRACE.search(said["error"]):
        yield f"tells of the inside: {said['error']}"
    elif bad.code and said["code"] != bad.code:
        yield f"code {said['code']}, not {bad.code}: {said['error']}"
    elif bad.says not in answer.text:
        yield f"does not say {bad.says!r}: {said['error']}"


def books() -> str:
    with snapshot() as connection:
        return digest.whole(digest.parts(connection))


@pytest.mark.parametrize("subject", CATALOGUE)
def test_bad_input_is_refused_in_a_sentence_and_changes_nothing(
    door: Door, draft: str, subject: str, record_property: Record
) -> None:
    found = {}
    before = books()
    for bad in CATALOGUE[subject]:
        answer = send(door, bad, draft)
        wrong = list(faults(bad, answer))
        if bad.status >= 400:
            wrong += ["the books changed"] if books() != before else []
        before = books()
        if wrong:
            found[bad.what, bad.path[:40]] = wrong
    assert found == {}
    record_property("proof", ("bad requests", len(CATALOGUE[subject])))


def test_the_catalogue_is_long_and_says_what_each_is() -> None:
    every = [bad for cases in CATALOGUE.values() for bad in cases]
    assert len(every) >= 200
    assert len({(bad.what, bad.path) for bad in every}) == len(every)
