"""What the tests of sources share: the sample calls, a tracker that serves them, files to read."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chargeback.settings import settings
from chargeback.sources import open_source
from chargeback.sources.contract import Refusal, Source, Usage, Window
from tests.postgres import Server
from tests.sources import litellm_database
from tests.sources.fake_tracker import FakeTracker, serving

SAMPLE = Path("examples/cost_tracker_export.json").resolve()
ALWAYS = Window(None, None)
ReadFile = Callable[..., list[Usage | Refusal]]


@pytest.fixture(autouse=True)
def loopback(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trackers of these tests are on this machine."""
    monkeypatch.setenv("CHARGEBACK_PRIVATE_NETWORKS", "127.0.0.0/8, ::1/128")
    settings.cache_clear()


@pytest.fixture
def sample() -> list[dict[str, Any]]:
    """The 438 calls of the sample, floats as the tracker holds them."""
    records: list[dict[str, Any]] = json.loads(SAMPLE.read_text())["records"]
    return records


@pytest.fixture
def tracker(sample: list[dict[str, Any]]) -> Iterator[FakeTracker]:
    """A tracker that holds the sample."""
    with serving(FakeTracker(sample)) as serving_tracker:
        yield serving_tracker


@pytest.fixture
def file_source(tmp_path: Path) -> Callable[..., Source]:
    """A source over a file with the given bytes."""

    def make(content: bytes, form: str = "json", **config: str) -> Source:
        path = tmp_path / f"export.{form}"
        path.write_bytes(content)
        return open_source("cost_tracker", {"path": str(path), "form": form, **config})

    return make


@pytest.fixture
def read_file(file_source: Callable[..., Source]) -> ReadFile:
    """What a file with the given bytes is read as."""

    def read(content: bytes, form: str = "json", **config: str) -> list[Usage | Refusal]:
        return list(file_source(content, form, **config).read(ALWAYS))

    return read


@pytest.fixture(scope="session")
def litellm_template(postgres: Server) -> str:
    """A database with LiteLLM's own schema, to copy from."""
    return litellm_database.make_template(postgres)


@pytest.fixture
def litellm(
    postgres: Server, litellm_template: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """A LiteLLM database without a row, whose address is in LITELLM_URL."""
    name = postgres.create_database(litellm_template)
    monkeypatch.setenv("LITELLM_URL", litellm_database.dsn(postgres, name))
    yield name
    postgres.drop_database(name)
