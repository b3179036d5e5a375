"""However a source is read, and however often it breaks off, the books come out the same."""

import json
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from chargeback.errors import Unavailable
from chargeback.ledger import ledger_settings, usage_sources
from chargeback.ledger import sync as syncing
from chargeback.ledger.database import snapshot, transaction
from chargeback.ledger.digest import digest
from chargeback.ledger.sync import SyncCounts, sync, take, window_of
from chargeback.periods import Period
from chargeback.settings import settings
from chargeback.sources import open_source
from chargeback.sources.contract import Refusal, Source, Usage, Window
from chargeback.sources.push import Batch, Push
from models.enums import SourceRole
from tests.conftest import Ledger
from tests.ledger.soundness import assert_sound
from tests.postgres import Server
from tests.sources.conftest import SAMPLE
from tests.sources.fake_litellm import FakeLiteLlm
from tests.sources.fake_tracker import body_of
from tests.sources.fake_web import Answer, Asked, answering
from tests.sources.litellm_database import connected, fill, sample_rows

AS_OF = datetime(2026, 11, 1, 4, tzinfo=UTC)
DATA = Path("tests/sources/data").resolve()
Say = Callable[[SyncCounts], None]


class Killed(BaseException):
    """The process ends here."""


@dataclass
class Tracker:
    """A source that is there: its kind, what it is for, how it is reached, how many rows it has."""

    kind: str
    role: SourceRole
    config: dict[str, Any]
    rows: int
    batch: str = ""

    def add(self) -> None:
        """Configure it in the ledger that is in force."""
        with transaction() as connection:
            ledger_settings.fix(connection)
            usage_sources.put(connection, "tracker", self.kind, self.role, self.config, "test")

    def sync(self, window: Window | None = None, say: Say | None = None) -> SyncCounts:
        """Read it, or take once more what it pushes."""
        if not self.batch:
            return sync("tracker", AS_OF, window, say)
        source = open_source(self.kind, self.config)
        assert isinstance(source, Push)
        return take("tracker", Batch(source, StringIO(self.batch), "batch"), "a test", say)


def calls(tmp_path: Path) -> Path:
    path = tmp_path / "export.csv"
    path.write_bytes(body_of(json.loads(SAMPLE.read_text())["records"][:30], "csv"))
    return path


def allocations(asked: Asked) -> Answer:
    sample = json.loads((DATA / "opencost_allocation.json").read_text())["data"]
    number = (date.fromisoformat(asked.one("window")[:10]) - date(2026, 10, 1)).days
    return Answer({"data": [sample[number] if number < 3 else {}]})


def bill(name: str) -> Callable[[Asked], Answer]:
    page = json.loads((DATA / name).read_text()) | {"has_more": False}
    empty = page | {"data": []}
    return lambda asked: Answer(page if "2026-10" in asked.one("starting_at") or asked.one("start_time") == "1790812800"
                                else empty)  # fmt: skip


EVENTS = "\n".join(
    json.dumps({"specversion": "1.0", "type": "call", "source": "/a", "id": str(n), "subject": f"u-{n % 3}",
                "time": f"2026-10-{n % 28 + 1:02}T00:00:00Z", "data": {"cost": f"0.{n + 1}", "quantity": n}})
    for n in range(40)
)  # fmt: skip
MAP = {"form": "csv", "fixed": {"unit": "Tokens"}, "columns": {
    "external_id": "Call ID", "usage_at": "Timestamp", "cost": "Cost (USD)", "quantity": "Total Tokens",
    "resource_type": "Operation Type", "agent_id": "Agent ID"}}  # fmt: skip
KINDS = ("cost_tracker", "litellm_db", "litellm_http", "opencost", "openai_costs", "anthropic_costs", "mapped_file",
         "push")  # fmt: skip


@pytest.fixture(params=KINDS)
def tracker(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    postgres: Server,
    monkeypatch: pytest.MonkeyPatch,
    ledger: Ledger,
) -> Iterator[Tracker]:
    """Each kind of source in turn, with some rows, read in batches of seven."""
    monkeypatch.setenv("CHARGEBACK_BATCH_RECORDS", "7")
    monkeypatch.setenv("ADMIN_KEY", "sk-admin")
    settings.cache_clear()
    since = {"since": "2026-10-01"}
    config: dict[str, Any]
    with ExitStack() as stack:
        match request.param:
            case "cost_tracker":
                config = {"path": str(calls(tmp_path)), "form": "csv"}
                found = Tracker("cost_tracker", SourceRole.ALLOCATE, config, 30)
            case "litellm_db":
                name = request.getfixturevalue("litellm")
                with connected(postgres, name) as connection, connection.cursor() as cursor:
                    fill(connection)
                    cursor.execute("""DELETE FROM "LiteLLM_SpendLogs" WHERE request_id NOT IN
                        (SELECT request_id FROM "LiteLLM_SpendLogs" ORDER BY request_id LIMIT 30)""")
                config = {"dsn_env": "LITELLM_URL", "page_rows": 4}
                found = Tracker("litellm_db", SourceRole.ALLOCATE, config, 30)
            case "litellm_http":
                rows = sorted(sample_rows(), key=lambda row: str(row["request_id"]))[:30]
                web = stack.enter_context(
                    answering(FakeLiteLlm(rows, cap=25, trouble=Trouble()).answer)
                )
                found = Tracker(
                    "litellm_http",
                    SourceRole.ALLOCATE,
                    {"url": web.url, "page_rows": 10, **since},
                    30,
                )
            case "opencost":
                web = stack.enter_context(answering(allocations))
                config = {"url": web.url, "cluster": "prod", **since}
                found = Tracker("opencost", SourceRole.WEIGHTS, config, 5)
            case "openai_costs":
                web = stack.enter_context(answering(bill("openai_costs.json")))
                config = {"url": web.url, "token_env": "ADMIN_KEY", **since}
                found = Tracker("openai_costs", SourceRole.RECONCILE_ONLY, config, 2)
            case "anthropic_costs":
                web = stack.enter_context(answering(bill("anthropic_cost_report.json")))
                config = {"url": web.url, "token_env": "ADMIN_KEY", **since}
                found = Tracker("anthropic_costs", SourceRole.RECONCILE_ONLY, config, 1)
            case "mapped_file":
                config = {"path": str(calls(tmp_path)), **MAP}
                found = Tracker("mapped_file", SourceRole.ALLOCATE, config, 30)
            case _:
                found = Tracker("push", SourceRole.ALLOCATE, {}, 40, EVENTS)
        found.add()
        yield found


