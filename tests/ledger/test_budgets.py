"""Budgets: written down, held against what was spent, told of once."""

import threading
from datetime import date
from decimal import Decimal

import pytest
from sqlalchemy import text

from chargeback.errors import Invalid
from chargeback.forecast import backtest
from chargeback.ledger import access, budgets
from chargeback.ledger.budgets import BudgetStanding
from chargeback.ledger.database import snapshot, transaction
from chargeback.periods import Period
from tests.conftest import Ledger
from tests.ledger.books import Books
from tests.migrations.rows import refused, violates

D = Decimal
OCTOBER = Period.month("2026-10")
AS_OF = date(2026, 10, 11)
RED = "teams: [{id: red, budgets: [{amount: '100'}]}]"


@pytest.fixture
def books(ledger: Ledger) -> Books:
    return Books(ledger)


def standing(as_of: date = AS_OF, month: Period = OCTOBER) -> dict[str, BudgetStanding]:
    with snapshot() as connection:
        return {one.team_id: one for one in budgets.standings(connection, month, as_of)}


def noticed(as_of: date = AS_OF) -> int:
    with transaction() as connection:
        return budgets.notice(connection, budgets.standings(connection, OCTOBER, as_of), "tester")


def alerts(books: Books) -> list[tuple[str, int, Decimal]]:
    rows = books.query("SELECT team_id, threshold, spent FROM budget_alerts ORDER BY alert_id")
    return [(row.team_id, row.threshold, row.spent) for row in rows]


def test_a_team_is_told_what_it_spent_of_its_budget_and_will_have(books: Books) -> None:
    books.import_yaml(RED)
    for day in range(1, 11):
        books.use("red", "ana", "6", f"2026-10-{day:02}").use(
            "tan", "bob", "1", f"2026-10-{day:02}"
        )
    books.allocate()
    found = standing()
    red, tan = found["red"], found["tan"]
    assert (red.amount, red.spent, red.spent_share, red.left) == (D(100), D(60), D("0.6"), D(40))
    # Ten days at 6 each are known: the other 21 are taken to cost as much.
    assert (red.forecast, red.forecast_share) == (D(186), D("1.86"))
    assert (tan.amount, tan.spent, tan.spent_share, tan.forecast_share) == (None, D(10), None, None)
    assert list(found) == ["red", "tan"]


def test_a_shared_cost_counts_for_who_bears_it_and_a_cancelled_invoice_changes_nothing(
    books: Books,
) -> None:
    books.import_yaml(RED)
    books.rule({"rule_id": "gpu", "rule_type": "fixed_split", "split_percentages": {"red": 25, "tan": 75},
                "match": {"resource_types": ["gpu"]}, "allocation_metadata": {"entity_type": "team"}})  # fmt: skip
    books.use("tan", "bob", "40", resource_type="gpu")
    numbers = books.bill()
    assert standing()["red"].spent == 10
    books.cancel(numbers[0])
    books.allocate()
    assert standing()["red"].spent == 10


def test_each_month_has_the_budget_that_is_in_force_on_its_first_day(books: Books) -> None:
    books.import_yaml("""teams: [{id: red, budgets: [{amount: 100, to: 2026-10-01},
                         {amount: '200.50', from: 2026-10-01, to: 2026-12-01, thresholds: [90]}]}]""")
    amounts = [
        standing(month=Period.month(month))["red"].amount
        for month in ("2026-09", "2026-10", "2026-11")
    ]
    assert amounts == [D(100), D("200.50"), D("200.50")]
    assert "red" not in standing(month=Period.month("2026-12"))
    assert standing()["red"].thresholds == (90,)


