"""How a file gets its place: under a folder for its period, named for people and by its content.

A file is safely in the store before the ledger says that it is there; a document that changed is another
file, and what was published once stays.
"""

from hashlib import sha256

from chargeback.documents.file_names import file_name, period_folder
from chargeback.documents.file_store import FileStore
from chargeback.ledger.publications import Publication
from chargeback.periods import Period


def folder_of(kind: str, period: Period) -> str:
    """The folder of the period's files of one kind."""
    return f"{kind}/{period_folder(period)}"


def put(
    store: FileStore,
    kind: str,
    subject: str,
    folder: str,
    name: tuple[str, ...],
    suffix: str,
    data: bytes,
) -> Publication:
    """Put the file into the store: what the ledger is to know of it."""
    placed = store.publish(f"{folder}/{_leaf(name, data, suffix)}", data)
    return Publication(kind, subject, placed.uri, placed.bytes, placed.sha256)


def _leaf(name: tuple[str, ...], data: bytes, suffix: str) -> str:
    """A name for people that is another one for other content."""
    stem = file_name(*name, suffix=suffix).removesuffix(f".{suffix}")
    return f"{stem}_{sha256(data).hexdigest()[:8]}.{suffix}"
