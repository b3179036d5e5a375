"""An answer is used only when it is complete; only what a retry can cure is called unavailable."""

import gzip
import socket
from decimal import Decimal
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from chargeback.errors import ChargebackError, Invalid, Refused, Unavailable
from chargeback.sources import http_delivery, open_source
from chargeback.sources.contract import Refusal, Source, Usage, World
from chargeback.sources.cost_tracker import CostTracker
from chargeback.sources.cost_tracker_config import CostTrackerConfig
from tests.sources.conftest import ALWAYS
from tests.sources.fake_tracker import Canned, FakeTracker, body_of, serving

LOOPBACK = (ip_network("127.0.0.0/8"),)
JSON = {"Content-Type": "application/json"}


def source_of(tracker: FakeTracker, **config: str) -> Source:
    return open_source("cost_tracker", {"url": tracker.url, "form": "json", **config})


def impatient(tracker: FakeTracker) -> CostTracker:
    config = CostTrackerConfig(url=tracker.url, form="json")
    return CostTracker(config, World(Path(), "USD", Decimal("0.2"), LOOPBACK, str))


def first_refused(source: Source) -> ChargebackError:
    """What reading raises before it has given any row."""
    with pytest.raises(ChargebackError) as refusal:
        next(source.read(ALWAYS))
    return refusal.value


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_a_failure_that_passes_is_unavailable_and_says_when_to_come_back(
    tracker: FakeTracker, status: int
) -> None:
    tracker.canned = [Canned(status, {"Retry-After": "30"})]
    fault = first_refused(source_of(tracker))
    assert isinstance(fault, Unavailable)
    assert f"answered {status}, Retry-After: 30; sync again later." in fault.message
    assert len(list(source_of(tracker).read(ALWAYS))) == 438


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((status, Invalid) for status in (204, 304, 400, 404, 405)),
        *((status, Refused) for status in (401, 403)),
    ],
)
def test_a_failure_that_stays_is_refused_at_once(
    tracker: FakeTracker, status: int, kind: type[ChargebackError]
) -> None:
    tracker.canned = [Canned(status)]
    fault = first_refused(source_of(tracker))
    assert type(fault) is kind
    assert str(status) in fault.message


def test_no_answer_in_time_is_unavailable(tracker: FakeTracker) -> None:
    tracker.canned = [Canned(headers=JSON, body=b"[]", delay_seconds=1)]
    fault = first_refused(impatient(tracker))
    assert isinstance(fault, Unavailable)
    assert "did not answer within 0.2 seconds" in fault.message


def test_no_tracker_is_unavailable() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/export"
        fault = first_refused(open_source("cost_tracker", {"url": url, "form": "json"}))
    assert isinstance(fault, Unavailable)


@pytest.mark.parametrize("body", [b'{"records": [', b"[]"])
def test_an_answer_shorter_than_announced_is_unavailable(tracker: FakeTracker, body: bytes) -> None:
    tracker.canned = [Canned(headers=JSON, body=body, announced_bytes=1000)]
    assert isinstance(first_refused(source_of(tracker)), Unavailable)


def test_cut_json_of_the_announced_length_is_invalid(tracker: FakeTracker) -> None:
    tracker.canned = [Canned(headers=JSON, body=b'{"records": [')]
    assert isinstance(first_refused(source_of(tracker)), Invalid)


def test_an_answer_of_unknown_length_that_stops_in_a_line_is_unavailable(
    tracker: FakeTracker, sample: list[dict[str, Any]]
) -> None:
    whole = body_of(sample, "csv")
    csv_headers = {"Content-Type": "text/csv"}
    tracker.canned = [
        Canned(headers=csv_headers, body=whole[:-9], is_length_announced=False),
        Canned(headers=csv_headers, body=whole, is_length_announced=False),
    ]
    assert isinstance(first_refused(source_of(tracker, form="csv")), Unavailable)
    assert len(list(source_of(tracker, form="csv").read(ALWAYS))) == 438


@pytest.mark.parametrize("kind", ["text/html", "text/csv; charset=utf-8", "image/png"])
def test_another_content_type_is_refused(tracker: FakeTracker, kind: str) -> None:
    tracker.content_type = kind
    fault = first_refused(source_of(tracker))
    assert isinstance(fault, Invalid)
    assert f"answered with '{kind.split(';')[0]}'; correct `url` or `form`." in fault.message


