"""Erased means erased: looked for in the decrypted pages of the database and of its write-ahead log."""

from __future__ import annotations

import pytest

from intramuros.storage import facts, fulltext
from intramuros.storage.database import Database
from tests.support import plain

ROW, TERM = b"zebulonette", b"quatorzaine"


def fill(database: Database) -> None:
    """Words that stand among others, in rows and in the index, as in a real collection."""
    with database.write() as connection:
        for number in range(300):
            name = ROW.decode() if number == 100 else f"word {number}"
            facts.put(connection, f"fact {number}", f"Something about {name} and more. " * 3)
            term = TERM.decode() if number == 100 else f"mot{number}"
            fulltext.add(connection, [(number, "titre", "partie", f"commun {term} encore", "project")])


def erase(database: Database, *, chunk_ids: range) -> None:
    with database.write() as connection:
        facts.remove(connection, "fact 100")
        fulltext.remove(connection, chunk_ids)


@pytest.mark.parametrize("removed", [range(100, 101), range(50, 250)], ids=["wiped", "rewritten"])
def test_erased_words_are_nowhere_in_the_files(database: Database, database_key: bytes, removed: range) -> None:
    fill(database)
    assert ROW in plain.log(database.path, database_key)
    assert database.checkpoint()
    before = plain.pages(database.path, database_key)
    assert ROW in before
    assert TERM in before

    erase(database, chunk_ids=removed)
    assert database.checkpoint()

    after = plain.pages(database.path, database_key) + plain.log(database.path, database_key)
    assert ROW not in after
    assert TERM not in after
    assert TERM[:6] not in after
    assert b"mot42" in after


def test_before_the_checkpoint_they_are_still_in_the_main_file(database: Database, database_key: bytes) -> None:
    """Why erasing ends with a checkpoint."""
    fill(database)
    database.checkpoint()
    erase(database, chunk_ids=range(100, 101))
    assert ROW in plain.pages(database.path, database_key)
