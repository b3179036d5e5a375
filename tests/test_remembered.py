"""What a value means is worked out once, as long as there is room."""

import pytest

from chargeback.remembered import Remembered


def test_a_meaning_is_worked_out_at_the_first_sight_only() -> None:
    seen: list[int] = []

    def square(number: int) -> int:
        seen.append(number)
        return number * number

    squares = Remembered(square)
    assert [squares[3], squares[4], squares[3]] == [9, 16, 9]
    assert seen == [3, 4]


def test_when_there_is_no_room_all_is_forgotten_and_worked_out_again() -> None:
    doubles = Remembered(lambda n: 2 * n, most=2)
    assert [doubles[n] for n in (1, 2, 3, 1)] == [2, 4, 6, 2]
    assert len(doubles) == 2


def test_what_has_no_meaning_is_asked_for_each_time() -> None:
    numbers = Remembered(int)
    for _ in range(2):
        with pytest.raises(ValueError, match="invalid literal"):
            numbers["x"]
    assert not numbers
