"""Who a document is from: the letterhead printed on it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # Every process that draws has a letterhead and none reads settings.
    from chargeback.settings import Settings


@dataclass(frozen=True)
class Letterhead:
    """The sender's name, the lines of its address, and whom to ask."""

    name: str
    address: tuple[str, ...] = ()
    contact: str = ""

    @classmethod
    def from_settings(cls, settings: "Settings") -> "Letterhead":
        """The letterhead that the settings name; `|` separates the lines of the address."""
        lines = (line.strip() for line in settings.letterhead_address.split("|"))
        return cls(
            settings.letterhead_name,
            tuple(line for line in lines if line),
            settings.letterhead_contact,
        )
