"""Fetches a tracker's answer whole before any of it is used, within bounds of time and size.

Owns requests, redirects and what each failure means: only what a retry can cure is Unavailable.
"""

import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from tempfile import SpooledTemporaryFile
from typing import IO

import httpx

from chargeback.errors import Invalid, Refused, Unavailable
from chargeback.sources.addresses import Network, open_addresses
from chargeback.sources.contract import World

LARGEST_ANSWER_BYTES = 8 * 2**30
LONGEST_ANSWER_SECONDS = 3600
MOST_REDIRECTS = 3
_HELD_IN_MEMORY_BYTES = 8 * 2**20
_CHUNK_BYTES = 2**18
_CURED_BY_WAITING = {408, 425, 429}


@contextmanager
def fetched(
    url: httpx.URL, headers: Mapping[str, str], media_types: frozenset[str], world: World
) -> Iterator[IO[bytes]]:
    """The complete body of a successful answer to GET `url`, as a file at its beginning.

    Each wait may take the world's timeout, the whole answer LONGEST_ANSWER_SECONDS.
    """
    # It can hold a delivery of any size: beyond the first megabytes it lives on disk.
    with SpooledTemporaryFile(max_size=_HELD_IN_MEMORY_BYTES) as file:
        try:
            with httpx.Client(verify=_trust(), timeout=float(world.timeout_seconds)) as client:
                _fetch(client, url, headers, media_types, file, world.networks)
        except httpx.TimeoutException:
            raise _unavailable(
                url, f"did not answer within {world.timeout_seconds:f} seconds"
            ) from None
        except (httpx.TransportError, httpx.DecodingError) as fault:
            raise _unavailable(url, f"broke off ({fault})") from fault
        except OSError as fault:
            raise _unavailable(url, f"could not be kept on disk ({fault})") from fault
        file.seek(0)
        yield file


@cache
def _trust() -> ssl.SSLContext:
    """The certificates trusted, read once: that takes longer than a page does."""
    return httpx.create_ssl_context()


def _fetch(
    client: httpx.Client,
    url: httpx.URL,
    headers: Mapping[str, str],
    media_types: frozenset[str],
    file: IO[bytes],
    networks: Sequence[Network],
) -> None:
    asked = url
    for _ in range(MOST_REDIRECTS + 1):
        response = _sent(client, asked, headers, networks)
        try:
            if not response.has_redirect_location:
                _refuse_failure(response, url)
                _refuse_media_type(response, url, media_types)
                return _keep(response, url, file)
            asked = _same_origin(response, asked)
        finally:
            response.close()
    raise Invalid(
        "source_redirects",
        f"{shown(url)} redirects more than {MOST_REDIRECTS} times; correct `url`.",
    )


def _sent(
    client: httpx.Client,
    url: httpx.URL,
    headers: Mapping[str, str],
    networks: Sequence[Network],
) -> httpx.Response:
    """The answer of the first address of the host that takes a connection."""
    port = url.port or (443 if url.scheme == "https" else 80)
    *others, last = open_addresses(url.host, port, networks)
    named = {**headers, "host": url.netloc.decode("ascii")}
    for address in (*others, last):
        request = client.build_request(
            "GET",
            url.copy_with(host=address),
            headers=named,
            extensions={"sni_hostname": url.raw_host.decode("ascii")},
        )
        try:
            return client.send(request, stream=True)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            if address == last:
                raise
    raise AssertionError("a host has an address, or finding it raises")


def _same_origin(response: httpx.Response, url: httpx.URL) -> httpx.URL:
    """Where the answer redirects to; to another origin it would carry the token and the trust with it."""
    try:
        there = url.join(response.headers["location"])
    except (httpx.InvalidURL, ValueError):
        raise _unavailable(url, "redirects to what is no address") from None
    if (there.scheme, there.host, there.port) != (url.scheme, url.host, url.port):
        raise Invalid(
            "source_redirects",
            f"{shown(url)} redirects to another host ({shown(there)}); correct `url`.",
        )
    return there


def _refuse_failure(response: httpx.Response, url: httpx.URL) -> None:
    status = response.status_code
    if status == httpx.codes.OK:
        return
    if status >= 500 or status in _CURED_BY_WAITING:
        wait = response.headers.get("retry-after", "")[:60]
        asks = f", Retry-After: {wait}" if wait.isprintable() and wait else ""
        raise _unavailable(url, f"answered {status}{asks}")
    if status in (401, 403):
        raise Refused(
            "source_denied",
            f"{shown(url)} answered {status}; give this source a valid token with `token_env`.",
        )
    raise Invalid(
        "source_answer", f"{shown(url)} answered {status}; correct `url` to the export endpoint."
    )


def _refuse_media_type(
    response: httpx.Response, url: httpx.URL, media_types: frozenset[str]
) -> None:
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type and media_type not in media_types:
        raise Invalid(
            "source_answer",
            f"{shown(url)} answered with {media_type[:80]!r}; correct `url` or `form`.",
        )


def _keep(response: httpx.Response, url: httpx.URL, file: IO[bytes]) -> None:
    """Write the whole body to `file`; httpx raises if it is shorter than announced."""
    ends_at = time.monotonic() + LONGEST_ANSWER_SECONDS
    last = b""
    for piece in response.iter_bytes(_CHUNK_BYTES):
        last = piece or last
        file.write(piece)
        if file.tell() > LARGEST_ANSWER_BYTES:
            raise Invalid(
                "source_answer",
                f"{shown(url)} sends more than {LARGEST_ANSWER_BYTES} bytes; sync shorter windows.",
            )
        if time.monotonic() > ends_at:
            raise _unavailable(url, f"took more than {LONGEST_ANSWER_SECONDS} seconds")
    is_announced = {"content-length", "transfer-encoding"} & set(response.headers)
    if not is_announced and last and last[-1:] not in b'\n\r]}" ':
        raise _unavailable(url, "broke off in the middle of a line")


def _unavailable(url: httpx.URL, reason: str) -> Unavailable:
    return Unavailable("source_unavailable", f"{shown(url)} {reason}; sync again later.")


def shown(url: httpx.URL) -> str:
    """The address without query and credentials, which may be secret."""
    return str(url.copy_with(query=None, fragment=None, userinfo=b""))
