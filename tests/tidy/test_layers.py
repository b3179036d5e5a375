"""Imports go down only: models, the pure business, what touches the world, tasks, flows, doors."""

from pathlib import Path

import pytest

from tests.tidy.source import imported, modules, shown

LAYERS = (
    ("models",),
    ("chargeback",),
    ("chargeback.ledger", "chargeback.sources", "chargeback.documents"),
    ("tasks",),
    ("flows",),
    ("entrypoints",),
)
DEPTH = {name: depth for depth, names in enumerate(LAYERS) for name in names}
OURS = {name.partition(".")[0] for name in DEPTH}

WORLD = {
    "asyncpg", "httpx", "os", "prefect", "psycopg2", "random", "requests", "secrets", "socket",
    "sqlalchemy", "subprocess", "time", "urllib", "uuid.uuid4",
}  # fmt: skip
READERS_OF_THE_WORLD = {"chargeback/settings.py", "chargeback/clock.py"}
PURE = [path for path in modules("chargeback") if path.parent.name == "chargeback"]
LAYERED = list(modules(*sorted(OURS)))


def layer(module: str) -> int | None:
    """How deep a dotted name lies; None when it is not ours."""
    parts = module.split(".")
    if parts[0] not in OURS:
        return None
    return DEPTH.get(".".join(parts[:2]), DEPTH[parts[0]])


@pytest.mark.parametrize("path", LAYERED, ids=shown)
def test_imports_go_down(path: Path) -> None:
    own = layer(shown(path).removesuffix(".py").replace("/", "."))
    assert own is not None
    upward = {name for name in imported(path) if (depth := layer(name)) is not None and depth > own}
    assert not upward


@pytest.mark.parametrize("path", PURE, ids=shown)
def test_the_business_does_not_touch_the_world(path: Path) -> None:
    if shown(path) in READERS_OF_THE_WORLD:
        return
    touched = {
        name
        for name in imported(path)
        if any(name == world or name.startswith(f"{world}.") for world in WORLD)
    }
    assert not touched


@pytest.mark.parametrize("path", list(modules("models", "chargeback")), ids=shown)
def test_the_business_knows_no_prefect(path: Path) -> None:
    assert not {name for name in imported(path) if name.partition(".")[0] == "prefect"}
