"""From lines to usage and back: every story's records, shares and lines, with numbers worked by hand."""

from decimal import Decimal

import pytest

from chargeback import money
from chargeback.errors import Invalid, NotFound
from chargeback.ledger import bearers, explaining, issuing, line_usage, record_pages
from chargeback.ledger.bearers import RecordExplained
from chargeback.ledger.database import snapshot
from chargeback.ledger.line_usage import BorneRecord, Trail
from chargeback.lineage import LineExplained
from tests.conftest import Ledger
from tests.ledger.books import SOURCE, Books

D = Decimal
GPU = {"rule_id": "gpu", "rule_type": "fixed_split", "match": {"resource_types": ["gpu"]},
       "split_percentages": {"red": "33.33", "tan": "33.33", "sky": "33.34"},
       "allocation_metadata": {"entity_type": "team"}}  # fmt: skip


@pytest.fixture
def books(ledger: Ledger) -> Books:
    return Books(ledger)


def explained(number: str, position: int = 1) -> LineExplained:
    with snapshot() as connection:
        return explaining.line(connection, issuing.find(connection, number), position)


def behind(number: str, position: int = 1, most: int = 100) -> list[BorneRecord]:
    """All records behind a line, read in pages of `most`."""
    found: list[BorneRecord] = []
    after = Trail()
    with snapshot() as connection:
        invoice = issuing.find(connection, number)
        while page := line_usage.records(connection, invoice, position, after, most):
            found += page
            after = page[-1].trail
    return found


def shown(found: list[BorneRecord]) -> list[tuple[str, Decimal]]:
    return [(one.record.usage_id, one.borne) for one in found]


def borne_by(usage_id: str, source: str | None = None) -> RecordExplained:
    with snapshot() as connection:
        return bearers.bearers(connection, bearers.find(connection, usage_id, source))


def lines_of(usage_id: str) -> list[tuple[str | None, int | None, Decimal]]:
    return [(one.number, one.position, one.cost) for one in borne_by(usage_id).bearers]


def test_a_line_of_direct_cost_is_explained_down_to_its_records_and_back(books: Books) -> None:
    books.use("red", "ana", "1.5", "2026-10-05").use("red", "bob", "2.25", "2026-10-06")
    books.use("tan", "cyd", "9", "2026-10-05")
    red, tan = books.bill()

    line = explained(red)
    assert line.line.exact == D("3.75")
    (rule,) = line.rules
    assert (rule.rule_id, rule.rule_version, rule.kind, rule.pools, rule.allocations) == (
        "by_usage",
        1,
        "usage",
        2,
        2,
    )
    assert (rule.cost, rule.pool_cost, str(rule.first_day), str(rule.last_day)) == (
        D("3.75"), D("3.75"), "2026-10-05", "2026-10-06",
    )  # fmt: skip
    assert shown(behind(red)) == [("u-1", D("1.5")), ("u-2", D("2.25"))]
    assert lines_of("u-2") == [(red, 1, D("2.25"))]
    assert lines_of("u-3") == [(tan, 1, D(9))]


def test_of_a_shared_record_each_line_bears_its_part_and_the_parts_are_the_whole(
    books: Books,
) -> None:
    books.rule(GPU).use("red", "ana", "10", resource_type="gpu")
    books.use("sky", "cyd", "0.000000000000000001", resource_type="gpu")
    red, sky, tan = books.bill()

    # 33.33 % of 10; of 10⁻¹⁸, which nobody can share, sky's remainder is the largest.
    assert lines_of("u-1") == [(red, 1, D("3.333")), (sky, 1, D("3.334")), (tan, 1, D("3.333"))]
    assert lines_of("u-2") == [(red, 1, D(0)), (sky, 1, D("1E-18")), (tan, 1, D(0))]
    assert sorted(shown(behind(tan))) == [("u-1", D("3.333")), ("u-2", D(0))]
    (rule,) = explained(tan).rules
    assert (rule.rule_type, rule.is_divided, rule.pool_cost) == (
        "fixed_split", True, D("10.000000000000000001"),
    )  # fmt: skip


