"""A source is fetched from public addresses, and from private networks only where a setting names them."""

import socket
import ssl
from ipaddress import ip_network
from pathlib import Path

import pytest

from chargeback.errors import Invalid, Refused, Unavailable
from chargeback.settings import settings
from chargeback.sources import http_delivery, open_source
from chargeback.sources.addresses import open_addresses
from tests.sources.conftest import ALWAYS
from tests.sources.fake_web import Answer, Asked, answering

# Of localhost alone, signed by itself, until 2126.
CERTIFICATE = Path("tests/sources/data/localhost.pem").resolve()
PRIVATE = [
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",  # noqa: S104
    "224.0.0.1", "255.255.255.255", "::1", "fe80::1", "fd00:ec2::254", "::ffff:169.254.169.254", "::",
    "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "ff02::1",
]  # fmt: skip
PUBLIC = ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "64:ff9b::5db8:d822"]


def resolving(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Every name leads to these addresses: what a name server would say is the test's to choose."""
    found = [
        (socket.AF_INET6 if ":" in one else socket.AF_INET, 1, 6, "", (one, 443))
        for one in addresses
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)


@pytest.mark.parametrize("address", PRIVATE)
def test_a_name_that_leads_inside_is_refused_and_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    resolving(monkeypatch, address)
    with pytest.raises(Refused, match="CHARGEBACK_PRIVATE_NETWORKS") as refusal:
        open_addresses("tracker.example", 443, ())
    assert refusal.value.code == "source_address_private"


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_open(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    resolving(monkeypatch, address)
    assert open_addresses("tracker.example", 443, ()) == [address]


def test_one_address_inside_is_enough_to_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, PUBLIC[0], "10.0.0.1")
    with pytest.raises(Refused, match=r"leads to 10\.0\.0\.1"):
        open_addresses("tracker.example", 443, ())


def test_a_network_that_is_named_is_open_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    networks = (ip_network("10.0.0.0/8"), ip_network("169.254.169.254/32"))
    resolving(monkeypatch, "10.9.9.9")
    assert open_addresses("tracker.example", 443, networks) == ["10.9.9.9"]
    resolving(monkeypatch, "::ffff:10.9.9.9")
    assert open_addresses("tracker.example", 443, networks) == ["::ffff:10.9.9.9"]
    resolving(monkeypatch, "192.168.1.1")
    with pytest.raises(Refused):
        open_addresses("tracker.example", 443, networks)


def test_a_name_that_leads_nowhere_may_do_so_only_now() -> None:
    with pytest.raises(Unavailable, match="leads to no address"):
        open_addresses("tracker.invalid", 443, ())


def test_a_source_on_this_machine_is_refused_before_it_hears_anything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CHARGEBACK_PRIVATE_NETWORKS", "")
    settings.cache_clear()
    with answering(lambda _: Answer([])) as web:
        source = open_source("cost_tracker", {"url": f"{web.url}/export", "form": "json"})
        with pytest.raises(Refused, match="private network"):
            list(source.read(ALWAYS))
    assert not web.asked


def test_a_setting_that_is_no_network_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARGEBACK_PRIVATE_NETWORKS", "10.0.0.0/8, office")
    settings.cache_clear()
    with pytest.raises(ValueError, match="'office' is no network"):
        settings()


def test_the_token_stays_with_the_host_it_is_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKER_TOKEN", "canary")
    with answering(lambda _: Answer([])) as other:

        def redirecting(_: Asked) -> Answer:
            return Answer("", 302, {"Location": f"{other.url}/export"})

        with answering(redirecting) as web:
            config = {"url": f"{web.url}/export", "form": "json", "token_env": "TRACKER_TOKEN"}
            with pytest.raises(Invalid, match="redirects to another host"):
                list(open_source("cost_tracker", config).read(ALWAYS))
    assert not other.asked


@pytest.mark.parametrize("scheme", ["http:", ""])
def test_a_host_that_hides_behind_a_redirect_is_another_host(scheme: str) -> None:
    def redirecting(_: Asked) -> Answer:
        return Answer("", 307, {"Location": f"{scheme}//169.254.169.254/latest/meta-data"})

    with answering(redirecting) as web, pytest.raises(Invalid, match="redirects to another host"):
        list(open_source("cost_tracker", {"url": web.url, "form": "json"}).read(ALWAYS))


def test_the_name_is_what_the_server_and_its_certificate_are_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The connection is made to the checked address, and still it is the name that is verified."""
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    http_delivery._trust.cache_clear()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    with answering(lambda _: Answer([]), context) as web:
        port = web.url.rpartition(":")[2]
        by_name, by_address = (
            open_source("cost_tracker", {"url": f"https://{host}:{port}/x", "form": "json"})
            for host in ("localhost", "127.0.0.1")
        )
        assert list(by_name.read(ALWAYS)) == []
        with pytest.raises(Unavailable, match="certificate"):
            list(by_address.read(ALWAYS))
    assert [asked.headers["host"] for asked in web.asked] == [f"localhost:{port}"]
    http_delivery._trust.cache_clear()
