"""How messages quote what was given: recognisable, on one line, and never a page long."""

LONGEST_QUOTE = 80


def quoted(value: object) -> str:
    """`value` as a message shows it, cut to 80 characters; control characters are escaped."""
    text = repr(value)
    return text if len(text) <= LONGEST_QUOTE else f"{text[: LONGEST_QUOTE - 3]}..."


def one_line(text: str) -> str:
    """`text` on one line of a log: line ends, control characters and hidden signs stand there as escapes."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)
