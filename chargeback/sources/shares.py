"""A delivery that several processes read at once: block by block in turn, so that its order is kept.

Owns which rows are whose. Each process walks the whole delivery, which is little work, and makes usage of its own rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, repeat


@dataclass(frozen=True)
class Share:
    """Of every `of` blocks of `rows` rows the one numbered `number`; by itself, all there is.

    >>> list(islice(Share(1, of=2, rows=3).turns(), 8))
    [False, False, False, True, True, True, False, False]
    """

    number: int = 0
    of: int = 1
    rows: int = 1

    def turns(self) -> Iterator[bool]:
        """For one row after the other, over all parts of the delivery, whether it is this share's."""
        if self.of == 1:
            yield from repeat(True)
        for number in cycle(range(self.of)):
            yield from repeat(number == self.number, self.rows)
