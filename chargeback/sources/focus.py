"""FOCUS exports: what clouds and software vendors charge, delivered again whole until a period is final.

Owns the way from a configured path to rows with their scopes. What a row means is `focus_rows`'s, which
forms there are `focus_files`'s.
"""

from collections.abc import Iterator
from typing import ClassVar

from chargeback.sources.contract import (
    ROLES,
    Contract,
    Refusal,
    Role,
    Scoped,
    Usage,
    Window,
    World,
)
from chargeback.sources.delivery import is_large_file, steady_file
from chargeback.sources.focus_config import FocusConfig
from chargeback.sources.focus_files import parts_of, table_in
from chargeback.sources.focus_rows import OPTIONAL, TIMES, FocusRows
from chargeback.sources.source_config import SourceConfig


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

    def plan(self, window: Window) -> Window:  # noqa: ARG002 - what is asked for makes no difference
        """A delivery is read whole: which of its scopes changed is not known before."""
        return Window(None, None)

    @property
    def is_large(self) -> bool:
        """Whether any part of it has many rows."""
        return self._path.is_dir() or is_large_file(self._path)

    def read(self, window: Window) -> Iterator[Usage | Refusal]:
        """The rows without their scopes."""
        return (scoped.row for scoped in self.read_scopes(window))

    def read_scopes(self, window: Window) -> Iterator[Scoped]:  # noqa: ARG002 - it is read whole
        """Every row of every part, in the order of their names.

        A file is read as it is used and may turn out cut, or changed meanwhile, after rows were
        delivered: then it raises, and nothing of it is to be believed until it is read again.
        """
        wanted = {
            column.casefold()
            for column in (*TIMES, *OPTIONAL, self.config.cost_metric, self.config.resource_type)
        }
        for path, name in parts_of(self._path, self.config.path):
            with steady_file(path, name) as file, table_in(file, name, wanted) as table:
                rows, width = self._rows(table.header, name), len(table.header)
                for position, cells in table.rows:
                    if len(cells) == width:
                        yield rows.row(position, cells)
                    else:
                        yield rows.misfit(position, [cell or "" for cell in cells])

    def _rows(self, header: list[str], name: str) -> FocusRows:
        return FocusRows(header, self.config, self._currency, name)
