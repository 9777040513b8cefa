"""The head of the chain is signed: every so many records, after a while, at the start and at the end."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, text

from intramuros.audit.ledger import Pace
from intramuros.audit.record import Audit
from intramuros.audit.statement import CHECKPOINT, KEY_FACT, Statement, kept
from intramuros.security import signing
from intramuros.storage import facts
from intramuros.storage.database import Database

RARELY = Pace(records=10**6, seconds=10**6)


def fill(audit: Audit, count: int) -> None:
    for number in range(count):
        with audit.entry_sync("chat") as entry:
            entry.note(model="m", prompt_tokens=number)


def checkpoints(database: Database) -> list[Statement]:
    with database.read() as connection:
        return kept(connection, CHECKPOINT)


def change(database: Database, *statements: str) -> None:
    with database.write() as connection:
        for statement in statements:
            connection.execute(text(statement))


def again(database: Database, audit_key: bytes) -> Audit:
    return Audit(database, audit_key, pace=RARELY)


@pytest.fixture
def signed(database: Database, audit_key: bytes) -> Audit:
    """Ten records; the third, sixth and ninth are signed, and the last because it stopped."""
    audit = Audit(database, audit_key, pace=Pace(records=3, seconds=10**6), instance="here")
    fill(audit, 10)
    audit.stop()
    return audit


def test_the_head_is_signed_every_so_many_records_and_at_the_end(signed: Audit, database: Database) -> None:
    statements = checkpoints(database)
    assert [s.sequence for s in statements] == [3, 6, 9, 10]
    with database.read() as connection:
        hashes = {row.sequence: row.hash for row in connection.execute(text("SELECT sequence, hash FROM audit"))}
    assert all(s.hash == hashes[s.sequence] for s in statements)
    assert all(s.is_by(signed.public_key()) for s in statements)
    assert statements[0].said["instance"] == "here"
    assert statements[0].said["key"] == signing.fingerprint(signed.public_key())
    result = signed.verify()
    assert (result.ok, result.records, result.checkpoints) == (True, 10, 4)


async def test_the_head_is_signed_after_a_while(database: Database, audit_key: bytes) -> None:
    audit = Audit(database, audit_key, pace=Pace(records=10**6, seconds=0.05))
    async with audit.entry("chat"):
        pass
    assert checkpoints(database) == []
    async with asyncio.timeout(10):
        while not checkpoints(database) or audit._ledger.checkpoint_due_s is not None:
            await asyncio.sleep(0.01)
    audit.stop()
    assert [s.sequence for s in checkpoints(database)] == [1]


def test_a_command_that_only_reads_signs_nothing(signed: Audit, database: Database, audit_key: bytes) -> None:
    reader = again(database, audit_key)
    assert reader.verify().ok
    change(database, "DELETE FROM audit_signed WHERE sequence = 10")
    reader.stop()
    assert len(checkpoints(database)) == 3


def test_what_a_killed_process_had_not_signed_is_signed_at_the_next_start(database: Database, audit_key: bytes) -> None:
    fill(Audit(database, audit_key, pace=RARELY), 5)
    assert checkpoints(database) == []
    audit = again(database, audit_key)
    audit.start()
    assert [s.sequence for s in checkpoints(database)] == [5]
    audit.stop()


def test_the_private_key_is_sealed(signed: Audit, database: Database, audit_key: bytes) -> None:
    with database.read() as connection:
        stored = facts.get(connection, KEY_FACT)
    assert signing.to_pem(signed.public_key()).encode() not in stored.encode()
    assert "signing key" in Audit(database, bytes(32)).verify().reason


def test_the_key_is_made_once(database: Database, audit_key: bytes) -> None:
    first = again(database, audit_key).public_key()
    audit = again(database, audit_key)
    fill(audit, 1)
    audit.stop()
    assert audit.public_key() == first
    assert checkpoints(database)[0].is_by(first)


def test_a_key_made_in_a_transaction_that_failed_is_not_used(
    database: Database, audit_key: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit = Audit(database, audit_key, pace=Pace(records=1, seconds=10**6))
    write = database.write

    @contextmanager
    def failing(*, wait_s: float) -> Iterator[Connection]:
        with write(wait_s=wait_s) as connection:
            yield connection
            if facts.get(connection, KEY_FACT):
                raise OSError("no")

    monkeypatch.setattr(database, "write", failing)
    with pytest.raises(Exception, match="audit"):
        fill(audit, 1)
    monkeypatch.undo()
    fill(audit, 2)
    audit.stop()
    assert audit.verify().ok


# Attacks


def rewritten(database: Database, key: bytes, sequence: int) -> None:
    """Somebody with every key of the database, but not patience, changes a record and all hashes and the seal."""
    from sqlalchemy import select, update

    from intramuros.audit.chain import HEAD_FACT, Head, link, sealed
    from intramuros.audit.verify import record_of
    from intramuros.storage.schema import audit as table

    with database.write() as connection:
        connection.execute(update(table).where(table.c.sequence == sequence).values(actor="u-mallory"))
        head = Head()
        for row in connection.execute(select(table).order_by(table.c.sequence)).all():
            head = link(head, record_of(row))
            connection.execute(update(table).where(table.c.sequence == row.sequence).values(hash=head.hash))
        facts.put(connection, HEAD_FACT, sealed(head, key))


def test_a_chain_computed_anew_is_found_with_the_first_checkpoint_after_it(
    signed: Audit, database: Database, audit_key: bytes
) -> None:
    rewritten(database, audit_key, 4)
    result = signed.verify()
    assert (result.ok, result.first_bad) == (False, 6)
    assert "rewritten" in result.reason


def test_without_checkpoints_it_would_not_be_found(signed: Audit, database: Database, audit_key: bytes) -> None:
    """That is what the known limit was, and why a second place is worth having."""
    rewritten(database, audit_key, 4)
    change(database, "DELETE FROM audit_signed")
    assert signed.verify().ok


def test_a_cut_off_end_is_found_even_if_the_seal_fits(signed: Audit, database: Database, audit_key: bytes) -> None:
    from intramuros.audit.chain import HEAD_FACT, Head, sealed

    change(database, "DELETE FROM audit WHERE sequence > 7")
    with database.write() as connection:
        last = connection.scalar(text("SELECT hash FROM audit WHERE sequence = 7"))
        facts.put(connection, HEAD_FACT, sealed(Head(7, last), audit_key))
    result = signed.verify()
    assert (result.ok, result.first_bad) == (False, 8)
    assert "record 10" in result.reason


@pytest.mark.parametrize(
    "assignment",
    [
        "signature = zeroblob(64)",
        "statement = json_set(statement, '$.sequence', 7)",
        "statement = json_set(statement, '$.at', 1)",
        "statement = '{}'",
        "statement = 'x'",
        "sequence = 7",
        "kind = 'segment'",
    ],
)
def test_a_changed_checkpoint_is_found(signed: Audit, database: Database, assignment: str) -> None:
    change(database, f"UPDATE audit_signed SET {assignment} WHERE sequence = 6")
    assert not signed.verify().ok


def test_another_signing_key_is_found(signed: Audit, database: Database, audit_key: bytes) -> None:
    expected = signed.public_key()
    change(database, f"DELETE FROM facts WHERE name = '{KEY_FACT}'")
    forger = again(database, audit_key)
    fill(forger, 1)
    forger.stop()
    assert "another key" in signed.verify().reason
    change(database, "DELETE FROM audit_signed WHERE sequence < 11")
    assert signed.verify().ok
    result = signed.verify(public=expected)
    assert "another key" in result.reason


def test_a_key_made_anew_is_found_though_it_signed_nothing(signed: Audit, database: Database) -> None:
    expected = signed.public_key()
    change(database, "DELETE FROM audit_signed", f"DELETE FROM facts WHERE name = '{KEY_FACT}'")
    assert signed.public_key() != expected
    assert signed.verify().ok
    assert "another key" in signed.verify(public=expected).reason


def test_checkpoints_of_nobody_are_found(database: Database, audit_key: bytes) -> None:
    """A database that never signed: even the weakest public key must not vouch."""
    audit = again(database, audit_key)
    fill(audit, 1)
    with database.write() as connection:
        connection.execute(
            text("INSERT INTO audit_signed VALUES ('checkpoint', 1, :said, zeroblob(64))"),
            {"said": f'{{"kind":"checkpoint","version":1,"sequence":1,"hash":"{bytes(32).hex()}"}}'},
        )
    assert "another key" in audit.verify().reason


def test_a_record_that_is_no_json_any_more_is_found(signed: Audit, database: Database) -> None:
    change(database, "UPDATE audit SET facts = 'x' WHERE sequence = 4")
    result = signed.verify()
    assert (result.ok, result.first_bad) == (False, 4)


def test_an_older_database_put_back_is_seen_with_a_noted_checkpoint(
    database: Database, database_key: bytes, audit_key: bytes, tmp_path: object
) -> None:
    audit = again(database, audit_key)
    fill(audit, 3)
    audit.stop()
    database.checkpoint()
    older = database.path.with_name("older.db")
    shutil.copy(database.path, older)
    fill(audit, 2)
    audit.stop()
    noted = checkpoints(database)[-1].line()
    put_back = Audit(Database(older, database_key), audit_key)
    assert put_back.verify().ok, "by itself it is whole"
    result = put_back.verify(copies=["", f"Nov 23 host intramuros-audit: {noted}", "cut off {"])
    assert (result.ok, result.first_bad) == (False, 4)
    assert "older database" in result.reason
    whole = audit.verify(copies=[noted, "cut off {"])
    assert (whole.ok, whole.copied, whole.unread) == (True, 1, 1)
    put_back._database.close()
