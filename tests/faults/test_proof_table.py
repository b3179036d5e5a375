"""The table of the proof is put into its page, and nothing else of the page changes."""

from pathlib import Path

from tests.proof import BEGIN, END, Row, Table, write


def test_what_people_wrote_around_the_table_stays(tmp_path: Path) -> None:
    page, table = tmp_path / "proof.md", Table()
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    table.rows = {"killed": Row(1200, 1, 0, 61.4), "raced": Row(34, 0, 2, 8.8)}
    for _ in range(2):
        write(page, table)
    said = page.read_text(encoding="utf-8")
    assert said.startswith(f"before\n{BEGIN}\n")
    assert said.endswith(f"{END}\nafter\n")
    assert "old" not in said
    assert said.splitlines()[-6:-3] == [
        "| killed | 1,200 | 1 | 0 | 61 |",
        "| raced | 34 | 0 | 2 | 9 |",
        "| all | 1,234 | 1 | 2 | 70 |",
    ]
