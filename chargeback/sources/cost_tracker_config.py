"""How a cost tracker is configured as a source, and what is refused there."""

import re
from collections.abc import Mapping
from typing import Any, Literal, Self

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from chargeback.errors import Invalid

_EXPECTED = {
    "owner_tag": "write a metadata key of letters, digits and _.:/-",
    "token_env": "write the name of an environment variable, never a token",
    "currency": "write a code like USD",
}
_NO_ADDRESS = "it is no address like http://host:port/api/cost/export"


class CostTrackerConfig(BaseModel):
    """Where a cost tracker's export is and which form it has.

    One form per source: the CSV rounds costs to 6 digits and has no metadata, so reading one export
    in both forms would look like changed usage.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    path: str | None = Field(
        None, min_length=1, max_length=4096, description="File, from the project's root."
    )
    url: str | None = Field(None, max_length=2048, description="Address of the export endpoint.")
    form: Literal["json", "csv"] = Field(description="What the export is written in.")
    owner_tag: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9_.:/-]{1,100}$",
        description="Key of the metadata whose value names an owner.",
    )
    token_env: str | None = Field(
        None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$",
        description="Name of the environment variable that holds a bearer token.",
    )
    currency: str = Field("USD", pattern=r"^[A-Z]{3}$", description="What its costs are in.")

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """The configuration that `given` states. Raises Invalid naming the first fault.

        What was given is not repeated: it may be a secret in the wrong place.
        """
        try:
            return cls.model_validate(dict(given))
        except ValidationError as refusal:
            fault = refusal.errors(include_url=False, include_context=False, include_input=False)[0]
            field = ".".join(str(part)[:40] for part in fault["loc"]) or "configuration"
            reason = _EXPECTED.get(field) or fault["msg"].removeprefix("Value error, ")
            raise Invalid(
                "source_config_invalid",
                f"The cost_tracker source's {field} cannot be used ({reason[:1].lower()}"
                f"{reason[1:]}); its settings are {', '.join(cls.model_fields)}.",
            ) from None

    @field_validator("path")
    @classmethod
    def _is_file_name(cls, path: str | None) -> str | None:
        if path is not None and ("\0" in path or "://" in path):
            raise ValueError("a path names a file; an address belongs in `url`")
        return path

    @field_validator("url")
    @classmethod
    def _is_web_address(cls, url: str | None) -> str | None:
        if url is None:
            return None
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

    @model_validator(mode="after")
    def _is_one_place(self) -> Self:
        if (self.path is None) == (self.url is None):
            raise ValueError("give exactly one of `path` and `url`")
        if self.token_env and self.url is None:
            raise ValueError("`token_env` belongs to a `url`")
        return self
