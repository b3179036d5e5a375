"""The tables of a FOCUS delivery: CSV, gzipped CSV or Parquet, in one file or in the parts of a folder.

Owns telling the forms apart by what is in them, and handing out rows of text. Needs pyarrow for Parquet
only, and imports it only then.
"""

import gzip
import json
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from itertools import compress, groupby, islice
from pathlib import Path
from struct import pack
from typing import IO, Any, NamedTuple, cast

from chargeback.errors import Invalid, NotFound
from chargeback.sources.csv_records import cell_reader, written_rows
from chargeback.sources.delivery import FileState, as_text, state_of

_GZIP, _PARQUET = b"\x1f\x8b", b"PAR1"
SUFFIXES = (".csv", ".csv.gz", ".parquet")
PARQUET_ROWS = 1_000
_BETWEEN = b"\x1f"


# A row's place from 1 (the line of a CSV), its text as written, and its cells where they are read already.
TableRow = tuple[int, str, list[str | None] | None]


class Table(NamedTuple):
    """A header and the rows below it, which are read as they are used."""

    header: list[str]
    rows: Iterator[TableRow]


class Part(NamedTuple):
    """A file of a delivery, what messages call it, and what tells whether it is still the same."""

    path: Path
    name: str
    state: FileState | None


def parts_of(path: Path, name: str) -> list[Part]:
    """The files of a delivery: the file itself, or a folder's tables by name."""
    if not path.is_dir():
        return [Part(path, name, state_of(path))]
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
    return [Part(part, f"{name}/{part.relative_to(path)}", state_of(part)) for part in parts]


@contextmanager
def table_in(
    file: IO[bytes], name: str, wanted: Collection[str], turns: Iterator[bool]
) -> Iterator[Table]:
    """The table that the file holds, of its rows those whose turn it is.

    Of Parquet only the columns in `wanted` (any case) are read.
    Raises Invalid for a file that is no table, is cut off or needs pyarrow where that is missing.
    """
    magic = file.read(4)
    file.seek(0)
    if magic == _PARQUET:
        yield _parquet_table(file, name, wanted, turns)
    elif magic.startswith(_GZIP):
        with _unpacked(file, name) as unpacked:
            yield from _csv_tables(unpacked, name, turns)
    else:
        yield from _csv_tables(file, name, turns)


def _csv_tables(file: IO[bytes], name: str, turns: Iterator[bool]) -> Iterator[Table]:
    with as_text(file, name) as text:
        rows = written_rows(text, name)
        first = next(rows, None)
        if first is None:
            raise Invalid("delivery_empty", f"{name} is empty; export it again.")
        header = cell_reader(name)(first[1], first[0])
        yield Table(header, ((line, written, None) for line, written in compress(rows, turns)))


@contextmanager
def _unpacked(file: IO[bytes], name: str) -> Iterator[IO[bytes]]:
    try:
        with gzip.GzipFile(fileobj=file) as unpacked:
            yield cast("IO[bytes]", unpacked)
    except (EOFError, gzip.BadGzipFile, zlib.error) as fault:
        raise Invalid(
            "delivery_invalid", f"{name} is cut off or damaged ({fault}); export it again."
        ) from None


def _parquet_table(
    file: IO[bytes], name: str, wanted: Collection[str], turns: Iterator[bool]
) -> Table:
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
        # Rows are read as they are used: nothing ahead of them, no threads that each keep memory, and no pool either.
        pyarrow.set_memory_pool(pyarrow.system_memory_pool())
        parquet = pyarrow.parquet.ParquetFile(file, pre_buffer=False)
        header = [column for column in parquet.schema_arrow.names if column.casefold() in wanted]
        return Table(header, _parquet_rows(parquet, header, name, turns))
    except (pyarrow.ArrowException, OSError) as fault:
        raise _damaged(name, fault) from None


def _parquet_rows(
    parquet: Any, header: list[str], name: str, turns: Iterator[bool]
) -> Iterator[TableRow]:
    import pyarrow

    position = 0
    try:
        for batch in parquet.iter_batches(PARQUET_ROWS, columns=header, use_threads=False):
            start = 0
            for is_ours, run in groupby(islice(turns, batch.num_rows)):
                size = sum(1 for _ in run)
                if is_ours:
                    yield from _rows_of(batch.slice(start, size), position + start + 1)
                start += size
            position += start
    except (pyarrow.ArrowException, OSError) as fault:
        raise _damaged(name, fault) from None


def _rows_of(batch: Any, first: int) -> Iterator[TableRow]:
    import pyarrow.compute as compute

    columns = [_as_text(column) for column in batch.columns]
    written = compute.binary_join_element_wise(
        *columns, _between(), null_handling="replace", null_replacement=""
    )
    rows = zip(written.to_pylist(), *map(_texts, columns), strict=True)
    for position, (text, *cells) in enumerate(rows, first):
        yield position, text, cells


def _between() -> Any:
    """The separator as Arrow's own value: to make one of Python's text it would load pandas, and 50 MB with it."""
    import pyarrow

    ends, text = (pyarrow.py_buffer(part) for part in (pack("=2i", 0, len(_BETWEEN)), _BETWEEN))
    return pyarrow.StringArray.from_buffers(1, ends, text)[0]


def _as_text(column: Any) -> Any:
    """A column with its values as a CSV would write them; doubles with the digits that name them."""
    import pyarrow

    kind = column.type
    if pyarrow.types.is_dictionary(kind):
        return _as_text(column.dictionary_decode())
    if pyarrow.types.is_timestamp(kind) and kind.tz not in (None, "UTC"):
        column = column.cast(pyarrow.timestamp(kind.unit, "UTC"))
    if pyarrow.types.is_nested(kind):
        is_map = pyarrow.types.is_map(kind)
        found = column.to_pylist()
        texts = [None if one is None else json.dumps(dict(one) if is_map else one) for one in found]
        return pyarrow.array(texts, pyarrow.string())
    return column.cast(pyarrow.string())


def _texts(column: Any) -> list[str | None]:
    """The texts of a column. Each that repeats is made once: making them is what reading Parquet costs."""
    if not len(column):
        return []
    coded = column.dictionary_encode(null_encoding="encode")
    texts = coded.dictionary.to_pylist()
    return [texts[place] for place in memoryview(coded.indices.buffers()[1]).cast("i")]


def _damaged(name: str, fault: Exception) -> Exception:
    """The refusal of a file that is no whole Parquet; what the disk itself reports stays as it is."""
    if getattr(fault, "errno", None) is not None:
        return fault
    said = str(fault).splitlines()[0] if str(fault) else type(fault).__name__
    return Invalid(
        "delivery_invalid", f"{name} is cut off or damaged ({said[:200]}); export it again."
    )
