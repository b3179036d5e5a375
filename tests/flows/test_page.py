"""What a run's page looks like, and what a form takes, without a Prefect server."""

from typing import Any

import pytest

from flows.forms import closed
from flows.page import Link, Page, inert, shown_cell
from flows.recording import title


def test_a_page_says_what_was_done_what_needs_a_person_and_shows_tables() -> None:
    page = Page("invoice-run 2026-10", ["3 invoices issued"], ["the tracker is silent"])
    row = {"number": "INV-1", "bill_to": None, "PDF": Link("PDF", "http://x/1")}
    page.tables["invoices"] = ("The documents.", [row])
    assert page.markdown() == (
        "# invoice-run 2026-10\n\n- 3 invoices issued\n\n## Needs a person\n\n- the tracker is silent\n\n"
        "## The documents.\n\n| number | bill to | PDF |\n| --- | --- | --- |\n| INV-1 |  | [PDF](http://x/1) |"
    )


def test_of_a_long_table_the_page_shows_the_first_rows_and_says_so() -> None:
    page = Page("x")
    page.tables["rows"] = ("Rows.", [{"n": n} for n in range(60)])
    assert "## Rows. The first 50 of 60." in page.markdown()
    assert "| 49 |" in page.markdown()
    assert "| 50 |" not in page.markdown()


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a|b", r"a\|b"),
        ("[x](javascript:1)", r"\[x\](javascript:1)"),
        ("<b>", "&lt;b&gt;"),
        ("R&D &lt;", "R&amp;D &amp;lt;"),
        ("a\n# b", "a # b"),
    ],
)
def test_a_name_obeys_no_markup(name: str, shown: str) -> None:
    assert inert(name) == shown
    assert shown_cell(Link(name, "u")) == f"[{shown}](u)"


@pytest.mark.parametrize(
    ("flow", "parameters", "name"),
    [
        (
            "invoice-run",
            {"period": "2026-10", "business_date": "2026-11-01"},
            "invoice-run 2026-10",
        ),
        (
            "invoice-on-demand",
            {"team": "search", "user": "", "period": "2026-10"},
            "invoice-on-demand search 2026-10",
        ),
        ("usage-sync", {"source": "all", "period": ""}, "usage-sync all"),
        ("retention", {"action": "restore", "month": "2024-01"}, "retention restore 2024-01"),
        ("books-verification", {}, "books-verification"),
    ],
)
def test_a_run_is_named_by_what_it_is_about(
    flow: str, parameters: dict[str, Any], name: str
) -> None:
    assert title(flow, parameters) == name


def test_a_closed_form_refuses_unknown_names_checks_dates_and_offers_the_sources() -> None:
    schema = {"type": "object", "properties": {
        "source": {"type": "string", "default": "all"},
        "as_of": {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]}}}  # fmt: skip
    form = closed(schema, ["aws", "llm"])
    assert form["additionalProperties"] is False
    assert form["properties"]["source"]["enum"] == ["all", "aws", "llm"]
    assert "pattern" in form["properties"]["as_of"]["anyOf"][0]
    assert form["properties"]["as_of"]["anyOf"][1] == {"type": "null"}
    assert closed(form, ["aws", "llm"]) == form
    assert "enum" not in closed(schema, [])["properties"]["source"]
