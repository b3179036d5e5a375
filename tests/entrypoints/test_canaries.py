"""Secrets are named and never kept: canaries planted in every place a secret can be are nowhere found again.

A Prefect server of its own runs the flow; then every table of the ledger and of Prefect (parameters, logs,
states, artifacts, blocks), every file under the home and everything that was printed is searched.
"""

import base64
import io
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg2
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink
from aiosmtpd.smtp import AuthResult
from sqlalchemy import make_url

from chargeback.clock import now
from chargeback.ledger import tokens, usage_sources
from chargeback.ledger.database import transaction
from chargeback.settings import Settings, settings
from entrypoints.api.app import make_app
from entrypoints.ledger_at_hand import using_environment
from entrypoints.stack import Stack, running
from models.enums import SourceRole, TokenRole
from tasks.publish_documents import publish_invoices
from tests.conftest import Ledger
from tests.entrypoints.api.conftest import served
from tests.entrypoints.conftest import free_port
from tests.ledger.books import Books
from tests.sources.fake_web import Answer, Asked, answering

pytestmark = pytest.mark.timeout(600)

TOKEN, BLOCK, PASSWORD = "canary-token-7f3a", "canary-block-9c1e", "canary-password-2b8d"
SMTP_PASSWORD, LEDGER_PASSWORD = "canary-mail-5d7b", "canary-ledger-8e2f"
WEBHOOK_KEY = base64.b64encode(b"canary-webhook-4a6c").decode()
CANARIES = (TOKEN, BLOCK, PASSWORD, SMTP_PASSWORD, LEDGER_PASSWORD, WEBHOOK_KEY)
PAYER = "teams: [{id: search, name: Search, contact: leads@example.com}]"
DELIVER = """
from datetime import date
from flows.invoice_delivery import invoice_delivery
state = invoice_delivery(as_of=date(2026, 11, 1), return_state=True)
print("delivery", state.type.name, state.message)
"""
RUN = """
from flows.usage_sync import usage_sync
for name in {names!r}:
    state = usage_sync(source=name, return_state=True)
    print(name, state.type.name, state.message)
"""
SAVE = "from prefect.blocks.system import Secret; Secret(value={value!r}).save('tracker-token')"


def careless(asked: Asked) -> Answer:
    """A tracker that repeats what it heard, in its words, its headers and where it sends people."""
    heard = asked.headers.get("authorization", "")
    match asked.path:
        case "/denied":
            return Answer({"error": f"the token {heard} is not known"}, 401, {"X-Heard": heard})
        case "/moved":
            return Answer("", 302, {"Location": f"http://169.254.169.254/?heard={heard}"})
        case "/broken":
            return Answer(f'{{"records": [{{"call_id": "{heard}"', 200)
        case "/none":
            return Answer({"detail": heard}, 404)
    return Answer({"records": []} if heard.startswith("Bearer canary-") else {"records": 7})


def not_let_in(
    _server: object, _session: object, _envelope: object, how: str, shown: Any
) -> AuthResult:
    """A mail server that repeats the password it was shown."""
    return AuthResult(
        success=False, handled=False, message=f"535 5.7.8 {how} {shown.password.decode()} is wrong"
    )


@contextmanager
def mail_server(port: int) -> Iterator[None]:
    """One that lets nobody in."""
    server = Controller(
        Sink(), hostname="127.0.0.1", port=port, authenticator=not_let_in, auth_require_tls=False
    )
    server.start()
    yield
    server.stop()