def test_what_a_later_stage_passes_on_is_followed_through_both_stages(books: Books) -> None:
    books.rule({"rule_id": "gpu", "rule_type": "fixed_split", "split_percentages": {"platform": 60, "red": 40},
                "match": {"resource_types": ["gpu"]}, "allocation_metadata": {"entity_type": "team"}})  # fmt: skip
    books.rule({"rule_id": "platform-on", "rule_type": "fixed_split", "stage": 2, "team_id": "platform",
                "split_percentages": {"red": 25, "tan": 75},
                "allocation_metadata": {"entity_type": "team"}})  # fmt: skip
    books.use("x", "ana", "10", resource_type="gpu").use("platform", "ops", "4")
    red, tan = books.bill()

    # Of the 10: red 4 at once, platform's 6 go on, 1.5 to red and 4.5 to tan. Of platform's own 4, 1 and 3.
    assert sorted(lines_of("u-1")) == [(red, 1, D("1.5")), (red, 1, D(4)), (tan, 1, D("4.5"))]
    assert sorted(lines_of("u-2")) == [(red, 2, D(1)), (tan, 2, D(3))]
    assert shown(behind(red)) == [("u-1", D("5.5"))]
    assert shown(behind(tan, 2)) == [("u-2", D(3))]
    passed = explained(tan).rules[0]
    assert (passed.rule_id, passed.stage, passed.cost) == ("platform-on", 2, D("4.5"))
    assert [(one.rule_id, one.team_id, one.cost) for one in passed.came_from] == [
        ("gpu", "platform", D(6))
    ]


def test_late_usage_and_its_correction_are_lines_of_the_next_document(books: Books) -> None:
    books.use("red", "ana", "10", "2026-10-05", external_id="a")
    (october,) = books.bill()
    books.use("red", "ana", "7", "2026-10-05", external_id="a").use(
        "red", "ana", "2", "2026-10-06", external_id="b"
    )
    (november,) = books.bill("2026-11", on="2026-12-01")

    assert lines_of("a") == [(october, 1, D(10)), (november, 2, D(-10)), (november, 2, D(7))]
    assert borne_by("a").cost == 7
    assert lines_of("b") == [(november, 1, D(2))]
    causes = [(one.revision, one.cause) for one in borne_by("a").bearers]
    assert causes == [(1, "usage"), (2, "correction"), (3, "correction")]
    assert sorted(shown(behind(november, 2))) == [("a", D(-10)), ("a", D(7))]
    assert {rule.kind for rule in explained(november, 2).rules} == {"reversal", "replacement"}
    assert str(explained(november).late_month) == "2026-10-01"


def test_a_reallocation_is_told_as_what_one_line_gives_back_and_another_takes_on(
    books: Books,
) -> None:
    books.use("red", "ana", "10", agent="bot", external_id="a").use(
        None, None, "6", agent="bot", external_id="b"
    )
    books.rule({"rule_id": "all", "rule_type": "equal_split", "entity_ids": ["red"], "match": {"agent_ids": ["bot"]},
                "allocation_metadata": {"entity_type": "team"}})  # fmt: skip
    (october,) = books.bill()
    books.rule({"rule_id": "all", "rule_type": "equal_split", "entity_ids": ["red", "tan"],
                "match": {"agent_ids": ["bot"]}, "allocation_metadata": {"entity_type": "team"}})  # fmt: skip
    books.reallocate()
    red, tan = books.bill("2026-11", on="2026-12-01")

    found = lines_of("a")
    assert sorted(found, key=str) == sorted(
        [(october, 1, D(10)), (red, 1, D(-10)), (red, 1, D(5)), (tan, 1, D(5))], key=str
    )
    assert sorted(shown(behind(red))) == [("a", D(-10)), ("a", D(5)), ("b", D(-6)), ("b", D(3))]
    assert sorted(shown(behind(tan))) == [("a", D(5)), ("b", D(3))]
    assert all(rule.is_reallocated for rule in explained(tan).rules)


