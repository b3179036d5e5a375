"""Forty addresses that lead, or try to lead, into the machine or its network: each is refused, and nobody hears of it.

Names and numbers are resolved for real. What leads to this machine is aimed at a server that listens there.
"""

import re
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chargeback.errors import ChargebackError, Invalid, Refused
from chargeback.settings import settings
from chargeback.sources import open_source
from tests.sources.conftest import ALWAYS
from tests.sources.fake_web import Answer, Web, answering

# `{port}` is where the server listens.
INSIDE = [
    "http://127.0.0.1:{port}/export",
    "http://127.0.0.2:{port}/export",
    "http://127.1:{port}/export",
    "http://127.0.1:{port}/export",
    "http://2130706433:{port}/export",
    "http://0x7f000001:{port}/export",
    "http://0x7f.0.0.1:{port}/export",
    "http://0177.0.0.1:{port}/export",
    "http://017700000001:{port}/export",
    "http://0:{port}/export",
    "http://0.0.0.0:{port}/export",
    "http://localhost:{port}/export",
    "http://LOCALHOST:{port}/export",
    "http://localhost.:{port}/export",
    "http://[::1]:{port}/export",
    "http://[::]:{port}/export",
    "http://[0:0:0:0:0:0:0:1]:{port}/export",
    "http://[::ffff:127.0.0.1]:{port}/export",
    "http://[::ffff:7f00:1]:{port}/export",
    "http://[64:ff9b::7f00:1]:{port}/export",
    "http://[2002:7f00:1::]:{port}/export",
    "http://１２７.0.0.1:{port}/export",
    "http://①②⑦.⓪.⓪.①:{port}/export",
]
ELSEWHERE_INSIDE = [
    "http://169.254.169.254/latest/meta-data/iam/security-credentials/",
    "http://[fd00:ec2::254]/latest/meta-data/",
    "http://2852039166/latest/meta-data/",
    "http://0xa9fea9fe/latest/meta-data/",
    "http://[::ffff:169.254.169.254]/computeMetadata/v1/",
    "https://10.0.0.1/",
    "https://172.31.255.255/",
    "https://192.168.0.1/",
    "https://100.100.100.200/latest/meta-data/",
    "https://[fe80::1]/",
    "https://224.0.0.1/",
    "https://255.255.255.255/",
]
NO_WEB_ADDRESS = [
    "file:///etc/passwd",
    "gopher://127.0.0.1:{port}/_GET%20/export",
    "ftp://127.0.0.1:{port}/export",
    "dict://127.0.0.1:{port}/export",
    "ldap://127.0.0.1:{port}/export",
    "jar:http://127.0.0.1:{port}!/export",
    "data:application/json,[]",
    "//127.0.0.1:{port}/export",
    "http:/127.0.0.1:{port}/export",
    "http:///export",
    "http://user:secret@127.0.0.1:{port}/export",
    "http://tracker.example@127.0.0.1:{port}/export",
    "http://127.0.0.1:{port}\\@tracker.example/export",
    "http://127.0.0.1:{port}#@tracker.example/",
    "http://tracker.example\n.localhost:{port}/export",
]
URLS = [*INSIDE, *ELSEWHERE_INSIDE, *NO_WEB_ADDRESS]


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """A server on this machine, where no private network is open."""
    monkeypatch.setenv("CHARGEBACK_PRIVATE_NETWORKS", "")
    settings.cache_clear()
    with answering(lambda _: Answer([])) as web:
        yield web


def refusal_of(url: str) -> ChargebackError:
    """What is said to somebody who configures the address and reads from it."""
    with pytest.raises(ChargebackError) as refusal:
        list(open_source("cost_tracker", {"url": url, "form": "json"}).read(ALWAYS))
    return refusal.value


@pytest.mark.proof
@pytest.mark.parametrize("url", URLS)
def test_no_address_leads_inside(
    web: Web, url: str, record_property: Callable[[str, object], None]
) -> None:
    refusal = refusal_of(url.replace("{port}", web.url.rpartition(":")[2]))
    if url not in NO_WEB_ADDRESS:
        # Some spellings are no address to begin with, and some a resolver does not know.
        assert isinstance(refusal, Invalid) or re.search("private network|no address", str(refusal))
    assert "secret" not in str(refusal)
    assert not web.asked
    record_property("proof", ("address that leads inside", 1))


def test_there_are_at_least_forty() -> None:
    assert len(set(URLS)) == len(URLS) >= 40


def test_a_name_is_looked_up_once_and_what_was_checked_is_connected_to(
    monkeypatch: pytest.MonkeyPatch, web: Web
) -> None:
    """Rebinding: the name leads elsewhere from the second look-up on, and nobody looks a second time."""
    monkeypatch.setenv("CHARGEBACK_PRIVATE_NETWORKS", "127.0.0.1/32")
    settings.cache_clear()
    really, asked = socket.getaddrinfo, []

    def resolving(host: str, port: int, *more: Any, **named: Any) -> Any:
        if host != "rebinding.example":
            return really(host, port, *more, **named)
        asked.append(host)
        leads_to = "127.0.0.1" if len(asked) == 1 else "169.254.169.254"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (leads_to, port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolving)
    url = web.url.replace("127.0.0.1", "rebinding.example")
    source = open_source("cost_tracker", {"url": f"{url}/export", "form": "json"})
    assert list(source.read(ALWAYS)) == []
    assert [one.headers["host"] for one in web.asked] == [url.removeprefix("http://")]
    assert asked == ["rebinding.example"]
    with pytest.raises(Refused, match=r"leads to 169\.254\.169\.254"):
        list(source.read(ALWAYS))
