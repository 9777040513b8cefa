"""Checkpoints go to a second place; one that can't be written is reported, and refuses requests where it is required."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from intramuros.audit.ledger import Pace
from intramuros.audit.places import Folder, Place, Syslog
from intramuros.audit.record import Audit
from intramuros.audit.statement import of_line
from intramuros.errors import AuditUnavailable
from intramuros.storage.database import Database

EVERY = Pace(records=1, seconds=10**6)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The other volume."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return folder


@pytest.fixture
def place(folder: Path) -> Folder:
    return Folder(folder / "audit.jsonl")


def audit_with(database: Database, key: bytes, place: Place, *, required: bool = False, retry_s: float = 0.0) -> Audit:
    audit = Audit(database, key, pace=EVERY, copy=place, copy_required=required)
    assert audit._copying is not None
    audit._copying._retry_s = retry_s
    return audit


def fill(audit: Audit, count: int) -> None:
    for _ in range(count):
        with audit.entry_sync("chat"):
            pass


def copied(place: Folder) -> list[int]:
    return [of_line(line).sequence for line in place.lines()]


def test_checkpoints_are_copied(database: Database, audit_key: bytes, place: Folder) -> None:
    audit = audit_with(database, audit_key, place)
    fill(audit, 5)
    audit.stop()
    assert copied(place)[-1] == 5
    assert copied(place) == sorted(copied(place))
    assert place.path.stat().st_mode & 0o777 == 0o600
    state, result = audit.copy_state(), audit.verify()
    assert state is not None
    assert (state.ok, state.sequence) == (True, 5)
    assert result.ok
    assert result.copied == len(copied(place))


def test_a_second_process_goes_on_in_the_same_file(database: Database, audit_key: bytes, place: Folder) -> None:
    for number in range(1, 4):
        audit = audit_with(database, audit_key, place)
        fill(audit, 1)
        audit.stop()
        assert copied(place)[-1] == number
    assert audit.verify().ok


def test_what_was_not_copied_is_copied_at_the_next_start(database: Database, audit_key: bytes, place: Folder) -> None:
    fill(Audit(database, audit_key, pace=EVERY), 3)
    audit = audit_with(database, audit_key, place)
    audit.start()
    audit.stop()
    assert copied(place) == [3]


def test_an_older_database_put_back_is_seen_at_the_start(
    database: Database, database_key: bytes, audit_key: bytes, place: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    audit = audit_with(database, audit_key, place)
    fill(audit, 3)
    audit.stop()
    database.checkpoint()
    older = database.path.with_name("older.db")
    shutil.copy(database.path, older)
    fill(audit, 2)
    audit.stop()

    put_back = audit_with(Database(older, database_key), audit_key, place)
    with caplog.at_level(logging.ERROR):
        put_back.start()
    assert "older database" in caplog.text
    state = put_back.copy_state()
    assert state is not None
    assert not state.ok
    before = place.path.read_bytes()
    fill(put_back, 4)
    put_back.stop()
    assert place.path.read_bytes() == before, "nothing is appended to what contradicts it"
    result = put_back.verify()
    assert not result.ok
    assert "second place" in result.reason
    refusing = audit_with(Database(older, database_key), audit_key, place, required=True)
    with pytest.raises(AuditUnavailable, match="second place"):
        fill(refusing, 1)
    for one in (put_back, refusing):
        one._database.close()


def test_a_cut_off_end_is_seen_by_the_copy_alone(database: Database, audit_key: bytes, place: Folder) -> None:
    """Somebody who has the audit's key takes the last records, the seal and the checkpoints back."""
    from intramuros.audit.chain import HEAD_FACT, Head, sealed
    from intramuros.storage import facts

    audit = audit_with(database, audit_key, place)
    fill(audit, 5)
    audit.stop()
    with database.write() as connection:
        connection.execute(text("DELETE FROM audit WHERE sequence > 3"))
        connection.execute(text("DELETE FROM audit_signed WHERE sequence > 3"))
        last = connection.scalar(text("SELECT hash FROM audit WHERE sequence = 3"))
        facts.put(connection, HEAD_FACT, sealed(Head(3, last), audit_key))
    assert Audit(database, audit_key).verify().ok
    result = audit.verify()
    assert (result.ok, result.first_bad) == (False, 4)


def test_a_changed_copy_is_found(database: Database, audit_key: bytes, place: Folder) -> None:
    audit = audit_with(database, audit_key, place)
    fill(audit, 2)
    audit.stop()
    line = json.loads(place.path.read_text().splitlines()[-1])
    line["statement"] = line["statement"].replace('"sequence":2', '"sequence":1')
    place.path.write_text(json.dumps(line) + "\n")
    assert "second place was changed" in audit.verify().reason
    state = audit.copy_state(anew=True)
    assert state is not None
    assert "another key" in state.reason


def test_a_copy_that_is_gone_is_not_begun_anew_by_itself(database: Database, audit_key: bytes, place: Folder) -> None:
    audit = audit_with(database, audit_key, place)
    fill(audit, 2)
    audit.stop()
    place.path.unlink()
    audit = audit_with(database, audit_key, place)
    fill(audit, 1)
    audit.stop()
    state = audit.copy_state()
    assert state is not None
    assert "is gone" in state.reason
    assert not place.is_there
    place.path.touch()
    fill(audit, 1)
    audit.stop()
    assert copied(place) == [4]


