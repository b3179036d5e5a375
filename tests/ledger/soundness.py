"""What every story ends with: the ledger's own proof that nothing is broken."""

from chargeback.ledger.database import snapshot
from chargeback.ledger.verify import verify


def assert_sound() -> None:
    """`verify` finds nothing broken."""
    with snapshot() as connection:
        broken = verify(connection)
    assert not broken, broken
