"""Rows come out of CSV with their line numbers, after the header was held against the contract."""

import io

import pytest

from chargeback.errors import Invalid
from chargeback.sources.csv_records import LONGEST_LINE_CHARACTERS, cell_reader, csv_rows

Rows = list[tuple[int, list[str] | None]]


def read(text: str, columns: tuple[str, ...] = ("a", "b")) -> Rows:
    rows = csv_rows(io.StringIO(text, newline=""), columns, "export.csv")
    return [(line, cells) for line, cells, _ in rows]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_kind_of_line_end_gives_the_same_rows(end: str) -> None:
    assert read(end.join(["a,b", "1,2", "3,4", ""])) == [(2, ["1", "2"]), (3, ["3", "4"])]


def test_the_last_line_needs_no_end() -> None:
    assert read("a,b\n1,2") == [(2, ["1", "2"])]


def test_a_row_is_numbered_by_its_first_line() -> None:
    assert read('a,b\n"1\n1",2\n\n3,"4"\n') == [(2, ["1\n1", "2"]), (5, ["3", "4"])]


def test_cells_come_in_the_order_asked_for_without_columns_nobody_asked_for() -> None:
    assert read("x,b,a\n1,2,3\n") == [(2, ["3", "2"])]


def test_short_and_long_rows_are_marked_and_the_next_one_is_read() -> None:
    assert read("a,b\n1\n1,2,3\n4,5\n") == [(2, None), (3, None), (4, ["4", "5"])]


def test_cells_stay_text() -> None:
    assert read("a,b\n001,NA\n=1+1,01/02/2024\n") == [
        (2, ["001", "NA"]),
        (3, ["=1+1", "01/02/2024"]),
    ]


def test_a_header_alone_has_no_rows() -> None:
    assert read("a,b\r\n") == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "export.csv is empty"),
        ("a\n1\n", "lacks the column 'b'"),
        ("\na,b\n", "lacks the column 'a'"),
        ("a;b\n", "lacks the column 'a'"),
        ("a,b,a\n", "names the column 'a' twice"),
        ("a,b,\n1,2,3\n", "has a column without a name, number 3"),
        ('a,b\n1,2\n"3,4\n5,6\n', "broken quote in the row at line 3"),
        ('a,b\n"1"x,2\n', "broken quote in the row at line 2"),
        ("a,b\n1," + "x" * LONGEST_LINE_CHARACTERS, "Line 2 of export.csv is longer than"),
    ],
)
def test_a_file_that_cannot_be_trusted_is_refused_with_its_reason(text: str, fault: str) -> None:
    with pytest.raises(Invalid, match=fault):
        read(text)


def test_rows_of_text_are_read_one_by_one() -> None:
    cells_of = cell_reader("export.csv")
    assert cells_of('1,"a, ""b""\nc"\n', 2) == ["1", 'a, "b"\nc']
    assert cells_of("2,\r\n", 4) == ["2", ""]


@pytest.mark.parametrize("row", ['a"b,"c\n', '"a"b,c\n', 'x"y\nz"w\n'])
def test_a_row_with_broken_quotes_is_refused_by_its_line(row: str) -> None:
    with pytest.raises(Invalid, match=r"broken quote in the row at line 7"):
        cell_reader("export.csv")(row, 7)
