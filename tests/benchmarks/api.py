"""The HTTP API beside its floor: posts from 32 clients, a batch, and what people ask of a large ledger.

Server and clients share the machine. Clients speak HTTP over plain sockets from one process of their own, so
that what is measured is the server.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import psycopg2

from chargeback.clock import now
from chargeback.ledger import tokens
from chargeback.ledger.allocation import allocate
from chargeback.ledger.database import transaction, upgrade
from chargeback.settings import ROOT, settings
from models.enums import TokenRole
from tests.benchmarks.company import END
from tests.benchmarks.ledger import Measured, seconds_of
from tests.postgres import Server

CLIENTS = 32
ASKED = 40
PORT = 5099
API = "/api/chargeback"
GOAL_POSTS, GOAL_OF_FLOOR, GOAL_ROWS, GOAL_MS = 1_200, 0.25, 20_000, 300
# 32 clients, each with a connection of its own and one request after the other; prints the seconds they took.
POSTING = """
import json, socket, sys, threading, time
port, token, clients, each = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
def requests(client):
    for number in range(each):
        body = json.dumps({"team_id": f"team-{number % 50}", "user_id": f"user-{client}", "agent_id": "agent-1",
            "resource_type": "query", "quantity": 100.0, "cost_usd": 5.5}).encode()
        yield (f"POST /api/chargeback/usage HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\nAuthorization: Bearer {token}\\r\\n"
            f"Content-Type: application/json\\r\\nContent-Length: {len(body)}\\r\\n\\r\\n").encode() + body
def run(client):
    with socket.create_connection(("127.0.0.1", port)) as connection:
        for request in requests(client):
            connection.sendall(request)
            answer = b""
            while b"\\r\\n\\r\\n" not in answer:
                answer += connection.recv(65536)
            head, _, body = answer.partition(b"\\r\\n\\r\\n")
            assert b" 201 " in head.split(b"\\r\\n")[0], answer
            size = int(head.lower().split(b"content-length: ")[1].split(b"\\r\\n")[0])
            while len(body) < size:
                body += connection.recv(65536)
threads = [threading.Thread(target=run, args=(client,)) for client in range(clients)]
began = time.perf_counter()
for thread in threads: thread.start()
for thread in threads: thread.join()
print(time.perf_counter() - began)
"""
# The same inserts over as many connections, each committed alone.
FLOOR = """
import sys, threading, time, uuid
import psycopg2
dsn, clients, each = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
INSERT = '''INSERT INTO usage_records (usage_id, usage_at, source_id, batch_id, usage_date, charge_date, external_id,
    team_id, user_id, agent_id, resource_type, unit, quantity, cost, content_hash)
    VALUES (%s, now(), 1, 1, current_date, current_date, %s, %s, %s, 'agent-1', 'query', 'units', 100, 5.5, %s)'''
connections = [psycopg2.connect(dsn) for _ in range(clients)]
def run(client):
    connection = connections[client]
    for number in range(each):
        key = str(uuid.uuid4())
        with connection, connection.cursor() as cursor:
            cursor.execute(INSERT, (key, key, f"team-{number % 50}", f"user-{client}", key))
