from __future__ import annotations

import pytest
from sqlalchemy import text

from intramuros.audit.record import Audit
from intramuros.audit.verify import verify
from intramuros.storage.database import Database


@pytest.fixture
def filled(audit: Audit) -> Audit:
    for number in range(10):
        with audit.entry_sync("chat") as entry:
            entry.note(model="m", prompt_tokens=number, first_token_ms=number / 3)
    return audit


def change(database: Database, *statements: str) -> None:
    with database.write() as connection:
        for statement in statements:
            connection.execute(text(statement))


def test_untouched_records_hold(filled: Audit) -> None:
    result = filled.verify()
    assert result.ok
    assert result.records == 10
    assert len(result.head) == 64


def test_no_records_hold(audit: Audit) -> None:
    assert audit.verify().ok


@pytest.mark.parametrize(
    "assignment",
    [
        "actor = 'u-mallory'",
        "action = 'ask'",
        "outcome = 'failed'",
        "at = at + 1",
        "object = 'x'",
        "credential = 'local'",
        "id = 'other'",
        "facts = json_set(facts, '$.prompt_tokens', 99)",
        "facts = json_remove(facts, '$.model')",
        "hash = zeroblob(32)",
    ],
)
def test_a_changed_record_is_found(filled: Audit, database: Database, assignment: str) -> None:
    change(database, f"UPDATE audit SET {assignment} WHERE sequence = 4")
    result = filled.verify()
    assert not result.ok
    assert result.first_bad == 4
    assert "changed" in result.reason


def test_a_removed_record_is_found(filled: Audit, database: Database) -> None:
    change(database, "DELETE FROM audit WHERE sequence = 4")
    result = filled.verify()
    assert (result.ok, result.first_bad, result.reason) == (False, 4, "a record is missing")


def test_a_removed_record_is_found_though_the_others_moved_up(filled: Audit, database: Database) -> None:
    change(
        database,
        "DELETE FROM audit WHERE sequence = 4",
        "UPDATE audit SET sequence = -sequence WHERE sequence > 4",
        "UPDATE audit SET sequence = -sequence - 1 WHERE sequence < 0",
    )
    assert filled.verify().first_bad == 4


def test_exchanged_records_are_found(filled: Audit, database: Database) -> None:
    change(
        database,
        "UPDATE audit SET sequence = 99 WHERE sequence = 4",
        "UPDATE audit SET sequence = 4 WHERE sequence = 5",
        "UPDATE audit SET sequence = 5 WHERE sequence = 99",
    )
    assert filled.verify().first_bad == 4


@pytest.mark.parametrize("first", [1, 8, 10])
def test_records_cut_off_at_the_end_are_found(filled: Audit, database: Database, first: int) -> None:
    change(database, f"DELETE FROM audit WHERE sequence >= {first}")
    result = filled.verify()
    assert (result.ok, result.first_bad, result.reason) == (False, first, "the last records were removed")


def test_the_beginning_cut_off_is_found(filled: Audit, database: Database) -> None:
    change(database, "DELETE FROM audit WHERE sequence < 4")
    assert filled.verify().first_bad == 1


def test_a_whole_chain_made_anew_is_found(filled: Audit, database: Database, tmp_path: object) -> None:
    """Somebody with the database's key, but not the audit's, writes a chain of their own."""
    change(database, "DELETE FROM audit", "DELETE FROM facts WHERE name = 'audit_head'")
    forger = Audit(database, bytes(32))
    for _ in range(10):
        with forger.entry_sync("chat"):
            pass
    assert forger.verify().ok
    result = filled.verify()
    assert not result.ok
    assert "seal" in result.reason


def test_a_removed_seal_is_found(filled: Audit, database: Database) -> None:
    change(database, "DELETE FROM facts WHERE name = 'audit_head'")
    result = filled.verify()
    assert (result.ok, result.reason) == (False, "records were added from outside")


def test_an_old_seal_is_found(filled: Audit, database: Database) -> None:
    change(database, "UPDATE facts SET name = 'old' WHERE name = 'audit_head'")
    change(database, "DELETE FROM audit")
    with filled.entry_sync("chat"):
        pass
    change(
        database,
        "DELETE FROM facts WHERE name = 'audit_head'",
        "UPDATE facts SET name = 'audit_head' WHERE name = 'old'",
    )
    assert not filled.verify().ok


def test_another_key_can_t_tell(filled: Audit, database: Database) -> None:
    with database.read() as connection:
        assert not verify(connection, key=bytes(32)).ok