@dataclass
class Bait:
    """A stack on which sources with canaries for secrets were read, and what was said of it."""

    stack: Stack
    said: str
    api_token: str
    answers: list[int]
    tables: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def bait(module_home: Path) -> Iterator[Bait]:
    variables = {
        "CHARGEBACK_HOME": str(module_home), "CHARGEBACK_PREFECT_PORT": str(free_port()),
        "CHARGEBACK_PRIVATE_NETWORKS": "127.0.0.0/8", "TRACKER_TOKEN": TOKEN,
        "CHARGEBACK_SMTP_HOST": "127.0.0.1",
        "CHARGEBACK_SMTP_PORT": str(mail_port := free_port()), "CHARGEBACK_SMTP_SECURITY": "none",
        "CHARGEBACK_SMTP_USER": "billing", "CHARGEBACK_SMTP_PASSWORD": SMTP_PASSWORD,
        "CHARGEBACK_WEBHOOK_SECRET": f"whsec_{WEBHOOK_KEY}",
    }  # fmt: skip
    with (
        pytest.MonkeyPatch.context() as patch, answering(careless) as web, mail_server(mail_port)
    ):  # fmt: skip
        variables["CHARGEBACK_WEBHOOK_URL"] = f"{web.url}/hook"
        patch.setitem(Settings.model_config, "env_file", None)
        for name, value in variables.items():
            patch.setenv(name, value)
        settings.cache_clear()
        with running(module_home, with_worker=False, deploy=False) as stack:
            patch.setenv("LITELLM_URL", _lost_database(stack))
            with using_environment(stack.environment):
                names = _add_sources(web.url)
                said = _python(SAVE.format(value=BLOCK)) + _python(RUN.format(names=names))
                said += _commands(names) + _of_a_lost_ledger(stack)
                _bill(stack)
                said += _python(DELIVER)
                token = _token()
                answers, logged = _answers(token, f"{token[:-1]}~", f"x{token}")
                said += logged
                yield Bait(stack, said, token, answers, _tables(stack))
    settings.cache_clear()


def _lost_database(stack: Stack) -> str:
    host = make_url(stack.database_url).query["host"]
    return f"postgresql://nobody:{PASSWORD}@/nowhere?host={host}"


def _of_a_lost_ledger(stack: Stack) -> str:
    """What commands say whose ledger takes no password of theirs."""
    url = (
        _lost_database(stack)
        .replace(PASSWORD, LEDGER_PASSWORD)
        .replace("postgresql:", "postgresql+psycopg2:")
    )
    command = [sys.executable, "-m", "entrypoints.cli"]
    asked = (["status"], ["verify"], ["doctor"], ["sources", "list"])
    return "".join(_said([*command, *words], CHARGEBACK_DATABASE_URL=url) for words in asked)


def _bill(stack: Stack) -> None:
    """An invoice of 1.00 that is to go out by mail and by webhook."""
    books = Books(Ledger(stack.database_url, stack.database_url), source="books")
    books.import_yaml(PAYER)
    books.use("search", "ana", "1.00").bill()
    publish_invoices.fn("2026-10")


def _token() -> str:
    """A new token of an admin."""
    with transaction() as connection:
        return tokens.create(connection, "canary", TokenRole.ADMIN, None, 30, now(), "test")[1]


def _answers(*shown: str) -> tuple[list[int], str]:
    """What the API answers to those who show these tokens, and all that is logged meanwhile, down to DEBUG."""
    logged, root = io.StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(logged), root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        with served(make_app()) as address:
            answers = [
                httpx.get(
                    f"{address}/api/chargeback/invoices",
                    headers={"Authorization": f"Bearer {token}"},
                    trust_env=False,
                    timeout=60,
                ).status_code
                for token in shown
            ]
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    return answers, logged.getvalue()


def _add_sources(url: str) -> list[str]:
    by_env = {"form": "json", "token_env": "TRACKER_TOKEN"}
    kinds = {
        "good": ("cost_tracker", {"url": f"{url}/good", **by_env}),
        "block": (
            "cost_tracker",
            {"url": f"{url}/good", "form": "json", "token_block": "tracker-token"},
        ),
        "denied": ("cost_tracker", {"url": f"{url}/denied", **by_env}),
        "moved": ("cost_tracker", {"url": f"{url}/moved", **by_env}),
        "broken": ("cost_tracker", {"url": f"{url}/broken", **by_env}),
        "missing": ("litellm_http", {"url": f"{url}/none", "token_env": "TRACKER_TOKEN"}),
        "database": ("litellm_db", {"dsn_env": "LITELLM_URL"}),
    }
    with transaction() as connection:
        for name, (kind, config) in kinds.items():
            usage_sources.put(connection, name, kind, SourceRole.ALLOCATE, config, "test")
    return list(kinds)


