"""FOCUS exports: what clouds and software vendors charge, delivered again whole until a period is final.

Owns the way from a configured path to rows with their scopes. What a row means is `focus_rows`'s, which
forms there are `focus_files`'s.
"""

import json
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from copy import copy
from hashlib import blake2b
from typing import ClassVar

from chargeback.sources.contract import (
    ROLES,
    Contract,
    Known,
    Refusal,
    Role,
    Scoped,
    Usage,
    Window,
    World,
)
from chargeback.sources.csv_records import cell_reader
from chargeback.sources.delivery import is_large_file, steady_file
from chargeback.sources.focus_config import FocusConfig
from chargeback.sources.focus_files import Part, Table, parts_of, table_in
from chargeback.sources.focus_rows import OPTIONAL, TIMES, FocusRows
from chargeback.sources.shares import Share
from chargeback.sources.source_config import SourceConfig

# Counted up whenever a row of the same text comes to mean something else: then every row is read again.
MEANING = 1


class Focus:
    """A FOCUS export (1.0 to 1.4) as a source of usage.

    Rows have no id of their own. A scope is a billing period of an account: what a delivery names of
    it is all there is of it.
    """

    kind: ClassVar[str] = "focus"
    contract: ClassVar[Contract] = "snapshots"
    roles: ClassVar[tuple[Role, ...]] = ROLES
    config_class: ClassVar[type[SourceConfig]] = FocusConfig

    def __init__(self, config: FocusConfig, world: World) -> None:
        self.config = config
        self._path = world.root / config.path
        self._currency = world.currency
        self._parts: list[Part] | None = None
        self._share = Share()

    def plan(self, window: Window) -> Window:  # noqa: ARG002 - what is asked for makes no difference
        """A delivery is read whole: which of its scopes changed is not known before."""
        return Window(None, None)

    @property
    def is_large(self) -> bool:
        """Whether any part of it has many rows."""
        return self._path.is_dir() or is_large_file(self._path)

    def shares(self, readers: int, rows: int) -> list["Focus"]:
        """This source, the files as they are now, for each of `readers` that take turns at `rows` rows."""
        parts = parts_of(self._path, self.config.path)
        shares = [copy(self) for _ in range(readers)]
        for number, share in enumerate(shares):
            share._parts, share._share = parts, Share(number, readers, rows)
        return shares

    def read(self, window: Window) -> Iterator[Usage | Refusal]:
        """The rows without their scopes."""
        return (found.row for found in self.read_scopes(window) if isinstance(found, Scoped))

    def read_scopes(
        self,
        window: Window,  # noqa: ARG002 - a delivery is read whole
        known: Sequence[int] = (),
    ) -> Iterator[Scoped | Known]:
        """Every row of every part, in the order of their names.

        A file is read as it is used and may turn out cut, or changed meanwhile, after rows were
        delivered: then it raises, and nothing of it is to be believed until it is read again.
        """
        wanted = {
            column.casefold()
            for column in (*TIMES, *OPTIONAL, self.config.cost_metric, self.config.resource_type)
        }
        turns = self._share.turns()
        for path, name, state in self._parts or parts_of(self._path, self.config.path):
            with (
                steady_file(path, name, state) as file,
                table_in(file, name, wanted, turns) as table,
            ):
                yield from self._rows(table, name, known)

    def _rows(self, table: Table, name: str, known: Sequence[int]) -> Iterator[Scoped | Known]:
        rows, width = self._reader(table.header, name), len(table.header)
        salt, most, cells_of = self._salt(table.header), len(known), cell_reader(name)
        for position, written, cells in table.rows:
            digest = blake2b(written.encode("utf-8", "surrogateescape"), digest_size=8, key=salt)
            fingerprint = int.from_bytes(digest.digest(), "big", signed=True)
            place = bisect_left(known, fingerprint)
            if place < most and known[place] == fingerprint:
                yield Known(position, fingerprint)
                continue
            if cells is None:
                cells = cells_of(written, position)
            if len(cells) == width:
                yield rows.row(position, cells, fingerprint)
            else:
                yield rows.misfit(position, [cell or "" for cell in cells])

    def _reader(self, header: list[str], name: str) -> FocusRows:
        return FocusRows(header, self.config, self._currency, name)

    def _salt(self, header: list[str]) -> bytes:
        """What decides besides its text what a row means: its columns, the configuration, the ledger's currency."""
        config = self.config.model_dump_json(exclude={"path"})
        means = json.dumps([MEANING, header, config, self._currency])
        return blake2b(means.encode("utf-8", "surrogateescape")).digest()
