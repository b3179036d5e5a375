"""What the pages of the report site show, and that they can do no harm."""

import base64
import hashlib
import re
from dataclasses import replace
from datetime import date
from decimal import Decimal
from html.parser import HTMLParser

import pytest

from chargeback.documents import site_names
from chargeback.documents.pages import (
    Entry,
    Shelved,
    entry,
    invoice_page,
    overview,
    payer_page,
    rule_page,
    shelf,
)
from chargeback.site_views import BudgetFigures
from chargeback.views import UsageRow
from tests.documents.samples import (
    HOSTILE_NAMES,
    LATE,
    OCTOBER,
    make_invoice_figures,
    make_listed,
    make_month,
    make_payer,
    make_report,
    make_rule,
    make_share,
    make_unowned,
)

NONE: frozenset[str] = frozenset()


class Page(HTMLParser):
    """The tags, addresses, exact values and text of a page."""

    def __init__(self, source: bytes) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.values: list[Decimal] = []
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(source.decode("utf-8"))
        self.shown = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        found = dict(attrs)
        self.attributes |= set(found)
        self.addresses += [found[name] or "" for name in ("href", "src") if name in found]
        if tag == "data":
            self.values.append(Decimal(found["value"] or ""))

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_endtag(self, tag: str) -> None:
        self.text += " " if tag in ("td", "th", "a", "dd") else ""

    @property
    def links(self) -> list[str]:
        """Where the page leads, without its own style, scripts and way up."""
        return [one for one in self.addresses if "assets/" not in one and not one.endswith("index.html")
                and one != "data:,"]  # fmt: skip


def of_a_team(name: str = "Search") -> Page:
    return Page(payer_page(make_payer(make_report(name=name)), {}, NONE))


def test_a_teams_page_says_the_month_in_its_first_sentence() -> None:
    shown = of_a_team().shown
    assert (
        "October 2026: 25.0000 USD, +5.0000 (+25.0%) against September 2026. "
        "What changed most: agent-a +10.00; A credit for all (shared) -5.00." in shown
    )


def test_a_teams_page_shows_usage_allocations_and_invoices() -> None:
    shown = of_a_team().shown
    for said in ("storage", "agent-a", "2026-10-31", "by-usage v2", "INV-20261101-0001"):
        assert said in shown


def test_what_a_charge_is_made_of_adds_up_to_it() -> None:
    found = of_a_team().values
    assert found.count(Decimal(30)) >= 1
    assert found.count(Decimal(-5)) >= 1
    # The first sentence, the card, the totals of what it is made of and of the shares, the month, the invoice.
    assert found.count(Decimal(25)) == 6


def test_unit_costs_are_per_thousand_where_a_unit_costs_next_to_nothing() -> None:
    rows = (UsageRow("llm", Decimal("3.5"), Decimal(1_000_000), 7, "Tokens"),
            UsageRow("gpu", Decimal(8), Decimal(4), 2, "hours"))  # fmt: skip
    shown = Page(payer_page(make_payer(make_report(by_unit=rows)), {}, NONE)).shown
    assert "0.0035 per 1,000 Tokens" in shown  # 3.5 / 1,000,000 × 1,000
    assert "2.00 per hours" in shown  # 8 / 4
    assert "0.50" in shown  # 3.5 over 7 records


def test_a_page_says_what_late_lines_are_for_and_none_where_there_are_none() -> None:
    late = make_payer(make_report(adjustments=(LATE,)))
    shown = Page(payer_page(late, {}, NONE)).shown
    assert "Correction for 2026-09: llm_tokens, billed on INV-20261001-0001" in shown
    assert "-10 tokens" in shown
    assert "-1.01 USD" in shown
    assert "shared anew" not in of_a_team().shown


def test_nothing_before_is_no_percentage() -> None:
    report = make_report(previous_total_cost=Decimal(0))
    made_of = (replace(make_payer().made_of[0], previous_cost=Decimal(0)),)
    shown = Page(payer_page(make_payer(report, made_of=made_of), {}, NONE)).shown
    assert "+25.0000" in shown
    assert "(+" not in shown