def test_importing_the_same_budgets_again_changes_nothing_and_others_are_audited(
    books: Books,
) -> None:
    assert books.import_yaml(RED).budgets == 1
    assert books.import_yaml(RED).budgets == 0
    assert books.import_yaml("teams: [{id: red, name: Red}]").budgets == 0
    assert books.import_yaml("teams: [{id: red, budgets: []}]").budgets == 1
    actions = [
        row.action
        for row in books.query("SELECT action FROM audit_log WHERE subject_id = 'red' ORDER BY seq")
    ]
    assert actions.count("team.budgets_changed") == 2
    assert "red" not in standing()


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        ("{amount: 0}", "greater than 0"),
        ("{amount: -1}", "greater than 0"),
        ("{amount: nan}", "finite"),
        ("{amount: 1e40}", "digits"),
        ("{amount: 100, from: 2026-10-15}", "no first day of a month"),
        ("{amount: 100, thresholds: [0]}", "greater than or equal to 1"),
        ("{amount: 100, thresholds: [1.5]}", "valid integer"),
        ("{amount: 100}, {amount: 200, from: 2026-10-01}", "two at once as budget"),
        ("{amount: 100, currency: EUR}", "not permitted"),
    ],
)
def test_a_budget_that_cannot_be_is_refused_whole(books: Books, budget: str, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        books.import_yaml(f"teams: [{{id: red, budgets: [{budget}]}}]")
    assert books.query("SELECT FROM teams") == []


def test_a_threshold_is_noticed_once_however_often_anybody_looks(books: Books) -> None:
    books.import_yaml(RED)
    books.use("red", "ana", "49.999999999999999999").allocate()
    assert noticed() == 0
    books.use("red", "ana", "0.000000000000000001", "2026-10-06").allocate()
    assert [noticed(), noticed()] == [1, 0]
    books.use("red", "ana", "150", "2026-10-07").allocate()
    assert [noticed(), noticed()] == [2, 0]
    assert alerts(books) == [("red", 50, D(50)), ("red", 80, D(200)), ("red", 100, D(200))]
    # Taken back and spent again, or with another budget: the month's threshold was told.
    books.withdraw("u-3")
    books.import_yaml("teams: [{id: red, budgets: [{amount: '60'}]}]")
    books.allocate()
    assert noticed() == 0
    assert standing()["red"].passed == (50, 80, 100)


def test_two_who_look_at_once_notice_it_once(books: Books) -> None:
    books.import_yaml(RED)
    books.use("red", "ana", "60").allocate()
    found: list[int] = []
    both = [threading.Thread(target=lambda: found.append(noticed())) for _ in range(4)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert sorted(found) == [0, 0, 0, 1]
    assert alerts(books) == [("red", 50, D(60))]


def test_what_was_noticed_is_told_once_and_otherwise_stays_as_it_is(books: Books) -> None:
    books.import_yaml(RED)
    books.use("red", "ana", "60").allocate()
    noticed()
    with transaction() as connection:
        (alert_id,) = budgets.untold(connection)
        assert budgets.lock(connection, alert_id) is not None
        with transaction() as other:  # Whoever comes meanwhile leaves it to the first.
            assert budgets.lock(other, alert_id) is None
        budgets.note_attempt(connection, alert_id, is_told=False)
    with transaction() as connection:
        budgets.note_attempt(connection, alert_id, is_told=True)
        assert budgets.untold(connection) == []
        for change in ("attempts = 9", "told_at = now()"):
            with refused(connection, "UPDATE of budget_alerts is refused"):
                connection.execute(text(f"UPDATE budget_alerts SET {change}"))
        with violates(connection, "permission denied"):
            connection.execute(text("DELETE FROM budget_alerts"))
        with violates(connection, "permission denied"):
            connection.execute(text("UPDATE budget_alerts SET spent = 0"))


def test_a_viewer_sees_its_own_teams_budget_and_alerts(books: Books) -> None:
    books.import_yaml(
        "teams: [{id: red, budgets: [{amount: 10}]}, {id: tan, budgets: [{amount: 20}]}]"
    )
    books.use("red", "ana", "60").use("tan", "bob", "60").allocate()
    assert noticed() == 6
    with access.viewing("tan") as connection:
        for table in ("budgets", "budget_alerts"):
            teams = connection.execute(text(f"SELECT DISTINCT team_id FROM {table}")).scalars()
            assert list(teams) == ["tan"]


def test_a_period_that_is_no_month_has_no_budget(books: Books) -> None:
    with pytest.raises(Invalid, match="no calendar month"):
        standing(month=Period(date(2026, 10, 1), date(2026, 10, 8)))


def test_months_held_are_those_whole_since_the_first_usage(books: Books) -> None:
    books.use("red", "ana", "1", "2026-08-15").use("red", "ana", "1", "2026-10-20").allocate(
        "2026-11"
    )
    with snapshot() as connection:
        held = [month.label for month in budgets.held_months(connection, date(2026, 11, 5))]
        assert held == ["2026-09", "2026-10"]
        daily = budgets.daily_costs(connection, Period(date(2026, 8, 1), date(2026, 11, 1)))
    assert backtest(daily, [OCTOBER], 21).forecasts == 1
