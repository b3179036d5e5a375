"""When a period is closed, and what is said of one that is not."""

from chargeback.ledger import closing
from chargeback.ledger.database import snapshot
from chargeback.periods import Period
from tests.ledger.books import Books

OCTOBER = Period.month("2026-10")


def what_is_open(period: Period = OCTOBER) -> list[str]:
    with snapshot() as connection:
        return closing.what_is_open(connection, period)


def test_a_period_is_closed_once_all_that_it_cost_is_on_issued_invoices(books: Books) -> None:
    books.use("search", "ana", "1.50").use(None, None, "0.25").load()
    assert what_is_open() == [
        "1 days have changed since they were allocated",
        "2 cells are in no cost pool",
    ]
    books.allocate()
    assert what_is_open() == ["1 shares are on no issued document"], (
        "what nobody bears is billed to nobody"
    )
    (draft,) = books.run()
    assert what_is_open() == ["1 shares are on no issued document"]
    books.send(draft.number)
    assert what_is_open() == []


def test_late_usage_opens_a_period_again_and_so_does_a_cancelled_invoice(books: Books) -> None:
    (number,) = books.use("search", "ana", "1.50").bill()
    books.use("search", "ana", "1").allocate()
    assert what_is_open() == ["1 shares are on no issued document"]
    books.bill("2026-11", "2026-12-01")
    assert what_is_open() == []
    books.cancel(number)
    assert "1 shares are on no issued document" in what_is_open()


def test_what_is_written_off_is_closed_and_a_refused_row_is_not(books: Books) -> None:
    (number,) = books.use("search", "ana", "1.50").bill()
    books.cancel(number, is_rebillable=False)
    books.allocate()
    assert what_is_open() == []
    books.refuse("2").load()
    assert what_is_open() == ["1 refused rows wait for a decision"]


def test_what_corrects_a_written_off_share_keeps_no_period_open(books: Books) -> None:
    (number,) = books.use("search", "ana", "1.50", external_id="x").bill()
    books.cancel(number, is_rebillable=False)
    books.use("search", "ana", "2.50", external_id="x").load()
    books.allocate()
    assert what_is_open() == [], "it is written off with it, and billed to nobody"
    books.use("etl", "bob", "2.50", external_id="x").load()
    books.allocate()
    assert what_is_open() == ["1 shares are on no issued document"], "etl's was never written off"
    books.bill()
    assert what_is_open() == []


def test_what_a_stage_passed_on_keeps_no_period_open(books: Books) -> None:
    to = {"allocation_metadata": {"entity_type": "team"}, "split_percentages": {"search": 100}}
    books.rule(
        {"rule_id": "on", "rule_type": "fixed_split", "stage": 2, "team_id": "platform", **to}
    )
    books.use("platform", "root", "4.00").bill()
    assert what_is_open() == []


def test_what_is_refused_is_listed(books: Books) -> None:
    books.refuse("2", external_id="bad").load()
    with snapshot() as connection:
        (refused,) = closing.refused(connection, OCTOBER, 10)
    assert (refused["row"], refused["cost"], refused["reason"]) == ("bad", "2", "Bad.")
