"""Public ids: the same key has the same id, different keys have different ones."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from chargeback.identity import public_id

PARTS = st.lists(st.none() | st.text("ab:-1é", max_size=3), max_size=4)


def test_the_id_is_the_first_half_of_the_hash_of_the_parts_with_their_lengths() -> None:
    # printf '3:abc-:' | sha256sum
    assert public_id("abc", None) == UUID("367133e8-c385-09e7-cf6c-e8bece9aa95c")


def test_lengths_are_counted_in_bytes_of_utf_8() -> None:
    # printf '4:team7:Réseau' | sha256sum
    assert public_id("team", "Réseau") == UUID("be4d98d3-d015-5f23-4542-53532ccf5640")


def test_where_one_part_ends_matters() -> None:
    assert public_id("ab", "c") != public_id("a", "bc")


def test_a_missing_part_is_not_an_empty_one() -> None:
    assert len({public_id(), public_id(None), public_id(""), public_id("-:")}) == 4


@given(PARTS, PARTS)
def test_ids_are_equal_exactly_where_keys_are(
    one: list[str | None], other: list[str | None]
) -> None:
    assert (public_id(*one) == public_id(*other)) is (one == other)
