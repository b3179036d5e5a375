"""No file tells where it was made: no registry address, no path of a machine."""

import re
from pathlib import Path

import pytest

from tests.tidy.source import files, shown

READ = {
    ".cfg", ".css", ".example", ".html", ".ini", ".json", ".lock", ".mako", ".md", ".py", ".sh",
    ".sql", ".toml", ".txt", ".yaml", ".yml", "",
}  # fmt: skip
REGISTRIES = (
    "pypi" + ".org",
    "python" + "hosted.org",
    "registry.npm" + "js",
    "index-url " + "http",
)
MACHINE = re.compile(r"(?<![\w.~}-])/(?:work|root|home|Users|opt)/[\w.]")
WRITTEN = [path for path in files() if path.suffix in READ]


@pytest.mark.parametrize("path", WRITTEN, ids=shown)
def test_no_file_tells_where_it_was_made(path: Path) -> None:
    text = path.read_text(encoding="utf-8", errors="replace")
    assert not [name for name in REGISTRIES if name in text]
    assert not MACHINE.findall(text)


def test_the_locks_hold_a_hash_for_every_package() -> None:
    for name in ("requirements.lock", "requirements-dev.lock"):
        lines = (Path(__file__).parents[2] / name).read_text(encoding="utf-8").splitlines()
        packages = [number for number, line in enumerate(lines) if re.match(r"[a-z0-9].*==", line)]
        assert packages
        assert all("--hash=sha256:" in lines[number + 1] for number in packages)