class Trouble:
    """Repeats, cuts, moves and shuffles pages, each in its turn, the same way every time."""

    def __init__(self) -> None:
        self._random = random.Random(7)
        self._last: list[dict[str, Any]] = []

    def __call__(self, number: int, page: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The page that is sent in place of `page`."""
        last, self._last = self._last, page
        if len(page) < 10:
            return self._random.sample(page, len(page))
        return [last or page, page[:-2], page[::-1], self._random.sample(page, len(page)), page][
            number % 5
        ]


def digest_now() -> str:
    assert_sound()
    with snapshot() as connection:
        return digest(connection)


@pytest.fixture
def straight(tracker: Tracker, another_ledger: Callable[[], Ledger]) -> str:
    """The digest of reading everything once; the settings then point to a ledger that is still empty."""
    counts = tracker.sync()
    assert (counts.new, counts.quarantined) == (tracker.rows, 0)
    found = digest_now()
    another_ledger()
    tracker.add()
    assert digest_now() != found
    return found


def test_reading_twice_changes_nothing(tracker: Tracker) -> None:
    tracker.sync()
    once = digest_now()
    counts = tracker.sync()
    assert (counts.new, counts.changed, counts.quarantined) == (0, 0, 0)
    assert digest_now() == once


def test_windows_that_overlap_are_the_same_as_one(tracker: Tracker, straight: str) -> None:
    october = window_of(Period.month("2026-10"))
    assert october.start is not None
    middle = october.start + timedelta(days=14)
    tracker.sync(Window(middle - timedelta(days=3, hours=5), october.end))
    tracker.sync(Window(october.start, middle))
    tracker.sync(october)
    assert digest_now() == straight


def test_a_source_that_breaks_off_anywhere_is_read_again(
    tracker: Tracker, straight: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for rows in range(0, tracker.rows, max(1, tracker.rows // 6)):
        with monkeypatch.context() as patch:
            _break_after(patch, rows)
            with pytest.raises(Unavailable, match="broke off"):
                tracker.sync()
    tracker.sync()
    assert digest_now() == straight


def _break_after(patch: pytest.MonkeyPatch, rows: int) -> None:
    """Sources, and batches, deliver so many rows and then break off."""

    def broken(
        read: Callable[..., Iterator[Usage | Refusal]],
    ) -> Callable[..., Iterator[Usage | Refusal]]:
        def reading(self: Any, window: Window) -> Iterator[Usage | Refusal]:
            whole: Any = (row for row in read(self, window))
            with closing(whole):
                yield from (row for _, row in zip(range(rows), whole, strict=False))
            raise Unavailable("source_unavailable", "The source broke off; sync again later.")

        return reading

    def opened(*given: Any) -> Source:
        source = open_source(*given)
        patch.setattr(type(source), "read", broken(type(source).read))
        return source

    patch.setattr(syncing, "open_source", opened)
    patch.setattr(Batch, "read", broken(Batch.read))


def test_a_reader_that_is_killed_after_any_batch_goes_on(tracker: Tracker, straight: str) -> None:
    batches = -(-tracker.rows // 7)
    for killed_after in range(1, batches + 1):
        said: list[SyncCounts] = []

        def say(
            counts: SyncCounts, said: list[SyncCounts] = said, last: int = killed_after
        ) -> None:
            said.append(counts)
            if len(said) == last:
                raise Killed

        with pytest.raises(Killed):
            tracker.sync(say=say)
    tracker.sync()
    assert digest_now() == straight


@pytest.mark.parametrize("tracker", ["cost_tracker", "mapped_file", "push"], indirect=True)
def test_rows_in_another_order_are_the_same_books(tracker: Tracker, straight: str) -> None:
    def shuffled(lines: list[str]) -> list[str]:
        return random.Random(3).sample(lines, len(lines))

    if tracker.batch:
        tracker.batch = "\n".join(shuffled(tracker.batch.splitlines()))
    else:
        path = Path(tracker.config["path"])
        header, *lines = path.read_text().splitlines()
        path.write_text("\n".join([header, *shuffled(lines), lines[0]]) + "\n")
    tracker.sync()
    assert digest_now() == straight
