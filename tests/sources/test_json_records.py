"""Records come out of JSON one by one and exactly, wherever its text is cut into chunks."""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargeback.errors import Invalid
from chargeback.sources.json_records import LONGEST_RECORD_CHARACTERS, json_records, unescaped

RECORDS = [
    {"id": 'a"\\/\n\t\u0001', "cost": Decimal("0.1000000000000000055511151231257827")},
    {"id": "é😀\ud83d", "deep": [[], {}, {"x": [None, True, False]}]},
    -12,
    "text, with ] and } in it",
    Decimal("1.5E-7"),
    [],
]
PARTS = [
    r'{"id": "a\"\\\/\n\t\u0001", "cost": 0.1000000000000000055511151231257827}',
    r'{"id": "\u00e9\ud83d\ude00\ud83d" , "deep":[[],{},{"x":[null,true,false]}]}',
    "-12",
    '"text, with ] and } in it"',
    "1.5e-7",
    "[]",
]
BARE = "[" + " ,\r\n".join(PARTS) + " ]\n"
OBJECT = '\t{ "summary": {"records": [0]}, "records" :' + BARE + ', "n": 1.5 }'


def read(text: str, size: int) -> list[Any]:
    return list(json_records(cut(text, size), "export.json"))


def cut(text: str, size: int) -> Iterator[str]:
    return (text[at : at + size] for at in range(0, len(text), size))


@pytest.mark.parametrize("text", [BARE, OBJECT, json.dumps(OBJECT), " " + json.dumps(OBJECT)])
def test_every_chunk_size_gives_the_same_records(text: str) -> None:
    for size in range(1, len(text) + 1):
        assert read(text, size) == RECORDS, size


@pytest.mark.parametrize("text", [BARE, OBJECT, json.dumps(OBJECT)])
def test_every_single_cut_gives_the_same_records(text: str) -> None:
    for at in range(1, len(text)):
        chunks = iter((text[:at], text[at:]))
        assert list(json_records(chunks, "export.json")) == RECORDS, at


@given(st.text(), st.booleans(), st.integers(1, 9))
def test_any_string_is_unescaped_exactly(text: str, ensure_ascii: bool, size: int) -> None:
    pieces = unescaped(cut(json.dumps(text, ensure_ascii=ensure_ascii), size), "x")
    assert "".join(pieces) == text


@given(
    st.lists(st.sampled_from(["\\", '"', "\ud83d", "\ude00", "u", "😀", "n"])), st.integers(1, 9)
)
def test_backslashes_and_halves_of_pairs_are_unescaped_like_json_does(
    letters: list[str], size: int
) -> None:
    written = json.dumps("".join(letters))
    assert "".join(unescaped(cut(written, size), "x")) == json.loads(written)
    twice = json.dumps(written)
    assert "".join(unescaped(cut(twice, size), "x")) == written


@pytest.mark.parametrize("text", [BARE, OBJECT, json.dumps(OBJECT)])
def test_every_cut_off_answer_is_refused(text: str) -> None:
    whole = text.rstrip()
    for length in range(1, len(whole)):
        with pytest.raises(Invalid) as refusal:
            read(whole[:length], 7)
        assert refusal.value.code in ("delivery_invalid", "delivery_empty")


@pytest.mark.parametrize(
    "text",
    [
        "[1] 2",
        '{"records": []} x',
        '"[]" x',
        "[1,]",
        "[1 2]",
        "[,]",
        "[1}",
        '{"records": {}}',
        '{"records": [], "records": []}',
        '{"records": []',
        '{"records": [] "n": 1}',
        '{"records", []}',
        '{"data": []}',
        "{}",
        "{,}",
        "<html>",
        "Call ID,Timestamp",
        r'"[\x]"',
        r'"[\u12G4]"        ',
        "[" * 100_000,
        '["a\nb"]',
    ],
)
def test_what_is_no_list_of_records_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match=r"^export.json .*\.$") as refusal:
        read(text, 5)
    assert refusal.value.code == "delivery_invalid"


@pytest.mark.parametrize("text", ["", " \n", '""', '"  "'])
def test_an_empty_answer_is_refused_as_empty(text: str) -> None:
    with pytest.raises(Invalid, match=r"^export\.json is empty; export it again\.$"):
        read(text, 5)


@pytest.mark.parametrize("text", ["[]", "[ ]", '{"records":[]}', r'"{\"records\": [ ]}"'])
def test_no_records_are_no_fault(text: str) -> None:
    assert read(text, 1) == []


def test_numbers_that_no_decimal_takes_spoil_only_their_own_record() -> None:
    long = "9" * 5000
    found = read(f"[1.5, [1e99999999999999999999, 0.1], {long}, NaN, -Infinity, 2.5]", 64)
    assert found[:3] == [Decimal("1.5"), ["1e99999999999999999999", "0.1"], long]
    assert [str(number) for number in found[3:]] == ["NaN", "-Infinity", "2.5"]


def test_a_value_without_end_is_refused_before_it_fills_the_memory() -> None:
    endless = iter(["[", '"'] + ["x" * 2**20] * 100)
    with pytest.raises(Invalid, match=f"no value ends within {LONGEST_RECORD_CHARACTERS} char"):
        list(json_records(endless, "export.json"))
    assert len(list(endless)) > 80
