"""What one row of LiteLLM's spend log means, read from its database or from its HTTP interface.

Owns the names of its columns and their traps: '' for none, a cache hit that repeats the tokens of the
call it answers for, tags that are noise. Prompts and answers are never asked for.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, ClassVar

from pydantic import Field

from chargeback.sources.contract import ROLES, Contract, Refusal, Role, Usage, Window
from chargeback.sources.usage_facts import FactsSource, UsageFacts

# Calls of the proxy to itself; older versions keep the key's name, newer ones its hash.
_HEALTH_CHECK = "litellm-internal-health-check"
HEALTH_CHECKS = (_HEALTH_CHECK, sha256(_HEALTH_CHECK.encode()).hexdigest())
COLUMNS = (
    "request_id", "call_type", "api_key", "spend", "total_tokens", "prompt_tokens", "completion_tokens",
    "startTime", "model", "user", "team_id", "agent_id", "request_tags", "cache_hit",
)  # fmt: skip
# Of the metadata, which may hold anything, only these keys are read.
METADATA = ("user_api_key_alias", "user_api_key_team_id", "user_api_key_user_id")
TAGS = "spend_logs_metadata"
_CALLED = {
    "external_id": "request_id",
    "usage_at": "startTime",
    "cost": "spend",
    "quantity": "total_tokens",
    "resource_type": "call_type",
    "sku": "model",
    "user_id": "user",
    "account_id": "user_api_key_alias",
    "tokens": "prompt_tokens and completion_tokens",
}

# Settings that both ways of reading it have.
OWNER_TAG = Field(
    None,
    pattern=r"^[A-Za-z0-9_./-]{1,100}$",
    description="Key of the request tag or logged metadata whose value names an owner.",
)
OWNER_TAG_EXPECTED = "write a tag's key of letters, digits and _./-"
INCLUDE_HEALTH_CHECKS = Field(False, description="Whether the proxy's own calls count.")


class LiteLlmRows:
    """Reads rows; `owner_tag` is the key of the tag whose value names an owner."""

    def __init__(self, owner_tag: str | None, currency: str) -> None:
        self._owner_tag = owner_tag
        self.facts = UsageFacts(_CALLED, currency)

    def usage(self, position: int, row: Mapping[str, Any]) -> Usage | Refusal:
        """The usage that a row states; its metadata's keys stand beside its columns."""
        get = row.get
        is_cache_hit = get("cache_hit") == "True"
        facts = {
            "external_id": get("request_id"),
            "usage_at": get("startTime"),
            "cost": get("spend"),
            "quantity": 0 if is_cache_hit else get("total_tokens"),
            "unit": "Tokens",
            "resource_type": get("call_type"),
            "sku": get("model"),
            "team_id": get("team_id") or get("user_api_key_team_id"),
            "user_id": get("user") or get("user_api_key_user_id"),
            "agent_id": get("agent_id"),
            "account_id": get("user_api_key_alias") or get("api_key"),
            "owner_tag": self._tag(row),
        }
        if not is_cache_hit:
            facts["tokens"] = {
                "prompt": get("prompt_tokens"),
                "completion": get("completion_tokens"),
            }
        return self.facts.usage(position, facts)

    def _tag(self, row: Mapping[str, Any]) -> str | None:
        """The owner's tag: stated by the caller in the metadata, or as `key:value` or `key=value` in the tags."""
        key = self._owner_tag
        if key is None:
            return None
        if isinstance(stated := row.get(TAGS), str) and stated:
            return f"{key}={stated}"
        return next((f"{key}={value}" for value in _values(row.get("request_tags"), key)), None)


def _values(tags: Any, key: str) -> Sequence[str]:
    if not isinstance(tags, list):
        return ()
    return [
        tag[len(key) + 1 :].strip()
        for tag in tags
        if isinstance(tag, str)
        and tag.startswith((f"{key}:", f"{key}="))
        and tag[len(key) + 1 :].strip()
    ]


class LiteLlm(FactsSource):
    """A LiteLLM as a source of usage, however it is read: one event per request."""

    contract: ClassVar[Contract] = "events"
    roles: ClassVar[tuple[Role, ...]] = ROLES

    def __init__(self, log: LiteLlmRows) -> None:
        self._log = log
        self._facts = log.facts

    def plan(self, window: Window) -> Window:
        """The window itself: a part is as cheap as it is small."""
        return window

    @property
    def is_large(self) -> bool:
        """Pages come over the network, which takes longer than reading them."""
        return False