threads = [threading.Thread(target=run, args=(client,)) for client in range(clients)]
began = time.perf_counter()
for thread in threads: thread.start()
for thread in threads: thread.join()
print(time.perf_counter() - began)
"""


def measure(server: Server, posts: int, rows: int) -> Iterator[Measured]:
    """Posts and a batch into a fresh ledger; then what is asked of the seeded one, which the settings name."""
    seeded = settings().database_url
    fresh, floors = server.create_database(), server.create_database()
    for database in (fresh, floors):
        upgrade(server.url(database))
    os.environ["CHARGEBACK_DATABASE_URL"] = server.url(fresh, user="chargeback_app")
    settings.cache_clear()
    yield from _measure_posts(server, floors, posts)
    yield from _measure_batch(rows)
    assert seeded is not None, "the ledger was seeded before"
    os.environ["CHARGEBACK_DATABASE_URL"] = seeded
    settings.cache_clear()
    yield from _measure_questions()


@contextmanager
def _served() -> Iterator[str]:
    """The server as a process of its own, with tokens on; a token of an admin."""
    with transaction() as connection:
        name = f"bench-{time.time_ns()}"
        token = tokens.create(connection, name, TokenRole.ADMIN, None, 1, now(), "bench")[1]
    environment = {**os.environ, "CHARGEBACK_API_PORT": str(PORT)}
    child = subprocess.Popen(
        [sys.executable, "-m", "entrypoints.api.server"],
        env=environment, cwd=ROOT, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for _ in range(600):
            try:
                httpx.get(f"http://127.0.0.1:{PORT}/health", trust_env=False)
                break
            except httpx.HTTPError:
                time.sleep(0.1)
        yield token
    finally:
        child.terminate()
        child.wait()


def _seconds(script: str, *arguments: object) -> float:
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return float(done.stdout)


def _measure_posts(server: Server, floors: str, posts: int) -> Iterator[Measured]:
    each = posts // CLIENTS
    with _served() as token:
        _seconds(POSTING, PORT, token, CLIENTS, 5)
        took = _seconds(POSTING, PORT, token, CLIENTS, each)
    _prepare_floor(server, floors)
    dsn = server.url(floors).replace("+psycopg2", "")
    floor = _seconds(FLOOR, dsn, CLIENTS, each)
    rate, ratio = each * CLIENTS / took, floor / took
    yield Measured(
        f"POST /usage from {CLIENTS} clients, tokens on", took, floor,
        f"{rate:,.0f}/s, {ratio:.2f} of the floor", f">= {GOAL_POSTS:,}/s, >= {GOAL_OF_FLOOR}",
        rate >= GOAL_POSTS and ratio >= GOAL_OF_FLOOR,
    )  # fmt: skip


def _prepare_floor(server: Server, floors: str) -> None:
    connection = psycopg2.connect(server.url(floors).replace("+psycopg2", ""))
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT ensure_partition(current_date)")
        cursor.execute("INSERT INTO usage_sources (name, kind) VALUES ('api', 'api')")
    connection.close()


def _measure_batch(rows: int) -> Iterator[Measured]:
    at = f"{now():%Y-%m-%dT%H:%M:%SZ}"
    body = "".join(
        json.dumps({"usage_id": f"row-{n}", "timestamp": at, "team_id": f"team-{n % 1000}",
                    "user_id": f"user-{n % 2000}", "agent_id": f"agent-{n % 500}", "quantity": n % 1000,
                    "cost_usd": n % 97 / 64}) + "\n"
        for n in range(rows)
    ).encode()  # fmt: skip
    with _served() as token:
        took = _sent(token, body)
    yield Measured(f"POST /usage/batch of {rows:,} rows", took, None, f"{rows / took:,.0f} records/s",
                   f">= {GOAL_ROWS:,}/s", rows / took >= GOAL_ROWS)  # fmt: skip


def _sent(token: str, body: bytes) -> float:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/x-ndjson"}
    url = f"http://127.0.0.1:{PORT}{API}/usage/batch"

    def send() -> None:
        answer = httpx.post(url, content=body, headers=headers, trust_env=False, timeout=600)
        answer.raise_for_status()

    return seconds_of(send)


def _measure_questions() -> Iterator[Measured]:
    allocate(END)
    month = "period_start=2026-10-01&period_end=2026-10-31T23:59:59Z"
    part_days = "period_start=2026-10-02T06:00:00Z&period_end=2026-10-30T18:00:00Z"
    with _served() as token:
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(
            base_url=f"http://127.0.0.1:{PORT}{API}", headers=headers, trust_env=False, timeout=600
        ) as client:
            for name, path in (
                ("summary of a team", f"/usage/summary?{month}&team_id=team-{{n:05d}}"),
                ("summary with part-days", f"/usage/summary?{part_days}&team_id=team-{{n:05d}}"),
                ("team report", f"/reports/team/team-{{n:05d}}?{month}"),
            ):
                took = [_asked(client, path.format(n=100 + n)) for n in range(ASKED)]
                p95 = statistics.quantiles(took, n=20)[-1] * 1000
                yield Measured(f"{name}, p95 of {ASKED}", sum(took) / ASKED, None, f"{p95:,.0f} ms",
                               f"<= {GOAL_MS} ms", p95 <= GOAL_MS)  # fmt: skip


def _asked(client: httpx.Client, path: str) -> float:
    def ask() -> None:
        client.get(path).raise_for_status()

    return seconds_of(ask)
