"""What an invariant is: its number, what it says, and the queries that find what breaks it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Invariant:
    """One thing that always holds of the books.

    `queries` return a column `sentence` per thing that breaks it, naming the thing and the amounts.
    They may use `:start` and `:end` (the days asked about, half-open; -infinity and infinity for all),
    `:documents` (the ids of the documents asked about; NULL for all) and the other values that
    `verify` gives them.
    """

    number: int
    name: str
    queries: tuple[str, ...] = ()


def in_days(column: str) -> str:
    """The condition that `column` is one of the days asked about."""
    return f"({column} >= CAST(:start AS date) AND {column} < CAST(:end AS date))"


def around_days(column: str) -> str:
    """The condition that the instant `column` can lie on one of the days, in any time zone: it prunes partitions."""
    return f"({column} >= CAST(:start AS date) - 2 AND {column} < CAST(:end AS date) + 2)"


def in_days_or_undated(column: str) -> str:
    """The same, or unknown: what came in without a day that can be read may be of any day."""
    return f"({column} IS NULL OR {in_days(column)})"


def in_documents(column: str) -> str:
    """The condition that `column` is the id of a document asked about."""
    return (
        f"(CAST(:documents AS bigint[]) IS NULL OR {column} = ANY (CAST(:documents AS bigint[])))"
    )


def shown(amount: str) -> str:
    """The amount in SQL as text without the zeros a column adds; 0 where there is none."""
    return f"trim_scale(coalesce({amount}, 0))"
