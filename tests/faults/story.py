"""The bookings told once on a server, undisturbed: a ledger to copy before each, and what the ledger says after it."""

import os
import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from chargeback.ledger import database
from chargeback.settings import Settings, settings
from tests.faults.bookings import BOOKINGS
from tests.faults.findings import assert_sound, facts
from tests.faults.month import WEEK, example_records
from tests.faults.usage_steps import TRACKER_URL
from tests.postgres import Server
from tests.sources.fake_tracker import FakeTracker, serving

COPIED = "copied"


@contextmanager
def using(url: str, files: Path, more: Mapping[str, str] | None = None) -> Iterator[dict[str, str]]:
    """This ledger and this file store, small batches and no child processes, for the time of the block.

    Yields the environment that makes another process use the same.
    """
    environment = {
        "CHARGEBACK_DATABASE_URL": url,
        "CHARGEBACK_FILE_STORE": str(files),
        "CHARGEBACK_BATCH_RECORDS": "40",
        "CHARGEBACK_DOCUMENT_PROCESSES": "1",
        **(more or {}),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(Settings.model_config, "env_file", None)
        for name, value in environment.items():
            patch.setenv(name, value)
        settings.cache_clear()
        try:
            yield environment
        finally:
            database.engine(url).dispose()
    settings.cache_clear()


class PostOffice:
    """A mail server that notes which messages arrived."""

    def __init__(self) -> None:
        self.arrived: set[tuple[str, str]] = set()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        mail = message_from_bytes(envelope.content)
        self.arrived.add((str(mail["To"]), str(mail["Message-ID"])))
        return "250 taken"

    @property
    def environment(self) -> dict[str, str]:
        """What makes a process send its mail here."""
        return {
            "CHARGEBACK_SMTP_HOST": "127.0.0.1",
            "CHARGEBACK_SMTP_PORT": str(self.port),
            "CHARGEBACK_SMTP_SECURITY": "none",
        }

    @contextmanager
    def opened(self) -> Iterator["PostOffice"]:
        """The server, running."""
        server = Controller(self, hostname="127.0.0.1", port=self.port)
        server.start()
        try:
            yield self
        finally:
            server.stop()


@dataclass
class Story:
    """Bookings on one server; each is told when it is first asked for, after the one it comes after."""

    server: Server
    template: str
    folder: Path
    office: PostOffice
    environment: Mapping[str, str]
    _after: dict[str, tuple[str, dict[str, str]]] = field(default_factory=dict)
    _before: dict[str, str] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=count)

    def expected(self, name: str) -> dict[str, str]:
        """What the ledger says after this booking."""
        self._tell(name)
        return self._after[name][1]

    def database_after(self, name: str) -> str:
        """The ledger that this booking leaves behind; nobody is connected to it."""
        self._tell(name)
        return self._after[name][0]

    def files_after(self, name: str) -> Path:
        """The files that go with it."""
        self._tell(name)
        return self._files(name)

    @contextmanager
    def copy(self, name: str) -> Iterator[dict[str, str]]:
        """The ledger and the files as they were before this booking, for one time; the environment to use them.

        Every copy has the same name: SQLAlchemy keeps what it made of statements per address.
        """
        self._tell(name)
        database_name = self.server.create_database(self._before[name], COPIED)
        files = self.folder / f"copy-{next(self._numbers)}"
        _link(self._files(BOOKINGS[name].after), files)
        self.office.arrived.clear()
        try:
            with using(self._url(database_name), files, self.environment) as environment:
                yield environment
        finally:
            self.server.drop_database(database_name)
            shutil.rmtree(files, ignore_errors=True)

    def facts(self) -> dict[str, str]:
        """What the ledger in use says, and what was mailed."""
        return facts() | {"mailed": "\n".join(map(" ".join, sorted(self.office.arrived)))}

    def assert_whole(self, name: str) -> None:
        """The ledger in use says what it says when nothing happened, and holds all that always holds."""
        found, expected = self.facts(), self.expected(name)
        differs = {
            part: (said, found[part]) for part, said in expected.items() if said != found[part]
        }
        assert not differs, f"not as undisturbed: {differs}"
        assert_sound(settings().files)

    def _tell(self, name: str) -> None:
        if name in self._after:
            return
        booking = BOOKINGS[name]
        if booking.after is not None:
            self._tell(booking.after)
        template = self._after[booking.after][0] if booking.after else self.template
        files = self._files(name)
        _link(self._files(booking.after), files)
        self._before[name] = self.server.create_database(template)
        with using(self._url(self._before[name]), files, self.environment):
            booking.ready(self._own_folder(name))
        after = self.server.create_database(self._before[name])
        self.office.arrived.clear()
        with using(self._url(after), files, self.environment):
            booking.act()
            self._after[name] = after, self.facts()
            assert_sound(settings().files)

    def _url(self, name: str) -> str:
        return self.server.url(name, "chargeback_app")

    def _files(self, name: str | None) -> Path:
        return self.folder / "after" / (name or "nothing")

    def _own_folder(self, name: str) -> Path:
        folder = self.folder / "own" / name
        folder.mkdir(parents=True)
        return folder


def _link(files: Path, copy: Path) -> None:
    """The same files in another folder; published files are never written to again."""
    copy.mkdir(parents=True)
    if files.exists():
        shutil.copytree(files, copy, copy_function=os.link, dirs_exist_ok=True)


@contextmanager
def telling(server: Server, folder: Path) -> Iterator[Story]:
    """A story on a server, with a post office and a tracker of its own."""
    template = server.create_database()
    database.upgrade(server.url(template))
    week = [record for record in example_records() if record["timestamp"][:10] in WEEK]
    with PostOffice().opened() as office, serving(FakeTracker(week)) as tracker:
        environment = office.environment | {
            TRACKER_URL: tracker.url,
            "CHARGEBACK_PRIVATE_NETWORKS": "127.0.0.0/8",
        }
        yield Story(server, template, folder, office, environment)
