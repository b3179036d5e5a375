"""How a FOCUS export is configured as a source, and what is refused there."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from chargeback.sources.source_config import FileName, SourceConfig

TAG_KEY = r"^[^\x00-\x1f=]{1,100}$"
_EXPECTED: Mapping[str, str] = {
    **SourceConfig.expected,
    "cost_metric": "write BilledCost, EffectiveCost, ContractedCost or ListCost",
    "scope": "write SubAccountId, or BillingAccountId where a provider moves rows between sub accounts",
    "owner_tag": "write the key of a tag, without '='",
    "team_tag": "write the key of a tag, without '='",
    "user_tag": "write the key of a tag, without '='",
    "null_words": "list the words that mean nothing, like NULL",
    "dates": "write month/day/year or day/month/year, for exports that write 5/1/25",
    "numbers": "write plain for 1234.50 or us for $1,234.50",
    "resource_type": "write the name of a FOCUS column, like ServiceName or ServiceCategory",
}


class FocusConfig(SourceConfig):
    """Where a FOCUS export lies and how its provider writes it (FOCUS 1.0 to 1.4; CSV, CSV.gz, Parquet).

    EffectiveCost spreads prepayments over their use and is what teams are charged as a rule;
    BilledCost adds up to the provider's invoice. They cannot be mixed, so one is chosen per source.
    """

    expected: ClassVar[Mapping[str, str]] = _EXPECTED

    path: FileName = Field(description="File, or folder with the parts of one delivery.")
    cost_metric: Literal["BilledCost", "EffectiveCost", "ContractedCost", "ListCost"] = Field(
        "EffectiveCost", description="Which of the four costs is charged."
    )
    scope: Literal["SubAccountId", "BillingAccountId"] = Field(
        "SubAccountId", description="Whose billing period one delivery replaces whole."
    )
    owner_tag: str | None = Field(
        None, pattern=TAG_KEY, description="Tag whose value names an owner."
    )
    team_tag: str | None = Field(None, pattern=TAG_KEY, description="Tag whose value is the team.")
    user_tag: str | None = Field(None, pattern=TAG_KEY, description="Tag whose value is the user.")
    null_words: tuple[str, ...] = Field(
        ("", "NULL", "null", "Null", "(null)"), description="What stands where nothing is."
    )
    dates: Literal["month/day/year", "day/month/year"] | None = Field(
        None, description="How dates like 5/1/25 are meant; without it they are refused."
    )
    numbers: Literal["plain", "us"] = Field(
        "plain", description="Whether amounts may be written $1,234.50."
    )
    resource_type: str = Field(
        "ServiceName", pattern=r"^\w{1,100}$", description="Column that names the type of resource."
    )

    @field_validator("null_words", mode="before")
    @classmethod
    def _are_several(cls, words: Any) -> Any:
        return words.split(",") if isinstance(words, str) else words
