"""The tables of a FOCUS delivery: CSV, gzipped CSV or Parquet, in one file or in the parts of a folder.

Owns telling the forms apart by what is in them, and handing out rows of text. Needs pyarrow for Parquet
only, and imports it only then.
"""

import gzip
import json
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from chargeback.errors import Invalid, NotFound
from chargeback.sources.csv_records import cells_of, written_rows
from chargeback.sources.delivery import as_text

_GZIP, _PARQUET = b"\x1f\x8b", b"PAR1"
SUFFIXES = (".csv", ".csv.gz", ".parquet")
PARQUET_ROWS = 10_000
_BETWEEN = "\x1f"


class TableRow(NamedTuple):
    """A row's place from 1 (the line of a CSV), its text as written, and its cells where they are read already."""

    position: int
    written: str
    cells: list[str | None] | None


class Table(NamedTuple):
    """A header and the rows below it, which are read as they are used."""

    header: list[str]
    rows: Iterator[TableRow]


def parts_of(path: Path, name: str) -> list[tuple[Path, str]]:
    """The files of a delivery with what messages call them: the file itself, or a folder's tables by name."""
    if not path.is_dir():
        return [(path, name)]
    parts = sorted(
        part
        for part in path.rglob("*")
        if part.name.lower().endswith(SUFFIXES) and not part.name.startswith(".")
    )
    if not parts:
        raise NotFound(
            "delivery_missing",
            f"{name} holds no file ending in {', '.join(SUFFIXES)}; put the export there or correct `path`.",
        )
    return [(part, f"{name}/{part.relative_to(path)}") for part in parts]


@contextmanager
def table_in(file: IO[bytes], name: str, wanted: Collection[str]) -> Iterator[Table]:
    """The table that the file holds; of Parquet only the columns in `wanted` (any case) are read.

    Raises Invalid for a file that is no table, is cut off or needs pyarrow where that is missing.
    """
    magic = file.read(4)
    file.seek(0)
    if magic == _PARQUET:
        yield _parquet_table(file, name, wanted)
    elif magic.startswith(_GZIP):
        with _unpacked(file, name) as unpacked:
            yield from _csv_tables(unpacked, name)
    else:
        yield from _csv_tables(file, name)


def _csv_tables(file: IO[bytes], name: str) -> Iterator[Table]:
    with as_text(file, name) as text:
        rows = written_rows(text, name)
        first = next(rows, None)
        if first is None:
            raise Invalid("delivery_empty", f"{name} is empty; export it again.")
        header = cells_of(first[1], first[0], name)
        yield Table(header, (TableRow(line, written, None) for line, written in rows))


@contextmanager
def _unpacked(file: IO[bytes], name: str) -> Iterator[IO[bytes]]:
    try:
        with gzip.GzipFile(fileobj=file) as unpacked:
            yield cast("IO[bytes]", unpacked)
    except (EOFError, gzip.BadGzipFile, zlib.error) as fault:
        raise Invalid(
            "delivery_invalid", f"{name} is cut off or damaged ({fault}); export it again."
        ) from None


def _parquet_table(file: IO[bytes], name: str, wanted: Collection[str]) -> Table:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise Invalid(
            "parquet_not_installed",
            f"{name} is Parquet, which needs pyarrow; install it with pip install 'chargeback[parquet]', "
            "or export CSV.",
        ) from None
    try:
        parquet = pyarrow.parquet.ParquetFile(file)
        header = [column for column in parquet.schema_arrow.names if column.casefold() in wanted]
        return Table(header, _parquet_rows(parquet, header, name))
    except (pyarrow.ArrowException, OSError) as fault:
        raise _damaged(name, fault) from None


def _parquet_rows(parquet: Any, header: list[str], name: str) -> Iterator[TableRow]:
    import pyarrow

    position = 0
    try:
        for batch in parquet.iter_batches(PARQUET_ROWS, columns=header):
            for cells in zip(*map(_texts, batch.columns), strict=True):
                position += 1
                yield TableRow(position, _BETWEEN.join(cell or "" for cell in cells), list(cells))
    except (pyarrow.ArrowException, OSError) as fault:
        raise _damaged(name, fault) from None


def _texts(column: Any) -> list[str | None]:
    """A column's values as a CSV would write them; doubles with the digits that name them."""
    import pyarrow

    kind = column.type
    if pyarrow.types.is_dictionary(kind):
        return _texts(column.dictionary_decode())
    if pyarrow.types.is_timestamp(kind) and kind.tz not in (None, "UTC"):
        column = column.cast(pyarrow.timestamp(kind.unit, "UTC"))
    if pyarrow.types.is_map(kind):
        return [None if value is None else json.dumps(dict(value)) for value in column.to_pylist()]
    if pyarrow.types.is_nested(kind):
        return [None if value is None else json.dumps(value) for value in column.to_pylist()]
    return cast("list[str | None]", column.cast(pyarrow.string()).to_pylist())


def _damaged(name: str, fault: Exception) -> Exception:
    """The refusal of a file that is no whole Parquet; what the disk itself reports stays as it is."""
    if getattr(fault, "errno", None) is not None:
        return fault
    said = str(fault).splitlines()[0] if str(fault) else type(fault).__name__
    return Invalid(
        "delivery_invalid", f"{name} is cut off or damaged ({said[:200]}); export it again."
    )
