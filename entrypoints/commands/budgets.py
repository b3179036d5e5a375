"""What `chargeback budgets` does."""

from decimal import Decimal

from chargeback import money
from chargeback.documents import wording
from chargeback.forecast import LOOKS_BACK_DAYS, Backtest, backtest
from chargeback.ledger import budgets
from chargeback.ledger.budgets import BudgetStanding
from chargeback.ledger.database import snapshot
from chargeback.periods import Period
from entrypoints import showing
from entrypoints.commands import asked
from entrypoints.ledger_at_hand import ledger_at_hand

# How many days into each month forecasts are tried.
_DAYS_IN = (7, 14, 21)


def show(period: str | None, as_of: str | None, as_json: bool) -> int:
    """Show where each team stands in the month."""
    day = asked.business_date(as_of)
    month = Period.parse(period) if period else Period.month_of(day)
    with ledger_at_hand(), snapshot() as connection:
        found = budgets.standings(connection, month, day)
    if as_json:
        showing.print_json([_as_json(one) for one in found])
        return 0
    if not found:
        showing.say(
            f"No team has a budget for {month.label} or bears any of its cost; `chargeback import` takes budgets."
        )
        return 0
    numbers = [f"spent ({found[0].currency})", "of it", "left", "forecast", "will be"]
    showing.table(
        [_row(one) for one in found],
        right=["budget", *numbers],
        title=f"{month.label}, seen from {day}",
    )
    showing.say(
        "Spent is what was allocated. The forecast takes a day to come for the median of the last "
        f"{LOOKS_BACK_DAYS} days, working days and weekends apart; `chargeback budgets --back-test` shows how far "
        "off that was."
    )
    return 0


def _row(one: BudgetStanding) -> dict[str, object]:
    def rounded(amount: Decimal | None) -> str:
        return (
            ""
            if amount is None
            else wording.money(money.to_money(amount, one.currency), one.currency)
        )

    return {
        "team": one.team_id,
        "budget": rounded(one.amount),
        f"spent ({one.currency})": rounded(one.spent),
        "of it": _percent(one.spent_share),
        "left": rounded(one.left),
        "forecast": rounded(one.forecast),
        "will be": _percent(one.forecast_share),
        "": _judged(one),
    }


def _percent(share: Decimal | None) -> str:
    return "" if share is None else wording.percent(share)


def _judged(one: BudgetStanding) -> str:
    if one.amount is None:
        return "no budget"
    if one.spent > one.amount:
        return "over budget"
    if one.forecast is not None and one.forecast > one.amount:
        return "will be over"
    told = f", told of {max(one.passed)}%" if one.passed else ""
    return f"within{told}"


def _as_json(one: BudgetStanding) -> dict[str, object]:
    shares = {
        "spent_share": one.spent_share,
        "forecast_share": one.forecast_share,
        "left": one.left,
    }
    return {**showing.plain(one), **shares}


def back_test(as_of: str | None, as_json: bool) -> int:
    """Show how far off forecasts of the months held would have been, beside the plain run rate."""
    day = asked.business_date(as_of)
    with ledger_at_hand(), snapshot() as connection:
        months = budgets.held_months(connection, day)
        # Each team's first day decides what was known of it.
        daily = (
            budgets.daily_costs(connection, Period(months[0].start, months[-1].end))
            if months
            else {}
        )
    tried = [backtest(daily, months, days_in) for days_in in _DAYS_IN]
    if as_json:
        held = [month.label for month in months]
        showing.print_json(
            {"months": held, "teams": len(daily), "tried": [_tried_json(one) for one in tried]}
        )
    elif not months:
        showing.say("No whole month is held yet, so nothing can be compared.")
    else:
        showing.table(
            [_tried_row(one) for one in tried],
            right=["days in", "forecasts", "off by", "run rate off by"],
            title=f"Forecasts of {months[0].label} to {months[-1].label}, {len(daily)} teams",
        )
        showing.say(
            "Off by: what all forecasts missed together, as a part of what the months came to. "
            "Usage that came late counts on its day, as if it had been known, which flatters both ways."
        )
    return 0


def _tried_row(one: Backtest) -> dict[str, object]:
    return {"days in": one.days_in, "forecasts": one.forecasts, "off by": wording.percent(one.share),
            "run rate off by": wording.percent(one.naive_share)}  # fmt: skip


def _tried_json(one: Backtest) -> dict[str, object]:
    return {**showing.plain(one), "share": one.share, "naive_share": one.naive_share}
