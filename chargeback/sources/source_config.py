"""What the configurations of all sources have in common, and how one is refused.

Each kind has its own class, in its own file. What was given is never repeated in a message: it may be
a secret in the wrong place.
"""

import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, ClassVar, Self

import httpx
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from chargeback.errors import Invalid

_OURS = ("CHARGEBACK_", "PREFECT_")
_IS_SECRET = re.compile(r"token|key|secret|passw|sig|auth|cred", re.IGNORECASE)
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
    if any(_IS_SECRET.search(key) for key in address.params):
        raise ValueError("its query holds a secret; name it with `token_env` instead")
    return url


def _foreign_variable(name: str) -> str:
    """Whoever may add a source is not to have this system's own secrets sent to an address of theirs."""
    if name.upper().startswith(_OURS):
        raise ValueError(f"variables that begin with {', '.join(_OURS)} are this system's own")
    return name


def refuse_two_places(env: str | None, block: str | None, setting: str) -> None:
    """Raise ValueError where a secret is said to be in two places."""
    if env and block:
        raise ValueError(f"give one of `{setting}_env` and `{setting}_block`")


FileName = Annotated[str, Field(min_length=1, max_length=4096), AfterValidator(_file_name)]
WebAddress = Annotated[str, Field(max_length=2048), AfterValidator(_web_address)]
VariableName = Annotated[
    str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$"), AfterValidator(_foreign_variable)
]
BlockName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,99}$")]
TOKEN_ENV = Field(None, description="Name of the environment variable that holds a bearer token.")
TOKEN_BLOCK = Field(None, description="Name of the Prefect Secret block that holds it instead.")


class SourceConfig(BaseModel):
    """The settings of one source. `expected` says what to write where a field's own message would not."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
    expected: ClassVar[Mapping[str, str]] = {
        "currency": "write a code like USD",
        "token_env": "write the name of an environment variable of the tracker's, never a token",
        "token_block": "write the name of a Prefect Secret block, never a token",
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


class WebConfig(SourceConfig):
    """The settings of a source that is read over HTTP."""

    url: WebAddress
    token_env: VariableName | None = TOKEN_ENV
    token_block: BlockName | None = TOKEN_BLOCK

    @model_validator(mode="after")
    def _is_one_token(self) -> Self:
        refuse_two_places(self.token_env, self.token_block, "token")
        return self


class BillConfig(WebConfig):
    """The settings of a provider's bill; its token is an admin key of the organisation."""

    expected: ClassVar[Mapping[str, str]] = {
        **WebConfig.expected,
        "since": "write the first day to read, like 2026-10-01",
    }

    since: date = Field(description="The first day to read.")
    restated_days: int = Field(7, ge=0, le=92, description="Days before the window read again.")

    @model_validator(mode="after")
    def _has_token(self) -> Self:
        if not (self.token_env or self.token_block):
            raise ValueError("give `token_env` or `token_block`: where the admin key is")
        return self
