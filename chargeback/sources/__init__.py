"""Reads cost trackers: each kind turns its deliveries into usage and refusals (`contract`).

Owns the reading and checking of what was delivered and the list of kinds; does not own what becomes
of it: the ledger stores, counts and quarantines.
"""

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from chargeback.errors import Invalid, Unavailable
from chargeback.settings import settings
from chargeback.sources.anthropic_costs import AnthropicCosts
from chargeback.sources.contract import Source, World
from chargeback.sources.cost_tracker import CostTracker
from chargeback.sources.focus import Focus
from chargeback.sources.litellm_db import LiteLlmDb
from chargeback.sources.litellm_http import LiteLlmHttp
from chargeback.sources.mapped_file import MappedFile
from chargeback.sources.openai_costs import OpenAiCosts
from chargeback.sources.opencost import OpenCost
from chargeback.sources.push import Push

# A new kind of source is its file and its line here.
_SOURCES: tuple[type[Source], ...] = (
    CostTracker, LiteLlmDb, LiteLlmHttp, Focus, OpenCost, OpenAiCosts, AnthropicCosts, MappedFile, Push,
)  # fmt: skip
SOURCES = {source.kind: source for source in _SOURCES}
KINDS = tuple(SOURCES)


def no_block(name: str) -> NoReturn:
    """Where no Prefect is at hand, no block can be opened."""
    raise Unavailable(
        "secret_block_unreachable",
        f"The Prefect Secret block {name} cannot be read from here; sync with the flow usage-sync.",
    )


def open_source(
    kind: str, config: Mapping[str, Any], block: Callable[[str], str] = no_block
) -> Source:
    """The source that `config` describes; nothing is read yet, and no secret either.

    Raises Invalid for a kind or a configuration that cannot be.
    """
    source = source_class(kind)
    checked, ours = source.config_class.of(kind, config), settings()
    world = World(ours.root, checked.currency, ours.source_timeout_seconds, ours.networks, block)
    return source(checked, world)


def currency_of(kind: str, config: Mapping[str, Any]) -> str:
    """What the source's costs are in where a row says nothing else."""
    return source_class(kind).config_class.of(kind, config).currency


def source_class(kind: str) -> type[Source]:
    """The class of that kind. Raises Invalid naming the kinds there are."""
    if kind not in SOURCES:
        raise Invalid(
            "source_kind_unknown",
            f"There is no such kind of source; the kinds are: {', '.join(KINDS)}.",
        )
    return SOURCES[kind]


def refuse_role(kind: str, role: str) -> None:
    """Raise Invalid where a source of that kind cannot serve in that role."""
    roles: tuple[str, ...] = source_class(kind).roles
    if role not in roles:
        raise Invalid(
            "source_role_invalid",
            f"A source of kind {kind} cannot have the role {role}; give it {' or '.join(roles)}.",
        )
