"""The journal as a CSV that accounting software imports, by a map of columns.

Owns the maps in `journal_profiles/` and how a posting becomes a row. A map of one's own is a YAML file of
the same form; imports of the named products were not tried against the products themselves.
"""

import csv
import io
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from chargeback import money
from chargeback.documents.report_csv import written
from chargeback.errors import Invalid, NotFound, Refused
from chargeback.journal import Posting

_PROFILES = Path(__file__).parent / "journal_profiles"
PROFILES = tuple(sorted(path.stem for path in _PROFILES.glob("*.yaml")))
_AMOUNTS = ("debit", "credit")


class Profile(BaseModel):
    """A map of columns: each column's title and its text, with `{field}` for a field of a posting."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: dict[str, str] = Field(min_length=1)
    date: str = "%Y-%m-%d"
    most_lines: int | None = Field(None, ge=2)

    @field_validator("columns")
    @classmethod
    def _known_fields(cls, columns: dict[str, str]) -> dict[str, str]:
        for title, words in columns.items():
            for _, name, form, conversion in Formatter().parse(words):
                if name is not None and (name not in Posting._fields or form or conversion):
                    raise ValueError(
                        f"column {title!r} asks for {{{name}}}; the fields are {', '.join(Posting._fields)}"
                    )
        return columns


def profile(given: str) -> Profile:
    """The map of that name, or in the file of that name. Raises NotFound or Invalid, naming the mistake."""
    if given in PROFILES:
        return _read(_PROFILES / f"{given}.yaml", given)
    if not given.endswith((".yaml", ".yml")):
        raise NotFound(
            "journal_profile_unknown",
            f"there is no column map {given!r}; give a YAML file of your own or one of {', '.join(PROFILES)}",
        )
    return _read(Path(given), given)


@cache
def _read(path: Path, name: str) -> Profile:
    try:
        return Profile.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise NotFound(
            "journal_profile_missing", f"there is no file {name}; correct the path"
        ) from None
    except ValidationError as fault:
        first = fault.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise Invalid(
            "journal_profile_invalid", f"{name}: {place}: {first['msg']}; correct it and try again"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as fault:
        raise Invalid(
            "journal_profile_invalid", f"{name} is no YAML text ({fault}); correct it"
        ) from None


def journal_csv(postings: Sequence[Posting], columns: Profile) -> bytes:
    """The postings as UTF-8 with CRLF; the empty side of a line stays empty, text is inert in spreadsheets.

    Raises Refused where an entry has more lines than the importing software takes.
    """
    _refuse_too_long(postings, columns.most_lines)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns.columns)
    for posting in postings:
        fields = _fields(posting, columns.date)
        writer.writerow([_cell(words, fields) for words in columns.columns.values()])
    return text.getvalue().encode("utf-8", "replace")


def _fields(posting: Posting, date_form: str) -> dict[str, str]:
    fields: dict[str, Any] = posting._asdict()
    fields["posting_date"] = posting.posting_date.strftime(date_form)
    for side in _AMOUNTS:
        fields[side] = _amount(fields[side], posting.currency)
    return {name: str(value) for name, value in fields.items()}


def _amount(amount: Decimal, currency: str) -> str:
    return f"{money.to_money(amount, currency):f}" if amount else ""


def _cell(words: str, fields: dict[str, str]) -> str:
    filled = words.format_map(fields)
    return filled if words in ("{debit}", "{credit}") else written(filled)


def _refuse_too_long(postings: Sequence[Posting], most: int | None) -> None:
    lines = Counter(posting.journal_id for posting in postings)
    for entry, count in lines.items():
        if most is not None and count > most:
            raise Refused(
                "journal_entry_too_long",
                f"journal entry {entry} has {count} lines and the importing software takes {most}; "
                "bill the teams one by one instead of all together",
            )
