"""What the configurations of all sources have in common, and how one is refused.

Each kind has its own class, in its own file. What was given is never repeated in a message: it may be
a secret in the wrong place.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

import httpx
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from chargeback.errors import Invalid

_NO_ADDRESS = "it is no address like http://host:port/path"


def _file_name(path: str) -> str:
    if "\0" in path or "://" in path:
        raise ValueError("a path names a file; an address belongs in `url`")
    return path


def _web_address(url: str) -> str:
    try:
        address = httpx.URL(url)
    except httpx.InvalidURL:
        raise ValueError(_NO_ADDRESS) from None
    is_host = re.fullmatch(rb"[^%.]{1,63}(\.[^%.]{1,63})*\.?", address.raw_host)
    if address.scheme not in ("http", "https") or not is_host or (address.port or 0) > 65535:
        raise ValueError(_NO_ADDRESS)
    if address.userinfo:
        raise ValueError("it holds a password; name it with `token_env` instead")
    return url


FileName = Annotated[str, Field(min_length=1, max_length=4096), AfterValidator(_file_name)]
WebAddress = Annotated[str, Field(max_length=2048), AfterValidator(_web_address)]
VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$")]


class SourceConfig(BaseModel):
    """The settings of one source. `expected` says what to write where a field's own message would not."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
    expected: ClassVar[Mapping[str, str]] = {
        "currency": "write a code like USD",
        "token_env": "write the name of an environment variable, never a token",
    }

    currency: str = Field("USD", pattern=r"^[A-Z]{3}$", description="What its costs are in.")

    @classmethod
    def of(cls, kind: str, given: Mapping[str, Any]) -> Self:
        """The configuration that `given` states. Raises Invalid naming the first fault."""
        try:
            return cls.model_validate(dict(given))
        except ValidationError as refusal:
            fault = refusal.errors(include_url=False, include_context=False, include_input=False)[0]
            field = ".".join(str(part)[:40] for part in fault["loc"]) or "configuration"
            reason = cls.expected.get(field) or fault["msg"].removeprefix("Value error, ")
            raise Invalid(
                "source_config_invalid",
                f"The {kind} source's {field} cannot be used ({reason[:1].lower()}"
                f"{reason[1:]}); its settings are {', '.join(cls.model_fields)}.",
            ) from None
