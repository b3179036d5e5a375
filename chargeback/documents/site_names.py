"""Where each page of a report site lies, and what its shared files are called.

Owns addresses only, all of them relative: the site works from a folder, and under any path of a server.
"""

import base64
import hashlib
import re
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from chargeback.documents.file_names import file_name

SITE = "reports"
ASSETS = f"{SITE}/assets"
SHELF = f"{SITE}/index.html"
OVERVIEW = "index.html"
_TEMPLATES = Path(__file__).parent / "templates"


class Asset(NamedTuple):
    """A file that all pages share, named by its content so that an old page keeps the one it was made with."""

    name: str
    data: bytes


@cache
def assets() -> dict[str, Asset]:
    """The shared files by what they are for: plotly, charts, style."""
    sources = {
        "plotly": _plotly() / "package_data" / "plotly.min.js",
        "charts": _TEMPLATES / "charts.js",
        "style": _TEMPLATES / "page.css",
    }
    return {use: _named(path) for use, path in sources.items()}


def _plotly() -> Path:
    """The package's folder; it is not imported, for only its script in the browser draws."""
    found = find_spec("plotly")
    assert found is not None, "plotly is installed with this package"
    return Path(next(iter(found.submodule_search_locations or ())))


def _named(path: Path) -> Asset:
    data = path.read_bytes()
    stem, _, suffix = path.name.rpartition(".")
    return Asset(f"{stem}_{hashlib.sha256(data).hexdigest()[:8]}.{suffix}", data)


@lru_cache(50_000)
def payer_page(subject: str, payer_id: str) -> str:
    """A team's or user's page in its edition; its CSV has the same name with another ending."""
    return f"{subject}s/{file_name(subject, payer_id, suffix='html')}"


@lru_cache(50_000)
def invoice_page(number: str) -> str:
    """A document's page in its edition."""
    return f"invoices/{file_name(number, number, suffix='html')}"


@lru_cache(50_000)
def rule_page(rule_id: str, version: int) -> str:
    """A rule version's page in its edition."""
    return f"rules/{file_name('rule', rule_id, f'v{version}', suffix='html')}"


def link(href: str) -> str:
    """An address that may be linked: a relative one; empty for any that names a scheme or host."""
    try:
        parts = urlsplit(href)
    except ValueError:
        return ""
    return "" if parts.scheme or parts.netloc or href.startswith(("/", "\\")) else href


@cache
def own_styles() -> tuple[str, ...]:
    """Ids of styles that the chart library would write into a page if they were not there: for maps, which we have not.

    An empty style of that name keeps them out, so that the policy against inline styles need not be loosened.
    """
    found = re.findall(rb'getElementById\("([0-9a-f]{64})"\)', assets()["plotly"].data)
    return tuple(sorted({name.decode("ascii") for name in found}))


def empty_hash() -> str:
    """The hash of a style that says nothing: charts make one and fill it by rules, which a policy allows."""
    return f"sha256-{base64.b64encode(hashlib.sha256(b'').digest()).decode('ascii')}"
