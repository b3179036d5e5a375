"""Messages quote what was given without being flooded by it."""

from chargeback.quoting import one_line, quoted


def test_short_values_are_quoted_as_they_are() -> None:
    assert (quoted("a\nb"), quoted(5), quoted(None)) == ("'a\\nb'", "5", "None")


def test_long_values_are_cut_to_eighty_characters() -> None:
    assert quoted("x" * 1000) == "'" + "x" * 76 + "..."


def test_a_sentence_for_a_log_stays_on_its_line_and_shows_what_hides() -> None:
    assert one_line("team é\nERROR\x1b[31m \u202egpj") == r"team é\nERROR\x1b[31m \u202egpj"
