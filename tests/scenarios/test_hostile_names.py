"""Names of every kind through every sink: visible as they were given, and never obeyed."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from chargeback.errors import ChargebackError, Invalid
from chargeback.posted_usage import read
from chargeback.settings import settings
from entrypoints import cli
from flows.page import Page
from flows.recording import Record as RunRecord
from tasks.publish_documents import publish_invoices
from tasks.publish_finance import publish_finance
from tests.faults.month import publish
from tests.ledger.books import ACTOR, Books
from tests.ledger.soundness import assert_sound
from tests.scenarios import sinks
from tests.scenarios.hostile_names import LONG, NAMES, UNKEPT

Record = Callable[[str, object], None]
NOW = datetime(2026, 11, 1, tzinfo=UTC)
SHORT = [name for place, name in enumerate(NAMES) if place % 3 == 0]
ENOUGH = [pytest.param(SHORT, id="some"), pytest.param(NAMES, id="all", marks=pytest.mark.prove)]


def quoted_yaml(text: str) -> str:
    """A YAML scalar with every sign that is not plain as an escape."""
    return (
        '"' + "".join(c if c.isalnum() and c.isascii() else f"\\U{ord(c):08x}" for c in text) + '"'
    )


def live(books: Books, names: list[str]) -> None:
    """Every name is a team, a user, an agent, an account, a tag, a kind of thing, a unit, a rule, a cost centre."""
    teams = ", ".join(
        f"{{id: {quoted_yaml(name)}, name: {quoted_yaml(name)}, cost_center: {quoted_yaml(name)}, "
        f"contact: {quoted_yaml(name)}}}"
        for name in names
    )
    books.import_yaml(f"teams: [{teams}]\nusers: [{{id: ana, name: {quoted_yaml(names[0])}}}]")
    for number, name in enumerate(names):
        books.use(name, name, "1.25", agent=name, account=name, tag=f"t={name}"[:255], resource_type=name, sku=name,
                  unit=name, external_id=f"{number} {name}"[:255])  # fmt: skip
    for name in names[:5]:
        books.rule({"rule_id": name, "name": name, "description": LONG, "rule_type": "by_user",
                    "match": {"agent_ids": [name]}, "user_ids": [name]})  # fmt: skip
    numbers = books.bill()
    books.cancel(numbers[-1], is_rebillable=False)
    books.import_yaml(
        f"owners: {{account: {{{quoted_yaml(names[1])}: [{{team: {quoted_yaml(names[2])}}}]}}}}"
    )
    books.use(names[3], names[3], "2.50", external_id="late").reallocate(
        reason=f"{LONG} {names[3]}"
    )
    books.bill("2026-11", "2026-12-01")


@pytest.fixture(params=ENOUGH)
def names(request: pytest.FixtureRequest) -> list[str]:
    return list(request.param)


@pytest.fixture
def files(books: Books, names: list[str], monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Everything that is published of a company of these names."""
    monkeypatch.setenv("CHARGEBACK_DOCUMENT_PROCESSES", "1")
    settings.cache_clear()
    live(books, names)
    publish()
    publish_invoices.fn("2026-11")
    publish_finance.fn("2026-10")
    return [path for path in settings().files.rglob("*") if path.is_file()]


def test_every_sink_shows_the_names_and_obeys_none(
    files: list[Path], names: list[str], books: Books, record_property: Record
) -> None:
    missing: dict[str, list[str]] = {
        "pdf": list(sinks.missing_in_pdfs(sinks.of_kind(files, "pdf"), names)),
        "html": list(sinks.missing_in_pages(sinks.of_kind(files, "html"), names)),
        "csv": list(sinks.missing_in_tables(sinks.of_kind(files, "csv"), names)),
        "xlsx": list(sinks.missing_in_workbooks(sinks.of_kind(files, "xlsx"), names)),
        "file names": list(sinks.odd_files(files)),
        "artifacts": list(sinks.missing_in_artifacts(names)),
        "mail and webhooks": list(sinks.missing_in_messages(names)),
    }
    assert missing == {sink: [] for sink in missing}
    assert_sound()
    record_property("proof", ("hostile names through sinks", len(names) * len(missing)))


@pytest.mark.proof
def test_a_log_has_a_line_per_sentence_whatever_the_names(
    caplog: pytest.LogCaptureFixture, record_property: Record
) -> None:
    record = RunRecord(uuid4(), ACTOR, Page("x"))
    with caplog.at_level(logging.INFO, "chargeback.flows"):
        for name in NAMES:
            record.say(f"team {name} was billed")
            record.need_a_person(f"team {name} is unknown")
    for line in caplog.messages:
        assert line.isprintable(), line
        assert line.startswith("team ")
    record_property("proof", ("hostile names through sinks", len(NAMES)))


@pytest.mark.proof
def test_a_terminal_is_shown_names_and_obeys_none(
    books: Books, capsys: pytest.CaptureFixture[str], record_property: Record
) -> None:
    live(books, list(SHORT))
    assert "\x1b[31mred\x1b[0m" in NAMES
    for command in (["status", "2026-10"], ["teams"], ["rules"], ["audit", "list"]):
        capsys.readouterr()
        status = cli.main(command)
        said = capsys.readouterr()
        assert status == 0, said.err
        assert all(sign.isprintable() or sign == "\n" for sign in said.out), command
    record_property("proof", ("hostile names through sinks", 4 * len(SHORT)))


@pytest.mark.proof
@pytest.mark.parametrize("name", UNKEPT)
def test_what_cannot_be_kept_is_refused_at_every_door(
    books: Books, name: str, record_property: Record
) -> None:
    doors: dict[str, Callable[[], object]] = {
        "usage": lambda: read({"cost_usd": 1, "team_id": name}, NOW),
        "rule": lambda: books.rule({"rule_id": name, "rule_type": "by_team", "team_id": "a"}),
        "team": lambda: books.import_yaml(f"teams: [{{id: {quoted_yaml(name)}}}]"),
        "owner": lambda: books.import_yaml(
            f"owners: {{agent: {{a: [{{team: {quoted_yaml(name)}}}]}}}}"
        ),
        "number": lambda: books.draft("search", number=name),
    }
    for door, go in doors.items():
        with pytest.raises(ChargebackError) as refused:
            go()
        assert isinstance(refused.value, Invalid), door
        assert len(str(refused.value)) < 400
    record_property("proof", ("hostile names refused at doors", len(doors)))


def test_a_name_that_fits_no_page_is_refused_where_it_is_given(books: Books) -> None:
    with pytest.raises(Invalid, match=r"teams\.0\.name: .*has 9998 characters; give 255 at most"):
        books.import_yaml(f"teams: [{{id: a, name: {quoted_yaml(LONG)}}}]")
