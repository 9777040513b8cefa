"""Old records go in segments that end at a checkpoint; what is left still verifies, here and in an export."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from sqlalchemy import text

from intramuros.audit import retention, statement
from intramuros.audit.export import verify_export
from intramuros.audit.ledger import Pace
from intramuros.audit.places import Folder
from intramuros.audit.record import Audit
from intramuros.audit.statement import CHECKPOINT, SEGMENT, kept
from intramuros.errors import StorageCorrupt
from intramuros.storage.database import Database

YEAR_S = 365 * 86_400


def fill(audit: Audit, count: int) -> None:
    for number in range(count):
        with audit.entry_sync("chat") as entry:
            entry.note(model="oldmodel", prompt_tokens=number)


@pytest.fixture
def place(tmp_path: Path) -> Folder:
    (tmp_path / "elsewhere").mkdir()
    return Folder(tmp_path / "elsewhere" / "audit.jsonl")


@pytest.fixture
def aged(database: Database, audit_key: bytes, place: Folder, monkeypatch: pytest.MonkeyPatch) -> Audit:
    """Ten records two years old, signed each third and at the end, then five new ones."""
    audit = Audit(database, audit_key, pace=Pace(records=3, seconds=10**6), copy=place)
    real = time.time
    for module in ("intramuros.audit.entry.now", "intramuros.audit.statement.now"):
        monkeypatch.setattr(module, lambda: real() - 2 * YEAR_S)
    fill(audit, 10)
    audit.stop()
    monkeypatch.undo()
    fill(audit, 5)
    audit.stop()
    return audit


def sequences(database: Database) -> list[int]:
    with database.read() as connection:
        return list(connection.scalars(text("SELECT sequence FROM audit ORDER BY sequence")))


def change(database: Database, *statements: str) -> None:
    with database.write() as connection:
        for one in statements:
            connection.execute(text(one))


def purge(audit: Audit) -> retention.Purged:
    return audit.purge(before=time.time() - YEAR_S)


def test_old_records_go_and_the_rest_holds(aged: Audit, database: Database) -> None:
    before = aged.verify().head
    assert purge(aged) == retention.Purged(records=10, segments=1, last=10)
    assert sequences(database) == [11, 12, 13, 14, 15]
    result = aged.verify()
    assert (result.ok, result.first, result.records, result.head) == (True, 11, 5, before)
    with database.read() as connection:
        said = kept(connection, SEGMENT)[0].said
        assert kept(connection, CHECKPOINT)[0].sequence == 10
    assert (said["first"], said["sequence"], said["records"], said["outcomes"]) == (1, 10, 10, {"ok": 10})
    assert purge(aged) == retention.Purged()


def test_records_go_on_after_it(aged: Audit, database: Database) -> None:
    purge(aged)
    fill(aged, 3)
    aged.stop()
    assert sequences(database)[-1] == 18
    assert aged.verify().ok


def test_nothing_of_them_is_left_in_the_files(aged: Audit, database: Database) -> None:
    purge(aged)
    assert database.path.with_name("intramuros.db-wal").stat().st_size == 0


def test_many_records_go_in_several_segments(aged: Audit, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "SEGMENT_RECORDS", 4)
    assert purge(aged).segments == 3
    assert sequences(database)[0] == 11
    assert aged.verify().ok
    assert verify_export(list(aged.export()), aged.public_key()).ok


def test_the_last_record_stays_for_the_next_hangs_on_it(aged: Audit, database: Database) -> None:
    assert aged.purge(before=time.time() + YEAR_S).last < 15
    assert sequences(database)[-1] == 15
    fill(aged, 1)
    assert aged.verify().ok


def test_an_export_of_what_is_left_verifies(aged: Audit) -> None:
    purge(aged)
    lines = list(aged.export())
    result = verify_export(lines, aged.public_key())
    assert (result.ok, result.first, result.records) == (True, 11, 5)
    assert not verify_export([lines[0], *lines[2:]], aged.public_key()).ok, "without the summary"


def test_two_purges_at_once_leave_one_chain_of_summaries(aged: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one looked before the first one had written."""
    summary = retention._summary
    is_first = True

    def slow(*arguments: object) -> statement.Statement:
        nonlocal is_first
        found = summary(*arguments)  # type: ignore[arg-type]
        if is_first:
            is_first = False
            monkeypatch.setattr(retention, "SEGMENT_RECORDS", 4)
            purge(aged)
        return found

    monkeypatch.setattr(retention, "_summary", slow)
    purge(aged)
    assert aged.verify().ok


# Attacks


@pytest.mark.parametrize("assignment", ["actor = 'u-mallory'", "hash = zeroblob(32)"])
def test_what_was_tampered_with_is_not_removed(aged: Audit, database: Database, assignment: str) -> None:
    """Or a purge would wash it clean."""
    change(database, f"UPDATE audit SET {assignment} WHERE sequence = 4")
    with pytest.raises(StorageCorrupt, match="does not hold"):
        purge(aged)
    assert len(sequences(database)) == 15


def test_a_hole_is_not_removed(aged: Audit, database: Database) -> None:
    change(database, "DELETE FROM audit WHERE sequence = 10")
    with pytest.raises(StorageCorrupt, match="missing"):
        purge(aged)


@pytest.mark.parametrize(
    "attack",
    [
        "DELETE FROM audit WHERE sequence = 11",
        "DELETE FROM audit_signed WHERE kind = 'segment'",
        "UPDATE audit_signed SET signature = zeroblob(64) WHERE kind = 'segment'",
        "UPDATE audit_signed SET statement = json_set(statement, '$.records', 9) WHERE kind = 'segment'",
        "UPDATE audit_signed SET sequence = 9 WHERE kind = 'segment'",
        "UPDATE audit_signed SET statement = 'x' WHERE kind = 'segment'",
    ],
)
def test_removing_by_hand_is_found(aged: Audit, database: Database, attack: str) -> None:
    purge(aged)
    change(database, attack)
    assert not aged.verify().ok


def test_one_of_several_summaries_removed_is_found(
    aged: Audit, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "SEGMENT_RECORDS", 4)
    purge(aged)
    change(database, "DELETE FROM audit_signed WHERE kind = 'segment' AND sequence = 6")
    assert "summary" in aged.verify().reason


def test_an_earlier_segment_s_summary_is_not_enough_for_later_records(aged: Audit, database: Database) -> None:
    purge(aged)
    change(database, "DELETE FROM audit WHERE sequence <= 12")
    result = aged.verify()
    assert (result.ok, result.first_bad) == (False, 11)
