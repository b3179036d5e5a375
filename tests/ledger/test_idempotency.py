"""A request sent again under its key: one effect, one answer, whatever happens between."""

import contextlib
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import Connection, text

from chargeback.errors import Refused
from chargeback.ledger import idempotency
from chargeback.ledger.database import transaction
from chargeback.ledger.idempotency import KeptAnswer
from tests.conftest import Ledger

HASH, OTHER_HASH = b"h" * 32, b"o" * 32
ANSWER = KeptAnswer(201, '{"n":1.10}')


def test_the_answer_is_kept_for_the_key_to_the_last_character(connection: Connection) -> None:
    assert idempotency.begin(connection, "ci", "k", HASH) is None
    idempotency.finish(connection, "ci", "k", ANSWER)
    assert idempotency.begin(connection, "ci", "k", HASH) == ANSWER


def test_a_key_belongs_to_its_caller(connection: Connection) -> None:
    idempotency.begin(connection, "ci", "k", HASH)
    assert idempotency.begin(connection, "cd", "k", OTHER_HASH) is None


def test_a_key_that_came_with_another_request_is_refused(connection: Connection) -> None:
    idempotency.begin(connection, "ci", "k", HASH)
    with pytest.raises(Refused, match="'k' came with another request before"):
        idempotency.begin(connection, "ci", "k", OTHER_HASH)


def test_a_request_that_failed_leaves_its_key_free(ledger: Ledger) -> None:
    with contextlib.suppress(Refused), transaction() as connection:
        idempotency.begin(connection, "ci", "k", HASH)
        raise Refused("no", "no")
    with transaction() as connection:
        assert idempotency.begin(connection, "ci", "k", OTHER_HASH) is None


def test_eight_at_once_have_one_effect_and_hear_one_answer(ledger: Ledger) -> None:
    start = Barrier(8)

    def send(number: int) -> KeptAnswer:
        start.wait()
        with transaction() as connection:
            kept = idempotency.begin(connection, "ci", "k", HASH)
            if kept is not None:
                return kept
            connection.execute(
                text("INSERT INTO teams (team_id, name) VALUES (:id, 'x')"), {"id": f"t{number}"}
            )
            connection.execute(text("SELECT pg_sleep(0.1)"))
            answer = KeptAnswer(201, str(number))
            idempotency.finish(connection, "ci", "k", answer)
            return answer

    with ThreadPoolExecutor(8) as pool:
        answers = set(pool.map(send, range(8)))
    assert len(answers) == 1
    with transaction() as connection:
        made = connection.execute(text("SELECT team_id FROM teams")).scalars().all()
        assert made == [f"t{answers.pop().content}"]


def test_keys_are_kept_for_thirty_days(ledger: Ledger) -> None:
    with transaction() as connection:
        for key, days in (("young", 29), ("old", 31)):
            connection.execute(
                text("""INSERT INTO idempotency_keys (caller, key, request_hash, status, content, created_at)
                        VALUES ('ci', :key, :hash, 200, '{}', now() - make_interval(days => :days))"""),
                {"key": key, "hash": HASH, "days": days},
            )
    with transaction() as connection:
        idempotency.begin(connection, "ci", "new", HASH)
        kept = connection.execute(text("SELECT key FROM idempotency_keys ORDER BY key")).scalars()
        assert list(kept) == ["new", "young"]
