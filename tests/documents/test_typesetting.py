"""How names become lines of glyphs: shaping, direction, fallback and wrapping."""

import pytest

from chargeback.documents.reading_order import levels
from chargeback.documents.typefaces import FONTS
from chargeback.documents.typesetting import clusters, shaped, visible, width, wrap


def shown(text: str) -> str:
    """The text from left to right as it is seen, before brackets are mirrored."""
    return "".join(glyph.text for run in shaped(text) for glyph in run.glyphs)


def test_plain_text_is_as_wide_as_its_letters() -> None:
    assert width("ab") == width("a") + width("b")
    assert width("11") == width("99")  # Figures line up in columns.


def test_hebrew_runs_from_right_to_left_and_latin_and_numbers_inside_it_do_not() -> None:
    assert shown("אבג abc 123") == "abc 123 גבא"


def test_brackets_around_a_latin_word_in_hebrew_stay_around_it() -> None:
    assert shown("אבג (abc) 123") == "123 )abc( גבא"


def test_a_hebrew_word_in_latin_text_stays_where_it_was_written() -> None:
    assert shown("Team אבג 12") == "Team 12 גבא"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("abc", [0, 0, 0]),
        ("אב", [1, 1]),
        ("א12", [1, 2, 2]),
        ("ا1+2", [1, 2, 1, 2]),  # After Arabic letters a plus sign joins no numbers.
        ("א1,2", [1, 2, 2, 2]),  # A comma between digits belongs to the number.
        ("a(א)b", [0, 0, 1, 0, 0]),
    ],
)
def test_levels_follow_the_unicode_algorithm(text: str, expected: list[int]) -> None:
    assert levels(text) == expected


def test_arabic_letters_join() -> None:
    joined = shaped("بب")[0]
    alone = shaped("ب")[0]
    assert joined.glyphs[0].number != alone.glyphs[0].number


def test_devanagari_vowel_signs_and_conjuncts_are_shaped() -> None:
    (run,) = shaped("स्ते")
    assert len(run.glyphs) < len("स्ते")


def test_an_emoji_of_several_characters_is_one_glyph() -> None:
    (run,) = shaped("👩\u200d💻")
    assert len(run.glyphs) == 1


def test_an_accent_typed_apart_is_as_wide_as_the_accented_letter() -> None:
    assert width("e\u0301") == width("é")


def test_tabs_and_line_breaks_are_spaces_and_hidden_controls_are_seen() -> None:
    assert visible("a\tb\nc") == "a b c"
    assert visible("a\u2066b") == "a[U+2066]b"
    assert visible("a\u200db") == "a\u200db"


def test_a_character_and_its_marks_are_never_parted() -> None:
    assert list(clusters("e\u0301👩\u200d💻x")) == ["e\u0301", "👩\u200d💻", "x"]


def test_text_breaks_at_spaces_and_too_long_words_inside() -> None:
    assert wrap("one two", False, width("one tw")) == ("one", "two")
    assert wrap("aaaa", False, width("aa")) == ("aa", "aa")


def test_no_line_is_wider_than_its_room_and_no_character_is_lost() -> None:
    text = "many words 検索サービス " * 9 + "x" * 80
    lines = wrap(text, False, 9000)
    assert all(width(line) <= 9000 for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_every_typeface_has_its_licence_beside_it() -> None:
    described = (FONTS / "README.md").read_text("utf-8")
    for licence in FONTS.glob("*.txt"):
        assert licence.name in described
    for font in FONTS.glob("*.ttf"):
        assert font.name in described or font.name.startswith("NotoSans")