def test_a_record_taken_back_before_a_reallocation_is_not_moved_by_it(books: Books) -> None:
    """Of two records in one cell, b was withdrawn: the reallocation moves a alone."""
    rule = {"rule_id": "all", "rule_type": "equal_split", "entity_ids": ["red"], "match": {"agent_ids": ["bot"]},
            "allocation_metadata": {"entity_type": "team"}}  # fmt: skip
    books.rule(rule)
    for name, cost in (("a", "10"), ("b", "6")):
        books.use("red", "ana", cost, agent="bot", external_id=name)
    (october,) = books.bill()
    books.withdraw("b")
    (november,) = books.bill("2026-11", on="2026-12-01")
    books.rule(rule | {"entity_ids": ["tan"]})
    books.reallocate()
    red, tan = books.bill("2026-12", on="2027-01-01")

    assert lines_of("b") == [(october, 1, D(6)), (november, 1, D(-6))]
    assert shown(behind(tan)) == [("a", D(10))]
    assert shown(behind(red)) == [("a", D(-10))]
    assert borne_by("b").cost == 0


def test_two_reversals_of_the_same_facts_go_to_the_lines_that_were_billed(books: Books) -> None:
    """One delivery takes back two records of the same facts, one billed in October and one late in November."""
    books.use("red", "ana", "10", external_id="a")
    (october,) = books.bill()
    books.use("red", "ana", "6", external_id="b")
    (november,) = books.bill("2026-11", on="2026-12-01")
    books.withdraw("a", "b")
    (december,) = books.bill("2026-12", on="2027-01-01")

    assert lines_of("a") == [(october, 1, D(10)), (december, 1, D(-10))]
    assert lines_of("b") == [(november, 1, D(6)), (december, 1, D(-6))]
    assert sorted(shown(behind(december))) == [("a", D(-10)), ("b", D(-6))]


def test_a_cancelled_invoice_its_credit_note_and_the_new_one_all_bear_the_record(
    books: Books,
) -> None:
    books.use("red", "ana", "10")
    (wrong,) = books.bill()
    note = books.cancel(wrong).credit_note
    books.rule({"rule_id": "half", "rule_type": "equal_split", "entity_ids": ["red", "tan"],
                "match": {"resource_types": ["tokens"]}, "allocation_metadata": {"entity_type": "team"}})  # fmt: skip
    red, tan = books.bill(on="2026-11-03")

    assert note is not None
    found = borne_by("u-1").bearers
    assert [(one.number, one.cost, one.is_current) for one in found] == [
        (wrong, D(10), False), (note, D(-10), False), (red, D(5), True), (tan, D(5), True),
    ]  # fmt: skip
    assert shown(behind(wrong)) == [("u-1", D(10))]
    assert shown(behind(note)) == [("u-1", D(-10))]
    assert explained(note).rules[0].cost == -10
    assert explained(note).credits_number == wrong


def test_what_was_written_off_and_what_is_not_billed_yet_is_told_without_a_line(
    books: Books,
) -> None:
    books.use("red", "ana", "10", external_id="off").use(None, None, "3", external_id="nobody")
    (red,) = books.bill()
    books.cancel(red, is_rebillable=False)

    last = borne_by("off").bearers[-1]
    assert (last.number, last.cost, last.is_current, last.is_written_off) == (
        None,
        D(10),
        True,
        True,
    )
    (nobody,) = borne_by("nobody").bearers
    assert (nobody.number, nobody.team_id, nobody.user_id, nobody.cost) == (None, None, None, D(3))
    books.use("red", "ana", "2", "2026-11-05", external_id="new").load()
    new = borne_by("new")
    assert (new.bearers, new.unallocated) == ((), D(2))


