"""The declarative base of all tables, the two kinds of amount, and how columns are typed and named.

The tables themselves are made by `migrations/sql`, with every guard; these classes say what a row
means and let Python name its columns. A test holds the two together.
"""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, ClassVar, TypeVar

from sqlalchemy import BigInteger, DateTime, Dialect, Integer, MetaData, Numeric, SmallInteger, Text
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA, DOMAIN, JSONB
from sqlalchemy.orm import DeclarativeBase, mapped_column
from sqlalchemy.types import TypeDecorator, TypeEngine

from models import enums

W = TypeVar("W", bound=StrEnum)

# At 18 decimals, finite.
Amount = Annotated[Decimal, mapped_column(DOMAIN("amount", Numeric(38, 18), create_type=False))]
# With every digit that was received, finite.
RawAmount = Annotated[Decimal, mapped_column(DOMAIN("raw_amount", Numeric(), create_type=False))]
Number = Annotated[int, mapped_column(Integer)]
Sign = Annotated[int, mapped_column(SmallInteger)]
Json = Annotated[Any, mapped_column(JSONB)]

_WORDS = (
    enums.DeliveryState,
    enums.DocumentKind,
    enums.FixOperation,
    enums.InvoiceStatus,
    enums.LineCause,
    enums.LineKind,
    enums.OwnedKind,
    enums.PoolKind,
    enums.QuarantineState,
    enums.RuleType,
    enums.Scope,
    enums.SnapshotState,
    enums.SourceRole,
    enums.TokenRole,
    enums.ZeroCost,
)


class Word(TypeDecorator[W]):
    """One of an enum's words, kept as text; what comes back is the enum's member."""

    impl = Text
    cache_ok = True

    def __init__(self, words: type[W]) -> None:
        super().__init__()
        self.words = words

    def process_bind_param(self, value: W | None, _dialect: Dialect) -> str | None:
        """The text of a word; a text that is no word raises ValueError."""
        return None if value is None else self.words(value).value

    def process_result_value(self, value: str | None, _dialect: Dialect) -> W | None:
        """The word that a text is."""
        return None if value is None else self.words(value)


_WORD_TYPES: dict[Any, TypeEngine[Any]] = {words: Word(words) for words in _WORDS}


class Base(DeclarativeBase):
    """Every table's base: which types Postgres has for Python's, and the names it would give."""

    metadata = MetaData(
        naming_convention={
            "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
            "ix": "%(table_name)s_%(column_0_N_name)s_idx",
            "pk": "%(table_name)s_pkey",
            "uq": "%(table_name)s_%(column_0_N_name)s_key",
        }
    )
    type_annotation_map: ClassVar[dict[Any, TypeEngine[Any]]] = {
        bytes: BYTEA(),
        datetime: DateTime(timezone=True),
        int: BigInteger(),
        list[str]: ARRAY(Text()),
        str: Text(),
        **_WORD_TYPES,
    }
