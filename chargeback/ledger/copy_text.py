"""Values as fields of COPY's text format. Apart from `staging`, so that what reads needs nothing of the database."""

import re

_SPECIAL = re.compile(r"[\\\t\n\r]")
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def escaped(value: str | None) -> str:
    """`value` as one field of COPY's text format."""
    if value is None:
        return "\\N"
    return value.translate(_ESCAPES) if _SPECIAL.search(value) else value
