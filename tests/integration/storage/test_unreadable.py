"""Nothing of what is stored can be read on the disk without the key."""

from __future__ import annotations

import io
import secrets

from sqlalchemy import insert

from intramuros.audit.record import Audit
from intramuros.storage import facts, fulltext
from intramuros.storage.blobs import Blobs
from intramuros.storage.database import Database
from intramuros.storage.schema import users

WORDS = ("zebulonette", "quatorzaine", "alice@firm.example", "facts", "passages", "CREATE TABLE", "SQLite format")


def test_no_word_is_readable_in_any_file(database: Database, blobs: Blobs) -> None:
    with database.write() as connection:
        for number in range(500):
            facts.put(connection, f"fact {number}", "zebulonette " * 20)
            fulltext.add(connection, [(number, "titre", "", "quatorzaine " * 20, "project")])
        connection.execute(
            insert(users).values(
                id="a", email="alice@firm.example", name="Alice", role="member", language="fr", created_at=0.0
            )
        )
        blobs.put(bytes(32), io.BytesIO(b"zebulonette quatorzaine " * 10_000))
    with Audit(database, secrets.token_bytes(32)).entry_sync("quatorzaine"):
        files = {path: path.read_bytes() for path in database.path.parent.rglob("*") if path.is_file()}
    files = {path: content for path, content in files.items() if path.suffix != ".reserve"}
    suffixes = {path.name.rpartition(".")[2] for path in files}
    assert {"db", "db-wal", "db-shm", "journal"} <= suffixes
    assert sum(map(len, files.values())) > 500_000
    for path, content in files.items():
        for word in WORDS:
            assert word.encode() not in content, (path.name, word)
            assert word.encode("utf-16-le") not in content, (path.name, word)
            assert word not in path.name