def test_a_line_cut_by_a_full_disk_does_not_spoil_the_next(database: Database, audit_key: bytes, place: Folder) -> None:
    audit = audit_with(database, audit_key, place)
    fill(audit, 1)
    audit.stop()
    with place.path.open("a") as file:
        file.write('{"statement": "{')
    audit = audit_with(database, audit_key, place)
    fill(audit, 1)
    audit.stop()
    result = audit.verify()
    assert (result.ok, result.unread) == (True, 1)
    assert of_line(place.last() or "").sequence == 2


def test_a_place_that_is_missing_is_reported_once_and_not_made(
    database: Database, audit_key: bytes, place: Folder, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder.rmdir()
    audit = audit_with(database, audit_key, place, retry_s=0.001)
    with caplog.at_level(logging.ERROR):
        fill(audit, 3)
        audit.stop()
    assert len([r for r in caplog.records if "second place" in r.message]) == 1
    assert not folder.exists()
    state = audit.copy_state()
    assert state is not None
    assert not state.ok


def test_a_place_that_comes_back_gets_the_newest_checkpoint(
    database: Database, audit_key: bytes, place: Folder, folder: Path
) -> None:
    folder.rmdir()
    audit = audit_with(database, audit_key, place, retry_s=10**6)
    fill(audit, 3)
    folder.mkdir()
    audit.stop()
    assert copied(place)[-1] == 3


async def test_where_it_is_required_nothing_begins_without_it(
    database: Database, audit_key: bytes, place: Folder, folder: Path
) -> None:
    folder.rmdir()
    audit = audit_with(database, audit_key, place, required=True)
    ran = False
    with pytest.raises(AuditUnavailable, match="second place") as caught:
        async with audit.entry("chat"):
            ran = True
    with pytest.raises(AuditUnavailable, match="second place"), audit.entry_sync("chat"):
        ran = True
    assert not ran
    assert caught.value.details["cause"] == "audit_copy"
    folder.mkdir()
    async with audit.entry("chat"):
        ran = True
    assert ran
    audit.stop()
    assert copied(place)[-1] == 1


async def test_what_began_is_closed_though_the_place_failed_meanwhile(
    database: Database, audit_key: bytes, place: Folder, folder: Path
) -> None:
    audit = audit_with(database, audit_key, place, required=True)
    async with audit.entry("chat"):
        folder.rmdir()
        with pytest.raises(AuditUnavailable):
            assert audit.copy_state(anew=True)
            async with audit.entry("ask"):
                pass
    audit.flush()
    with database.read() as connection:
        assert connection.scalars(text("SELECT action FROM audit")).all() == ["chat"]
    audit.stop()


class Slow(Folder):
    """A place that does not answer."""

    gate = threading.Event()

    def append(self, line: str) -> None:
        self.gate.wait()
        super().append(line)


async def test_a_place_that_hangs_makes_no_request_wait_and_is_reported(
    database: Database, audit_key: bytes, place: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Slow(place.path)
    audit = audit_with(database, audit_key, slow)
    audit.start()
    async with asyncio.timeout(10):
        for _ in range(20):
            async with audit.entry("chat"):
                pass
            audit.flush()
    monkeypatch.setattr("intramuros.audit.copying.LAG_S", 0.0)
    state = audit.copy_state()
    assert state is not None
    assert (state.ok, state.reason) == (False, "it does not answer")
    slow.gate.set()
    audit.stop()
    assert len(copied(place)) <= 2, "only the newest waits"
    assert copied(place)[-1] == 20


def test_the_copy_is_never_ahead_of_what_survives_a_power_cut(
    database: Database, audit_key: bytes, place: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        order.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        fsync(descriptor)

    monkeypatch.setattr("intramuros.storage.durability.os.fsync", noted)
    audit = audit_with(database, audit_key, place)
    fill(audit, 1)
    audit.stop()
    assert order == ["intramuros.db-wal", "audit.jsonl"]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[tuple[Syslog, socket.socket]]:
    """A log's socket, and who listens there."""
    path = tmp_path / "log"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(path))
        listening.settimeout(10)
        yield Syslog(str(path)), listening


def test_syslog_gets_checkpoints_and_verify_takes_them_back(
    database: Database, audit_key: bytes, log: tuple[Syslog, socket.socket]
) -> None:
    syslog, listening = log
    audit = audit_with(database, audit_key, syslog, required=True)
    fill(audit, 1)
    audit.stop()
    message = listening.recv(65536).decode()
    assert message.startswith("<109>intramuros-audit: {")
    assert "\n" not in message
    assert audit.verify(copies=[message]).copied == 1
    with database.write() as connection:
        connection.execute(text("UPDATE audit SET hash = zeroblob(32)"))
    assert not audit.verify(copies=[message]).ok


def test_a_log_nobody_listens_to_is_reported(database: Database, audit_key: bytes, tmp_path: Path) -> None:
    audit = audit_with(database, audit_key, Syslog(str(tmp_path / "none")), required=True)
    with pytest.raises(AuditUnavailable):
        fill(audit, 1)