def test_a_redirect_on_the_same_host_is_followed(tracker: FakeTracker) -> None:
    tracker.canned = [Canned(302, {"Location": "/moved?format=json"})]
    assert len(list(source_of(tracker).read(ALWAYS))) == 438


def test_a_redirect_to_another_host_is_refused_and_never_followed(
    tracker: FakeTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKER_TOKEN", "s3cret")
    with serving(FakeTracker([])) as other:
        tracker.canned = [Canned(307, {"Location": f"{other.url}?leak=1"})]
        fault = first_refused(source_of(tracker, token_env="TRACKER_TOKEN"))
        assert isinstance(fault, Invalid)
        assert "redirects to another host" in fault.message
        assert "leak" not in fault.message
        assert other.asked == []


def test_endless_redirects_are_refused(tracker: FakeTracker) -> None:
    tracker.canned = [Canned(302, {"Location": "/again"}) for _ in range(9)]
    assert "redirects more than 3 times" in first_refused(source_of(tracker)).message
    assert len(tracker.asked) == 4


def test_the_token_is_read_from_the_environment_and_sent(
    tracker: FakeTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKER_TOKEN", "s3cret\n")
    assert len(list(source_of(tracker, token_env="TRACKER_TOKEN").read(ALWAYS))) == 438
    assert tracker.headers[0]["authorization"] == "Bearer s3cret"


@pytest.mark.parametrize("value", [None, "", "two\nlines"])
def test_a_missing_token_is_named_before_anything_is_asked(
    tracker: FakeTracker, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    if value is not None:
        monkeypatch.setenv("TRACKER_TOKEN", value)
    fault = first_refused(source_of(tracker, token_env="TRACKER_TOKEN"))
    assert fault.code == "token_missing"
    assert "TRACKER_TOKEN" in fault.message
    assert tracker.asked == []


def test_a_query_of_the_address_is_kept_and_never_shown(tracker: FakeTracker) -> None:
    tracker.url += "?tenant=hush"
    assert len(list(source_of(tracker).read(ALWAYS))) == 438
    assert tracker.asked == [{"tenant": "hush", "format": "json"}]
    tracker.canned = [Canned(500)]
    assert "hush" not in first_refused(source_of(tracker)).message


def test_a_compressed_answer_is_unpacked_and_its_size_is_bounded(
    tracker: FakeTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = {**JSON, "Content-Encoding": "gzip"}
    bomb = gzip.compress(b"[" + b" " * 3_000_000 + b"]")
    tracker.canned = [Canned(headers=headers, body=bomb) for _ in range(2)]
    assert list(source_of(tracker).read(ALWAYS)) == []
    monkeypatch.setattr(http_delivery, "LARGEST_ANSWER_BYTES", 2_000_000)
    assert "more than 2000000 bytes" in first_refused(source_of(tracker)).message


def test_a_broken_compression_is_unavailable(tracker: FakeTracker) -> None:
    tracker.canned = [Canned(headers={**JSON, "Content-Encoding": "gzip"}, body=b"no gzip")]
    assert isinstance(first_refused(source_of(tracker)), Unavailable)


def test_an_answer_that_drips_too_long_is_unavailable(
    tracker: FakeTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_delivery, "LONGEST_ANSWER_SECONDS", 0)
    fault = first_refused(source_of(tracker))
    assert isinstance(fault, Unavailable)
    assert "took more than 0 seconds" in fault.message


def test_a_record_of_ten_megabytes_is_read_without_its_question(
    tracker: FakeTracker, sample: list[dict[str, Any]]
) -> None:
    tracker.records = [
        {**sample[0], "metadata": {"query": "x" * 10_000_000}},
        {**sample[1], "cost_usd": -1, "total_tokens": -1, "metadata": {"query": "y" * 10_000_000}},
    ]
    usage, refusal = source_of(tracker).read(ALWAYS)
    assert isinstance(usage, Usage)
    assert isinstance(refusal, Refusal)
    assert len(str(refusal)) < 1_000
