"""The whole real sample and the specification's own corrections, from the file to the books, in their own totals.

Data: FinOps Foundation, FOCUS Sample Data and FOCUS Specification, CC BY 4.0.
"""

from decimal import Decimal
from pathlib import Path

import pytest

from chargeback.ledger.database import snapshot
from chargeback.ledger.reconcile import reconcile
from chargeback.periods import Period
from tests.ledger.books import EXAMPLES, Books
from tests.ledger.cloud import Cloud

SAMPLE = EXAMPLES / "focus_sample_1000.csv"
CORRECTIONS = Path(__file__).parents[1] / "sources" / "focus" / "spec_1.4_corrections"


@pytest.fixture
def cloud(books: Books, tmp_path: Path) -> Cloud:
    return Cloud(books, tmp_path)


def read(cloud: Cloud, *files: str) -> None:
    """Deliver the specification's files, one after the other."""
    for file in files:
        cloud.file.write_bytes((CORRECTIONS / file).read_bytes())
        cloud.sync()


def by_month(cloud: Cloud, column: str) -> dict[tuple[str, str], Decimal]:
    """Cost per resource and month, of the billing period (`usage_date`) or of the use (`charge_date`)."""
    rows = cloud.books.query(
        f"SELECT agent_id, to_char({column}, 'YYYY-MM'), sum(cost) FROM usage_cells GROUP BY 1, 2"
    )
    return {(agent, month): cost.normalize() for agent, month, cost in rows if cost}


def test_the_sample_puts_999_rows_into_september_and_one_into_october(cloud: Cloud) -> None:
    counts = cloud.configure(path=str(SAMPLE), cost_metric="BilledCost").sync()
    assert (counts.received, counts.new, counts.waiting, counts.quarantined) == (1000, 1000, 0, 0)
    months = cloud.books.query(
        """SELECT to_char(usage_date, 'YYYY-MM'), count(*), sum(cost) FROM usage_records GROUP BY 1 ORDER BY 1"""
    )
    assert [(month, rows, cost.normalize()) for month, rows, cost in months] == [
        ("2024-09", 999, Decimal("20.28022672899")),
        ("2024-10", 1, Decimal("0.24")),
    ]
    (october,) = cloud.books.query(
        "SELECT usage_date::text, charge_date::text FROM usage_records WHERE usage_date >= '2024-10-01'"
    )
    assert tuple(october) == ("2024-10-01", "2024-09-30")


def test_the_sample_ties_out_and_read_again_changes_nothing(cloud: Cloud) -> None:
    cloud.configure(path=str(SAMPLE), cost_metric="BilledCost", owner_tag="application").sync()
    cloud.books.allocate("2024-10")
    before = cloud.digest()
    assert cloud.sync().unchanged == 1000
    assert cloud.digest() == before
    found = []
    for month in ("2024-09", "2024-10"):
        with snapshot() as connection:
            told = reconcile(connection, Period.parse(month))
        assert told.difference == 0
        found += [one.ledger for one in told.sources if one.source == "cloud"]
    assert sum(one.rows for one in found) == 1000
    assert sum(one.amount for one in found) == Decimal("20.52022672899")


@pytest.mark.parametrize(
    ("metric", "total"), [("EffectiveCost", "14.97651418586"), ("ListCost", "20.39090575119")]
)
def test_the_other_costs_of_the_sample_have_totals_of_their_own(
    cloud: Cloud, metric: str, total: str
) -> None:
    counts = cloud.configure(path=str(SAMPLE), cost_metric=metric).sync()
    assert counts.new_cost == Decimal(total)


def test_seven_rows_of_the_sample_have_no_contracted_cost_and_let_their_scopes_wait(
    cloud: Cloud,
) -> None:
    counts = cloud.configure(path=str(SAMPLE), cost_metric="ContractedCost").sync()
    assert (counts.new, counts.quarantined) == (993, 7)
    assert {waiting.account.split("/")[0] for waiting in cloud.waiting()} == {"20209880"}


# May is closed with 1,500 on R-111, of which 300 were R-222's. Either style ends in 1,200 and 300.
BY_USE = {("R-111", "2025-05"): Decimal(1200), ("R-222", "2025-05"): Decimal(300)}
BY_BILL = {
    ("R-111", "2025-05"): Decimal(1500),
    ("R-111", "2025-06"): Decimal(-300),
    ("R-222", "2025-06"): Decimal(300),
}


def plain(totals: dict[tuple[str, str], Decimal]) -> dict[tuple[str, str], str]:
    return {key: f"{cost:f}" for key, cost in totals.items()}


@pytest.mark.parametrize("style", ["closed_period_delta.csv", "closed_period_ledger.csv"])
def test_a_closed_month_is_corrected_in_a_later_one_under_the_day_of_its_use(
    cloud: Cloud, style: str
) -> None:
    read(cloud, "closed_period_original.csv", style)
    assert plain(by_month(cloud, "usage_date")) == plain(BY_BILL)
    assert plain(by_month(cloud, "charge_date")) == plain(BY_USE)


def test_an_original_alone_stays_as_it_was_billed(cloud: Cloud) -> None:
    read(cloud, "closed_period_original.csv")
    assert plain(by_month(cloud, "usage_date")) == {("R-111", "2025-05"): "1500"}


def test_an_open_month_is_corrected_by_its_replacement(cloud: Cloud) -> None:
    # The specification gives July's correction only; before it, July says what May's original says.
    original = (CORRECTIONS / "closed_period_original.csv").read_text(encoding="utf-8")
    for written, july in (
        ("2025-06-01", "2025-08-01"),
        ("2025-05-", "2025-07-"),
        ("20250501", "20250701"),
    ):
        original = original.replace(written, july)
    cloud.file.write_text(original, encoding="utf-8")
    cloud.sync()
    assert plain(by_month(cloud, "usage_date")) == {("R-111", "2025-07"): "1500"}
    read(cloud, "open_period_replacement.csv")
    now = {("R-111", "2025-07"): "1200", ("R-222", "2025-07"): "300"}
    assert plain(by_month(cloud, "usage_date")) == now
    assert plain(by_month(cloud, "charge_date")) == now