def test_pages_of_any_size_tell_the_same_records_once_each(books: Books) -> None:
    books.rule(GPU)
    for day in range(1, 4):
        for n in range(3):
            for one in (n, n % 2):  # Two records of one cell, and of several.
                books.use("red", f"u{one}", "1.1", f"2026-10-0{day}", resource_type="gpu")
    (number, *_) = books.bill()
    whole = behind(number, most=1000)
    assert len(whole) == 18
    assert money.exact_sum(one.borne for one in whole) == explained(number).line.exact
    for most in (1, 5, 18):
        assert behind(number, most=most) == whole


def test_a_place_that_is_not_behind_the_line_is_refused(books: Books) -> None:
    books.use("red", "ana", "1").use("tan", "bob", "1")
    red, tan = books.bill()
    with snapshot() as connection, pytest.raises(Invalid, match="begin it again"):
        line_usage.records(connection, issuing.find(connection, red), 1, behind(tan)[0].trail, 10)


def test_of_very_many_records_and_cells_each_is_told_once(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cell with very many is read by stretches of ids, many cells with none are passed over: here two are many."""
    monkeypatch.setattr(record_pages, "_DENSE_RECORDS", 2)
    for n in range(40):
        books.use("red", "ana", "1.1", external_id=f"a{n}").use(
            "red", f"u{n}", "1.1", external_id=f"b{n}"
        )
    (red,) = books.bill()
    whole = behind(red, most=7)
    assert len({one.record.record_id for one in whole}) == len(whole) == 80
    assert money.exact_sum(one.borne for one in whole) == 88
    books.damage("DELETE FROM usage_records WHERE external_id LIKE 'b%' AND external_id <> 'b39'")
    assert len(behind(red, most=7)) == 41


def test_every_line_bears_what_its_records_bring_and_every_record_is_borne_whole(
    books: Books,
) -> None:
    """Direct, shared, late, corrected, moved and cancelled at once: both ways come to the same."""
    books.rule(GPU)
    for n in range(12):
        books.use(["red", "tan", None][n % 3], ["ana", "bob", None][n % 3], f"{n}.07", f"2026-10-{n + 1:02}",
                  resource_type=["gpu", "tokens"][n % 2], external_id=f"r{n}")  # fmt: skip
    numbers = books.bill()
    books.use("red", "ana", "1.01", "2026-10-01", resource_type="gpu", external_id="r0")
    books.cancel(numbers[0])
    books.rule(GPU | {"split_percentages": {"red": 50, "tan": 50}})
    books.reallocate()
    numbers += books.bill("2026-11", on="2026-12-01")

    by_line: dict[tuple[str, int], Decimal] = {}
    for n in range(12):
        told = borne_by(f"r{n}")
        current = [one for one in told.bearers if one.is_current]
        assert money.exact_sum([*(one.cost for one in current), told.unallocated]) == told.cost
        for one in told.bearers:
            if one.number is not None:
                at = (one.number, one.position or 0)
                by_line[at] = money.EXACT.add(by_line.get(at, D(0)), one.cost)
    for (number, position), cost in by_line.items():
        line = explained(number, position)
        assert abs(line.line.exact - cost) < D("1E-16")
        assert money.exact_sum(rule.cost for rule in line.rules) == line.line.exact
        assert abs(money.exact_sum(one.borne for one in behind(number, position)) - cost) < D(
            "1E-16"
        )
    assert len(by_line) >= 8


def test_what_is_not_there_is_said_so(books: Books) -> None:
    books.use("red", "ana", "1", external_id="same")
    (red,) = books.bill()
    with pytest.raises(NotFound, match="no line 2"):
        explained(red, 2)
    with pytest.raises(NotFound, match="no usage"):
        borne_by("never")
    other = Books(books.ledger, source="other")
    other.use("red", "ana", "2", external_id="same").load()
    with pytest.raises(Invalid, match="several sources"):
        borne_by("same")
    assert borne_by("same", SOURCE).cost == 1
