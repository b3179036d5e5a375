"""Rows of the archive as files: CSV, compressed, or Parquet with the types that amounts and dates have.

Owns the two forms and nothing of what is in them. The same rows give the same bytes as CSV; Parquet files name
the version that wrote them.
"""

import csv
import gzip
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from io import BytesIO, StringIO
from itertools import islice
from typing import Any

from chargeback.errors import Invalid, Refused

# An empty text and no text at all are two things.
NOTHING = "\\N"
ROWS_PER_GROUP = 20_000
SUFFIXES = {"csv": "csv.gz", "parquet": "parquet"}

Values = Sequence[str | None]

_PARQUET_TYPES = {
    "revision": "int32", "usage_at": "timestamp", "source_id": "int64", "batch_id": "int64", "usage_date": "date",
    "charge_date": "date", "quantity": "amount", "cost": "amount", "record_count": "int16",
}  # fmt: skip


def written(form: str, columns: Sequence[str], rows: Iterable[Values]) -> bytes:
    """A file that holds these rows. Raises Refused for Parquet without what writes it."""
    return _as_csv(columns, rows) if form == "csv" else _as_parquet(columns, rows)


def read(form: str, data: bytes) -> Iterator[tuple[str | None, ...]]:
    """The rows of a file, each value as text. Raises Invalid where it is no such file."""
    return _from_csv(data) if form == "csv" else _from_parquet(data)


def _as_csv(columns: Sequence[str], rows: Iterable[Values]) -> bytes:
    out, remaining = BytesIO(), iter(rows)
    # No clock and no name inside: the same rows are the same file.
    with gzip.GzipFile(filename="", fileobj=out, mode="wb", compresslevel=6, mtime=0) as packed:
        packed.write(_lines([columns]))
        while group := list(islice(remaining, ROWS_PER_GROUP)):
            packed.write(_lines([[NOTHING if v is None else v for v in row] for row in group]))
    return out.getvalue()


def _lines(rows: Iterable[Sequence[str]]) -> bytes:
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _from_csv(data: bytes) -> Iterator[tuple[str | None, ...]]:
    try:
        text = gzip.decompress(data).decode()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise Invalid(
            "archive_unreadable", f"this is no archive file ({error}); restore it from a backup"
        ) from None
    lines = csv.reader(StringIO(text, newline=""))
    next(lines, None)
    for line in lines:
        yield tuple(None if value == NOTHING else value for value in line)


def _as_parquet(columns: Sequence[str], rows: Iterable[Values]) -> bytes:
    pyarrow, parquet = _pyarrow()
    types = {
        "int16": pyarrow.int16(), "int32": pyarrow.int32(), "int64": pyarrow.int64(), "date": pyarrow.date32(),
        "timestamp": pyarrow.timestamp("us", "UTC"), "amount": pyarrow.decimal128(38, 18), "text": pyarrow.string(),
    }  # fmt: skip
    schema = pyarrow.schema([(name, types[_PARQUET_TYPES.get(name, "text")]) for name in columns])
    out, remaining = BytesIO(), iter(rows)
    with parquet.ParquetWriter(out, schema, compression="zstd") as writer:
        while group := list(islice(remaining, ROWS_PER_GROUP)):
            texts = [pyarrow.array(values, pyarrow.string()) for values in zip(*group, strict=True)]
            arrays = [text.cast(field.type) for text, field in zip(texts, schema, strict=True)]
            writer.write_batch(pyarrow.record_batch(arrays, schema=schema))
    return out.getvalue()


def _from_parquet(data: bytes) -> Iterator[tuple[str | None, ...]]:
    pyarrow, parquet = _pyarrow()
    try:
        file = parquet.ParquetFile(BytesIO(data))
    except pyarrow.ArrowException as error:
        raise Invalid(
            "archive_unreadable", f"this is no archive file ({error}); restore it from a backup"
        ) from None
    for batch in file.iter_batches(ROWS_PER_GROUP):
        texts = [column.cast(pyarrow.string()).to_pylist() for column in batch.columns]
        yield from zip(*texts, strict=True)


def _pyarrow() -> tuple[Any, Any]:
    try:
        return import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError:
        raise Refused(
            "parquet_missing",
            "Parquet needs the package pyarrow, which is not installed; install the extra `parquet`, or archive as csv",
        ) from None
