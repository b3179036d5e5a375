"""Public ids: what outsiders call a row, worked out from its natural key alone.

Owns the one formula, whose SQL twin is the function `public_id(VARIADIC text[])`.
"""

from hashlib import sha256
from uuid import UUID


def public_id(*parts: str | None) -> UUID:
    """The id of the thing whose natural key is `parts`; the same key always has the same id.

    Each part is preceded by its length in bytes, so ("ab", "c") and ("a", "bc") differ, and so do
    an empty part and one that is missing.
    """
    return UUID(bytes=sha256(b"".join(map(length_prefixed, parts))).digest()[:16])


def length_prefixed(part: str | None) -> bytes:
    """A part as it is hashed: ids that begin with the same parts are hashed from the same beginning."""
    if part is None:
        return b"-:"
    encoded = part.encode()
    return b"%d:%s" % (len(encoded), encoded)
