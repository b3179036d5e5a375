"""What the report pages show, and that they can do no harm."""

import base64
import hashlib
import re
from dataclasses import replace
from datetime import date
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any

import pytest

from chargeback.attribution import OwnerWanted, Unowned
from chargeback.documents.report_page import Bar, link, overview, page, picture
from chargeback.views import UnattributedView, UsageRow
from models.enums import OwnedKind
from tests.documents.samples import (
    HOSTILE_NAMES,
    LATE,
    OCTOBER,
    make_listed,
    make_report,
    make_share,
)


class Page(HTMLParser):
    """The tags, addresses, exact values and text of a page."""

    def __init__(self, source: bytes) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.addresses: list[str] = []
        self.values: list[Decimal] = []
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(source.decode("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        found = dict(attrs)
        self.attributes |= set(found)
        self.addresses += [found[name] or "" for name in ("href", "src") if name in found]
        if tag == "data":
            self.values.append(Decimal(found["value"] or ""))

    def handle_data(self, data: str) -> None:
        if self.get_starttag_text() != "<style>":
            self.text += data


def test_a_page_shows_total_comparison_usage_allocations_and_invoices() -> None:
    shown = " ".join(Page(page(make_report(), {})).text.split())
    assert "25.0000 USD" in shown
    assert "+5.0000 (+25.0%) 20.0000 USD before" in shown  # 25 against 20.
    assert "1 to 31 October 2026" in shown
    for said in ("storage", "agent-a", "2026-10-31", "by-usage v2", "INV-20261101-0001"):
        assert said in shown


def test_a_page_says_what_late_lines_are_for_and_none_where_there_are_none() -> None:
    shown = " ".join(Page(page(make_report(adjustments=(LATE,)), {})).text.split())
    assert "Correction for 2026-09: llm_tokens, billed on INV-20261001-0001" in shown
    assert "-10 tokens" in shown
    assert "-1.01 USD" in shown
    assert "shared anew" not in Page(page(make_report(), {})).text


def test_the_figures_of_a_page_add_up_to_the_last_digit() -> None:
    report = make_report()
    found = Page(page(report, {})).values
    # In the header, both tables' totals, and once in each table of a single row.
    assert found.count(Decimal("30.000000000000000001")) == 4
    assert found.count(Decimal("20.000000000000000001")) == 2
    assert found.count(Decimal("25.00")) == 3  # Header, allocations' total, invoice.
    assert Decimal("-5.00") in found


def test_nothing_before_is_no_percentage() -> None:
    shown = Page(page(make_report(previous_total_cost=Decimal(0)), {})).text
    assert "+25.0000" in shown
    assert "%" not in shown


def test_an_empty_month_says_so() -> None:
    empty = make_report(
        by_resource_type=(), by_agent=(), by_day=(), allocations=(), invoices=(),
        usage_cost=Decimal(0), total_cost=Decimal(0), previous_total_cost=Decimal(0),
        record_count=0,
    )  # fmt: skip
    shown = Page(page(empty, {})).text
    assert shown.count("No usage in this period.") == 3
    assert "Nothing is charged for this period." in shown
    assert "no change" in shown


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_hostile_names_are_seen_and_do_nothing(name: str) -> None:
    hostile = make_report(
        name=name,
        subject_id=name,
        by_agent=(UsageRow(name, Decimal(1), Decimal(1), 1),),
        by_resource_type=(UsageRow(name, Decimal(1), Decimal(1), 1),),
        allocations=(make_share(name, "1"),),
        invoices=(make_listed(number=name),),
    )
    found = Page(page(hostile, {name: "javascript:alert(1)"}))
    assert found.text.count(name) == 7  # Title, line above, heading, two tables, rule, invoice.
    assert not found.tags & {"script", "img", "iframe", "object", "a", "unclosed", "para"}
    assert found.addresses == []
    assert "style" not in found.attributes
    assert not any(attribute.startswith("on") for attribute in found.attributes)


def test_a_page_forbids_itself_everything_but_its_own_style() -> None:
    source = page(make_report(), {}).decode()
    style = re.search("<style>(.*?)</style>", source, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}'" in source
    assert "url(" not in style[1]
    assert "@import" not in style[1]


def test_an_invoice_is_linked_where_its_file_is() -> None:
    href = "../../invoices/2026-10/INV-20261101-0001_team-search_1a2b3c4d.pdf"
    assert Page(page(make_report(), {"INV-20261101-0001": href})).addresses == [href]


@pytest.mark.parametrize(
    "href",
    [
        "javascript:alert(1)",
        "https://evil.test/x",
        "//evil.test/x",
        "/etc/passwd",
        "\\\\host",
        "data:,x",
    ],
)
def test_only_files_beside_the_page_are_linked(href: str) -> None:
    assert link(href) == ""


def test_the_same_report_gives_the_same_page() -> None:
    assert page(make_report(), {}) == page(replace(make_report()), {})


def test_bars_are_as_high_as_their_cost_and_hang_where_it_is_negative() -> None:
    # From -5 to 15: the axis lies at 15/20 of the height, counted from the top.
    bars, axis = picture([Decimal(15), Decimal(0), Decimal(-5)])
    assert axis == 750
    assert bars == [Bar(0, 750, False), Bar(750, 0, False), Bar(750, 250, True)]


def test_every_day_of_the_month_has_its_place_in_the_picture() -> None:
    source = page(make_report(), {}).decode()
    picture_of_days = source[source.index('class="days"') : source.index('class="ends"')]
    assert picture_of_days.count("<rect") == 31


def test_the_overview_lists_teams_and_users_with_their_own_totals() -> None:
    search = make_report()
    data = make_report(subject_id="team-data", name="Data", total_cost=Decimal(75))
    ann = make_report(subject="user", subject_id="ann", name="Ann", total_cost=Decimal(3))
    source = overview(
        OCTOBER, [("Search", "s.html", search), ("Ann", "a.html", ann), ("Data", "d.html", data)]
    )
    found = Page(source)
    assert found.addresses == ["d.html", "s.html", "a.html"]  # Dearest first, teams before users.
    assert Decimal(100) in found.values  # 25 + 75.
    assert found.values.count(Decimal(3)) == 2  # Ann and the total of users.


def test_an_overview_without_reports_says_so() -> None:
    assert "No reports for this period." in Page(overview(OCTOBER, [])).text


def unowned(**given: Any) -> UnattributedView:
    """3.5 of 40 has no owner: 3 of agent <b>, 0.5 without a name."""
    day = date(2026, 10, 5)
    values: dict[str, Any] = {
        "period": OCTOBER, "currency": "USD", "cost": Decimal("3.5"), "whole": Decimal(40), "record_count": 3,
        "keyless": Decimal("0.5"), "teamless": Decimal(0), "billed_team": None,
        "groups": (Unowned("tracker", None, None, "<b>", Decimal(3), 2, day, day),),
        "owners": (OwnerWanted(OwnedKind.AGENT, "<b>", Decimal(3), 2, day, day),),
    }  # fmt: skip
    return UnattributedView(**values | given)


def test_the_overview_tells_what_nobody_owns_and_which_owners_would_clear_it() -> None:
    source = overview(OCTOBER, [("Search", "s.html", make_report())], unowned())
    text = Page(source).text
    assert "3.5000 USD of 40.0000 has no owner and is billed to nobody." in text
    assert "0.5000 of it bears no account, tag or agent" in text
    assert "These owners would clear 3.0000:" in text
    assert b"&lt;b&gt;" in source
    assert b"<b>" not in source


def test_an_overview_of_cost_that_all_has_owners_says_nothing_of_it() -> None:
    whole = unowned(cost=Decimal(0), keyless=Decimal(0), groups=(), owners=())
    assert "Without owner" not in Page(overview(OCTOBER, [], whole)).text


def test_what_a_team_pays_for_in_the_end_is_told() -> None:
    text = Page(overview(OCTOBER, [], unowned(billed_team="platform"))).text
    assert "has no owner; platform is billed for it." in text
