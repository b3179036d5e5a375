"""FOCUS exports: what clouds and software vendors charge, delivered again whole until a period is final.

Owns the way from a configured path to rows with their scopes. What a row means is `focus_rows`'s, which
forms there are `focus_files`'s.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal

from chargeback.sources.contract import Scoped, Window
from chargeback.sources.delivery import steady_file
from chargeback.sources.focus_config import FocusConfig
from chargeback.sources.focus_files import parts_of, table_in
from chargeback.sources.focus_rows import OPTIONAL, TIMES, FocusRows


class Focus:
    """A FOCUS export (1.0 to 1.4) as a source of usage.

    Rows have no id of their own. A scope is a billing period of an account: what a delivery names of
    it is all there is of it.
    """

    kind: ClassVar[str] = "focus"
    contract: ClassVar[Literal["snapshots"]] = "snapshots"

    def __init__(self, config: FocusConfig, root: Path) -> None:
        self.config = config
        self._root = root

    def read(self, window: Window) -> Iterator[Scoped]:  # noqa: ARG002 - a file is read whole
        """Every row of every part, in the order of their names.

        A file is read as it is used and may turn out cut, or changed meanwhile, after rows were
        delivered: then it raises, and nothing of it is to be believed until it is read again.
        """
        wanted = {
            column.casefold()
            for column in (*TIMES, *OPTIONAL, self.config.cost_metric, self.config.resource_type)
        }
        for path, name in parts_of(self._root / self.config.path, self.config.path):
            with steady_file(path, name) as file, table_in(file, name, wanted) as table:
                rows, width = FocusRows(table.header, self.config, name), len(table.header)
                for position, cells in table.rows:
                    if len(cells) == width:
                        yield rows.row(position, cells)
                    else:
                        yield rows.misfit(position, [cell or "" for cell in cells])
