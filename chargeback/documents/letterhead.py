"""Who a document is from: the letterhead printed on it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # Every process that draws has a letterhead and none reads settings.
    from chargeback.settings import Settings


@dataclass(frozen=True)
class Letterhead:
    """The sender's name, the lines of its address, whom to ask, and where to pay.

    `is_statement`: its documents tell what is booked between cost centres, and nobody is to pay them.
    """

    name: str
    address: tuple[str, ...] = ()
    contact: str = ""
    payment: tuple[str, ...] = ()
    is_statement: bool = False

    @classmethod
    def from_settings(cls, settings: "Settings") -> "Letterhead":
        """The letterhead that the settings name; `|` separates the lines of the address and of where to pay."""
        return cls(
            settings.letterhead_name,
            _lines(settings.letterhead_address),
            settings.letterhead_contact,
            _lines(settings.payment_details),
            settings.document_form == "statement",
        )


def _lines(given: str) -> tuple[str, ...]:
    return tuple(line for part in given.split("|") if (line := part.strip()))
