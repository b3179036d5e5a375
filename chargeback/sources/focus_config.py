"""How a FOCUS export is configured as a source, and what is refused there."""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from chargeback.errors import Invalid

TAG_KEY = r"^[^\x00-\x1f=]{1,100}$"
_EXPECTED = {
    "path": "name the export's file, or the folder that holds the parts of one delivery",
    "cost_metric": "write BilledCost, EffectiveCost, ContractedCost or ListCost",
    "scope": "write SubAccountId, or BillingAccountId where a provider moves rows between sub accounts",
    "owner_tag": "write the key of a tag, without '='",
    "team_tag": "write the key of a tag, without '='",
    "user_tag": "write the key of a tag, without '='",
    "null_words": "list the words that mean nothing, like NULL",
    "dates": "write month/day/year or day/month/year, for exports that write 5/1/25",
    "numbers": "write plain for 1234.50 or us for $1,234.50",
    "resource_type": "write the name of a FOCUS column, like ServiceName or ServiceCategory",
    "currency": "write a code like USD",
}


class FocusConfig(BaseModel):
    """Where a FOCUS export lies and how its provider writes it (FOCUS 1.0 to 1.4; CSV, CSV.gz, Parquet).

    EffectiveCost spreads prepayments over their use and is what teams are charged as a rule;
    BilledCost adds up to the provider's invoice. They cannot be mixed, so one is chosen per source.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    path: str = Field(min_length=1, max_length=4096, description="File or folder of parts.")
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
    currency: str | None = Field(
        None, pattern=r"^[A-Z]{3}$", description="What rows without BillingCurrency are in."
    )

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """The configuration that `given` states. Raises Invalid naming the first fault.

        What was given is not repeated: it may be a secret in the wrong place.
        """
        try:
            return cls.model_validate(dict(given))
        except ValidationError as refusal:
            fault = refusal.errors(include_url=False, include_context=False, include_input=False)[0]
            field = str(fault["loc"][0])[:40] if fault["loc"] else "configuration"
            reason = _EXPECTED.get(field) or "there is no such setting"
            raise Invalid(
                "source_config_invalid",
                f"The focus source's {field} cannot be used ({reason}); "
                f"its settings are {', '.join(cls.model_fields)}.",
            ) from None

    @field_validator("null_words", mode="before")
    @classmethod
    def _are_several(cls, words: Any) -> Any:
        return words.split(",") if isinstance(words, str) else words

    @field_validator("path")
    @classmethod
    def _is_file_name(cls, path: str) -> str:
        if "\0" in path or "://" in path:
            raise ValueError("a path names a file or a folder")
        return path
