"""How a cost tracker is configured as a source, and what is refused there."""

from collections.abc import Mapping
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from chargeback.sources.source_config import (
    TOKEN_BLOCK,
    TOKEN_ENV,
    BlockName,
    FileName,
    SourceConfig,
    VariableName,
    WebAddress,
    refuse_two_places,
)


class CostTrackerConfig(SourceConfig):
    """Where a cost tracker's export is and which form it has.

    One form per source: the CSV rounds costs to 6 digits and has no metadata, so reading one export
    in both forms would look like changed usage.
    """

    expected: ClassVar[Mapping[str, str]] = {
        **SourceConfig.expected,
        "owner_tag": "write a metadata key of letters, digits and _.:/-",
    }

    path: FileName | None = Field(None, description="File, from the project's root.")
    url: WebAddress | None = Field(None, description="Address of the export endpoint.")
    form: Literal["json", "csv"] = Field(description="What the export is written in.")
    owner_tag: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9_.:/-]{1,100}$",
        description="Key of the metadata whose value names an owner.",
    )
    token_env: VariableName | None = TOKEN_ENV
    token_block: BlockName | None = TOKEN_BLOCK

    @model_validator(mode="after")
    def _is_one_place(self) -> Self:
        if (self.path is None) == (self.url is None):
            raise ValueError("give exactly one of `path` and `url`")
        if (self.token_env or self.token_block) and self.url is None:
            raise ValueError("`token_env` and `token_block` belong to a `url`")
        refuse_two_places(self.token_env, self.token_block, "token")
        return self