def test_a_budget_says_what_is_spent_what_is_left_and_what_is_expected() -> None:
    open_month = BudgetFigures(date(2026, 10, 21), Decimal(40), Decimal(25), Decimal("38.75"))
    shown = Page(payer_page(make_payer(budget=open_month), {}, NONE)).shown
    assert "62.5% spent 25.00 of 40.00, 15.00 left" in shown
    assert "38.75 96.9% of the budget, seen from 21 October 2026" in shown
    assert "median of its weekday" in shown
    over = BudgetFigures(date(2026, 11, 1), Decimal(20), Decimal(25), None)
    shown = Page(payer_page(make_payer(budget=over), {}, NONE)).shown
    assert "125.0% spent 25.00 of 20.00, 5.00 over" in shown
    assert "Expected" not in shown


def test_an_empty_month_says_so() -> None:
    empty = make_report(
        by_resource_type=(), by_agent=(), by_day=(), allocations=(), invoices=(),
        usage_cost=Decimal(0), total_cost=Decimal(0), previous_total_cost=Decimal(0),
        record_count=0,
    )  # fmt: skip
    figures = make_payer(empty, made_of=(), days=(), months=())
    shown = Page(payer_page(figures, {}, NONE)).shown
    assert "No usage in this period." in shown
    assert shown.count("Nothing is charged for this period.") == 2
    assert "as in September 2026" in shown


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_hostile_names_are_seen_and_do_nothing(name: str) -> None:
    hostile = make_report(
        name=name,
        subject_id=name,
        by_agent=(UsageRow(name, Decimal(1), Decimal(1), 1),),
        by_model=(UsageRow(name, Decimal(1), Decimal(1), 1),),
        by_resource_type=(UsageRow(name, Decimal(1), Decimal(1), 1, name),),
        allocations=(make_share(name, "1"),),
        invoices=(make_listed(number=name),),
    )
    made_of = tuple(replace(one, agent_id=name) for one in make_payer().made_of)
    days = tuple(replace(one, resource_type=name) for one in make_payer().days)
    payer = make_payer(hostile, made_of=made_of, days=days)
    team = Entry("team", name, name, None, Decimal(1), Decimal(1), Decimal(0), 1, name)
    for source, least in (
        (payer_page(payer, {name: "javascript:alert(1)"}, NONE), 9),
        (invoice_page(make_invoice_figures(name), "javascript:alert(1)", NONE), 9),
        (rule_page(make_rule(name), NONE), 9),
        (overview(make_month(), [team]), 2),
    ):
        found = Page(source)
        assert found.text.count(name) >= least
        assert found.tags.count("script") in (0, 2)  # The site's own, or none.
        assert not set(found.tags) & {"img", "iframe", "object", "unclosed", "para", "font"}
        assert not any(address.startswith("javascript:") for address in found.addresses)
        assert "style" not in found.attributes
        assert not any(attribute.startswith("on") for attribute in found.attributes)


def test_a_page_forbids_itself_everything_but_the_sites_own_style_and_scripts() -> None:
    source = payer_page(make_payer(), {}, NONE).decode()
    nothing = base64.b64encode(hashlib.sha256(b"").digest()).decode()
    assert (
        f"default-src 'none'; script-src 'self'; style-src-elem 'self' 'sha256-{nothing}'; "
        "style-src-attr 'unsafe-inline'; img-src 'self' data:" in source
    )
    assert re.findall(r"<style[^>]*>([^<]+)</style>", source) == []
    assert re.findall(r"<script[^>]*>([^<]+)</script>", source) == []
    style = site_names.assets()["style"].data.decode()
    assert "url(" not in style
    assert "@import" not in style


def test_an_invoice_its_pdf_and_a_rule_are_linked_where_they_are() -> None:
    pdf = "../../../../invoices/2026-10/INV-20261101-0001_team-search_1a2b3c4d.pdf"
    number, rule = (
        site_names.invoice_page("INV-20261101-0001"),
        site_names.rule_page("by-usage", 2),
    )
    found = Page(payer_page(make_payer(), {"INV-20261101-0001": pdf}, frozenset({number, rule})))
    assert found.links == [f"../{number}", pdf, f"../{rule}", found.links[-1]]
    assert found.links[-1].endswith(".csv")


