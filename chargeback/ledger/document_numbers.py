"""Document numbers: one counter per series, taken in the transaction of the documents."""

from datetime import date

from sqlalchemy import Connection, text

from chargeback import numbering
from chargeback.errors import Refused
from chargeback.numbering import Series


def take_numbers(
    connection: Connection, series: Series, business_date: date, count: int
) -> list[tuple[str, int]]:
    """The next `count` numbers of the series with their ordinals; aborting gives them back.

    A number some caller gave by hand counts as taken where the counter meets it.
    """
    last: int = connection.execute(
        text("SELECT last_ordinal FROM number_counters WHERE series = :series FOR UPDATE"),
        {"series": series.value},
    ).scalar_one()
    taken: list[tuple[str, int]] = []
    while len(taken) < count:
        wanted = {numbering.number(series, business_date, n): n
                  for n in range(last + 1, last + 1 + count - len(taken))}  # fmt: skip
        given = set(
            connection.execute(
                text("SELECT number FROM invoices WHERE number = ANY (:numbers)"),
                {"numbers": list(wanted)},
            ).scalars()
        )
        taken += [(number, n) for number, n in wanted.items() if number not in given]
        last += len(wanted)
    connection.execute(
        text("UPDATE number_counters SET last_ordinal = :last WHERE series = :series"),
        {"last": last, "series": series.value},
    )
    return taken


def check_free(connection: Connection, number: str) -> None:
    """Raises Refused when a document has this number already."""
    held = connection.execute(
        text("SELECT status FROM invoices WHERE number = :number"), {"number": number}
    ).scalar()
    if held is not None:
        raise Refused(
            "number_taken",
            f"number {number} is on another document ({held}); give another one, or none to get the next in line",
        )