def _python(source: str) -> str:
    return _said([sys.executable, "-c", source])


def _commands(names: list[str]) -> str:
    command = [sys.executable, "-m", "entrypoints.cli"]
    said = [_said([*command, "sources", "check", name]) for name in names]
    return "".join([*said, _said([*command, "sources", "list", "--json"])])


def _said(command: list[str], **environment: str) -> str:
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        cwd=settings().root,
        env=os.environ | environment,
    )
    return done.stdout + done.stderr


def _tables(stack: Stack) -> dict[str, str]:
    """Every row of every table of the ledger and of Prefect, as text."""
    url = make_url(stack.database_url).set(drivername="postgresql", username="postgres")
    found = {}
    for database in ("ledger", "prefect"):
        address = url.set(database=database).render_as_string(hide_password=False)
        with closing(psycopg2.connect(address)) as connection, connection.cursor() as cursor:
            cursor.execute("""SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) FROM pg_tables
                WHERE schemaname NOT IN ('pg_catalog', 'information_schema')""")
            for (table,) in cursor.fetchall():
                cursor.execute(f"SELECT string_agg(t::text, E'\\n') FROM {table} t")
                found[f"{database}: {table}"] = (cursor.fetchone() or ("",))[0] or ""
    return found


def _with_canary(places: dict[str, str], *more: str) -> set[str]:
    canaries = (*CANARIES, *more)
    return {
        place for place, content in places.items() if any(canary in content for canary in canaries)
    }


def test_the_secrets_were_really_used(bait: Bait) -> None:
    """Else there would be nothing to find: both good sources were read, and each other was refused."""
    lines = bait.said.splitlines()
    assert sum(line.startswith(("good COMPLETED", "block COMPLETED")) for line in lines) == 2, (
        bait.said
    )
    refused = {line.split()[0] for line in lines if " FAILED " in line}
    assert refused == {"denied", "moved", "broken", "missing", "database", "delivery"}
    assert "good: it answers" in bait.said
    assert "block: it answers" in bait.said
    assert bait.answers == [200, 401, 401]


def test_mail_and_webhooks_were_really_tried(bait: Bait) -> None:
    """The mail server heard the password and said no; the program got a signed message and takes no POST."""
    assert "delivery FAILED" in bait.said
    waiting = bait.tables["ledger: public.deliveries"]
    assert "takes no mail from us (535)" in waiting
    assert "the webhook to 127.0.0.1 was answered 501" in waiting


def test_no_table_holds_one(bait: Bait) -> None:
    assert {"ledger: public.usage_sources", "prefect: public.log", "prefect: public.artifact",
            "prefect: public.flow_run", "prefect: public.block_document"} <= bait.tables.keys()  # fmt: skip
    assert all(bait.tables[f"prefect: public.{table}"] for table in ("log", "artifact", "flow_run"))
    assert "TRACKER_TOKEN" in bait.tables["ledger: public.usage_sources"]
    assert not _with_canary(bait.tables, bait.api_token, bait.api_token.split("_", 2)[2])


def test_no_file_under_the_home_holds_one(bait: Bait) -> None:
    files = {
        str(path): path.read_text("utf-8", "replace")
        for path in bait.stack.home.rglob("*")
        if path.is_file() and "postgres" not in path.relative_to(bait.stack.home).parts
    }
    assert any("logs" in name for name in files)
    assert not _with_canary(files, bait.api_token, bait.api_token.split("_", 2)[2])


def test_nothing_that_was_said_holds_one(bait: Bait) -> None:
    said = {str(number): line for number, line in enumerate(bait.said.splitlines())}
    assert "correct" in bait.said
    assert "access.refused" in bait.said
    secret = bait.api_token.split("_", 2)[2]
    assert {said[number] for number in _with_canary(said, bait.api_token, secret)} == set()