def test_a_documents_page_leads_down_to_the_usage_record() -> None:
    shown = Page(invoice_page(make_invoice_figures(), "", NONE)).shown
    way = ("agent-a 1: 12.35 USD", "by_usage v1", "Direct usage, the largest 1 of 1", "Usage records, 1 of 1",
           "2026-10-05 09:30:00")  # fmt: skip
    places = [shown.index(step) for step in way]
    assert places == sorted(places)
    assert "411.19 USD in equal parts among 11 payers; this payer's part is 37.38 USD." in shown


def test_only_the_first_hundred_lines_are_explained_and_the_page_says_so() -> None:
    found = Page(invoice_page(make_invoice_figures(lines=150), "", NONE))
    assert found.tags.count("details") == 100
    assert "The first 100 of 150 lines" in found.shown
    assert "agent-a 150" in found.shown


def test_a_rules_page_says_what_it_took_and_who_bears_it() -> None:
    shown = Page(rule_page(make_rule(), NONE)).shown
    assert "10.5000 USD shared out in October 2026" in shown
    assert "6.3000 60.0%" in shown  # 6.3 of 10.5
    assert "40.0%" in shown


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
    assert site_names.link(href) == ""


def test_the_same_figures_give_the_same_page() -> None:
    assert payer_page(make_payer(), {}, NONE) == payer_page(replace(make_payer()), {}, NONE)


def test_every_day_of_the_month_has_its_place_in_the_chart() -> None:
    source = payer_page(make_payer(), {}, NONE).decode()
    chart = source[source.index('data-chart="stack"') : source.index("</figure>")]
    assert chart.count('<th scope="row"') == 31


def test_the_overview_lists_the_dearest_first_with_what_changed() -> None:
    search, data = (
        entry(make_payer()),
        entry(make_payer(make_report(subject_id="team-data", name="Data", total_cost=Decimal(75)))),
    )
    ann = entry(make_payer(make_report(subject="user", subject_id="ann", name="Ann")))
    found = Page(overview(make_month(), [search, data, ann]))
    assert [one.partition("/")[0] for one in found.links if not one.startswith("#")] == [
        "teams",
        "teams",
        "users",
    ]
    assert found.shown.index(" Data ") < found.shown.index(" Search ", found.shown.index("Teams"))
    assert "agent-a +10.00" in found.shown


def test_the_overview_says_the_total_the_change_and_that_the_books_tie() -> None:
    shown = Page(overview(make_month(), [])).shown
    assert "28.5000 USD in all, +8.5000 (+42.5%) against September 2026." in shown
    assert "What changed most: agent-a +10.0000, A credit for all (shared) -5.0000." in shown
    assert "every cent that came in is accounted for" in shown
    broken = replace(make_month().checks[0], difference=Decimal("0.01"))
    assert "the books do not tie" in Page(overview(make_month(checks=(broken,)), [])).shown


def test_the_overview_tells_what_nobody_owns_and_which_owners_would_clear_it() -> None:
    source = overview(make_month(), [])
    text = Page(source).shown
    assert "3.5000 USD of 28.5000 has no owner and is billed to nobody." in text
    assert "0.5000 of it bears no account, tag or agent" in text
    assert "These owners would clear 3.0000:" in text
    assert b"&lt;b&gt;" in source
    assert b"<b>" not in source


def test_an_overview_of_cost_that_all_has_owners_says_so() -> None:
    whole = make_unowned(cost=Decimal(0), keyless=Decimal(0), groups=(), owners=())
    shown = Page(overview(make_month(unowned=whole), [])).shown
    assert "All cost of this period has an owner." in shown


def test_what_a_team_pays_for_in_the_end_is_told() -> None:
    text = Page(overview(make_month(unowned=make_unowned(billed_team="platform")), [])).shown
    assert "has no owner; platform is billed for it." in text


def test_the_list_of_periods_says_so_when_it_is_empty() -> None:
    assert "No reports are published yet" in Page(shelf([])).shown
    listed = Page(shelf([Shelved(OCTOBER, "2026-10/1a2b3c4d/index.html", "")]))
    assert "October 2026" in listed.shown
