import pytest

from chargeback.row_fixes import Fix, mended
from models.enums import FixOperation

SET, REPLACE = FixOperation.SET, FixOperation.REPLACE
ROW = {"cost": "1,234,5", "team": "srch", "metadata": {"team_id": "srch", "depth": {"x": "1"}}}


def fix(field: str, new: str, old: str | None = None, where: tuple[str, str] | None = None) -> Fix:
    operation = SET if old is None else REPLACE
    return Fix("code", field, operation, new, old, *(where or (None, None)))


def test_a_field_is_set_whether_it_was_there_or_not() -> None:
    assert mended(ROW, [fix("team", "search")]) == {**ROW, "team": "search"}
    assert mended({}, [fix("team", "search")]) == {"team": "search"}


def test_a_text_is_replaced_wherever_it_stands_in_the_field() -> None:
    assert mended(ROW, [fix("cost", ".", ",")]) == {**ROW, "cost": "1.234.5"}


def test_fields_inside_others_are_reached_by_points() -> None:
    found = mended(ROW, [fix("metadata.team_id", "search"), fix("metadata.depth.y", "2")])
    assert found == {**ROW, "metadata": {"team_id": "search", "depth": {"x": "1", "y": "2"}}}


def test_a_column_with_a_point_in_its_name_is_that_column() -> None:
    assert mended({"a.b": "1"}, [fix("a.b", "2")]) == {"a.b": "2"}


def test_fixes_are_made_one_after_the_other() -> None:
    found = mended(ROW, [fix("cost", "", ","), fix("cost", "9", "1")])
    assert found == {**ROW, "cost": "92345"}


@pytest.mark.parametrize(
    ("where", "is_made"),
    [
        (("team", "srch"), True),
        (("team", "other"), False),
        (("metadata.team_id", "srch"), True),
        (("absent", "x"), False),
    ],
)
def test_a_condition_chooses_the_rows(where: tuple[str, str], is_made: bool) -> None:
    assert (mended(ROW, [fix("cost", "1", where=where)]) is not None) == is_made


def test_a_fix_that_changes_nothing_says_so_and_the_row_is_never_touched() -> None:
    before = {"cost": "1", "inner": {"x": "1"}}
    assert mended(before, [fix("cost", ".", ",")]) is None
    assert mended(before, [fix("cost", "1")]) is None
    mended(before, [fix("inner.x", "2")])
    assert before == {"cost": "1", "inner": {"x": "1"}}


def test_a_fix_is_told_in_words() -> None:
    assert str(fix("cost", ".", ",")) == "in cost replace ',' by '.'"
    assert str(fix("team", "search", where=("user", "ana"))) == (
        "set team to 'search' where user is 'ana'"
    )
