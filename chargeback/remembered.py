"""What was worked out for a value once, kept for the next time the value comes: in bounded memory.

In what trackers deliver nearly everything repeats from row to row: names, times, prices.
"""

from collections.abc import Callable
from typing import Any


class Remembered(dict[Any, Any]):
    """The meanings of values, each worked out at its first sight; what raises is never remembered."""

    def __init__(self, meaning: Callable[[Any], Any], most: int = 50_000) -> None:
        super().__init__()
        self._meaning = meaning
        self._most = most

    def __missing__(self, value: Any) -> Any:
        if len(self) >= self._most:
            self.clear()
        found = self[value] = self._meaning(value)
        return found
