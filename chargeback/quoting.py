"""How messages quote what was given: recognisable, on one line, and never a page long."""

LONGEST_QUOTE = 80


def quoted(value: object) -> str:
    """`value` as a message shows it, cut to 80 characters; control characters are escaped."""
    text = repr(value)
    return text if len(text) <= LONGEST_QUOTE else f"{text[: LONGEST_QUOTE - 3]}..."
