"""What published files are called: readable, safe on every file system, and never the same twice.

Owns names only; where they lie is `file_store`.
"""

import hashlib
import re
import unicodedata

from chargeback.periods import Period

_SLUG_LENGTH = 48
_NOT_SLUG = re.compile(r"[^a-z0-9]+")
_NOT_NUMBER = re.compile(r"[^A-Za-z0-9]+")


def file_name(number: str, *parts: str, suffix: str) -> str:
    """`<number>_<slug of the parts>_<8 hex>.<suffix>`, like INV-20261101-0001_team-search_1a2b3c4d.pdf.

    The slug is for people; the digits come from number and parts as they are, so that names which
    look alike (A/B and A B, two spellings of é) stay apart.
    """
    digest = hashlib.sha256()
    for part in (number, *parts):
        written = part.encode("utf-8", "surrogatepass")
        digest.update(b"%d:%b" % (len(written), written))
    shown = _NOT_NUMBER.sub("-", number).strip("-")[:_SLUG_LENGTH].strip("-") or "document"
    return f"{shown}_{_slug('-'.join(parts))}_{digest.hexdigest()[:8]}.{suffix}"


def _slug(text: str) -> str:
    """The letters and digits of `text` in plain ASCII; `unnamed` where it has none."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii").lower()
    return _NOT_SLUG.sub("-", plain).strip("-")[:_SLUG_LENGTH].strip("-") or "unnamed"


def period_folder(period: Period) -> str:
    """The folder of a period's files: 2026-10, or 2026-10-01_2026-10-10 for other days."""
    return period.label.replace(" to ", "_")
