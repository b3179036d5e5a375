"""Messages quote what was given without being flooded by it."""

from chargeback.quoting import quoted


def test_short_values_are_quoted_as_they_are() -> None:
    assert (quoted("a\nb"), quoted(5), quoted(None)) == ("'a\\nb'", "5", "None")


def test_long_values_are_cut_to_eighty_characters() -> None:
    assert quoted("x" * 1000) == "'" + "x" * 76 + "..."
