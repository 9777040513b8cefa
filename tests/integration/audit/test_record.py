from __future__ import annotations

import asyncio
import logging
import os
import resource
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, select, text

from intramuros.accounts.caller import Caller
from intramuros.audit import journal as journal_module
from intramuros.audit.entry import Entry
from intramuros.audit.journal import Journal, left_by
from intramuros.audit.record import Audit
from intramuros.errors import AuditUnavailable, NotAllowed
from intramuros.storage.database import Database, open_database
from intramuros.storage.liveness import Holder
from intramuros.storage.schema import audit as audit_table
from tests.support.forked import Child, Say

ALICE = Caller("u-alice", "Alice", "member", "session")


def records(audit: Audit) -> list[tuple[str, str]]:
    audit.flush()
    with audit._database.read() as connection:
        statement = select(audit_table.c.action, audit_table.c.outcome).order_by(audit_table.c.sequence)
        return [(row.action, row.outcome) for row in connection.execute(statement)]


def open_entries(audit: Audit) -> int:
    """How many openings stand in this audit's journal without a record, as another process would read them."""
    ledger = audit._ledger
    left = left_by(ledger._alive().name, folder=ledger._journals, key=ledger._journal_key)
    with audit._database.read() as connection:
        chained = set(connection.scalars(select(audit_table.c.id)))
    unfinished = (r for r in left.records if r.outcome == "interrupted" and "duration_ms" not in r.facts)
    return sum(record.id not in chained for record in unfinished)


async def test_a_request_leaves_one_record(audit: Audit, database: Database) -> None:
    async with audit.entry("chat", by=ALICE, object="m-1", via="web") as entry:
        entry.note(model="smollm2", prompt_tokens=7)
    audit.flush()
    with database.read() as connection:
        row = connection.execute(select(audit_table)).one()
    assert (row.sequence, row.action, row.object, row.outcome) == (1, "chat", "m-1", "ok")
    assert (row.actor, row.credential) == ("u-alice", "session")
    assert row.facts.pop("duration_ms") >= 0
    assert row.facts == {"via": "web", "model": "smollm2", "prompt_tokens": 7}
    assert open_entries(audit) == 0


async def test_the_entry_is_on_the_disk_before_the_body_runs(
    audit: Audit, database: Database, database_key: bytes
) -> None:
    async with audit.entry("chat", by=ALICE):
        assert open_entries(audit) == 1
        other = Audit(open_database(database.path, database_key), audit._key)
        assert records(other) == []
        other._database.close()


async def test_an_error_is_recorded_and_goes_on(audit: Audit, database: Database) -> None:
    with pytest.raises(NotAllowed):
        async with audit.entry("chat", by=ALICE):
            raise NotAllowed
    with pytest.raises(ZeroDivisionError):
        async with audit.entry("ask", by=ALICE):
            _ = 1 / 0
    assert records(audit) == [("chat", "refused"), ("ask", "failed")]


async def test_without_a_caller_there_is_a_record_too(audit: Audit, database: Database) -> None:
    async with audit.entry("chat") as entry:
        entry.note(status=401)
    assert records(audit) == [("chat", "refused")]


def test_the_command_line_needs_no_event_loop(audit: Audit, database: Database) -> None:
    with audit.entry_sync("key.create", by=ALICE, via="cli") as entry:
        assert open_entries(audit) == 1
        entry.note(key="abc")
    with pytest.raises(KeyboardInterrupt), audit.entry_sync("add", by=ALICE):
        raise KeyboardInterrupt
    assert records(audit) == [("key.create", "ok"), ("add", "interrupted")]


async def test_a_cancelled_request_is_interrupted(audit: Audit, database: Database) -> None:
    started = asyncio.Event()

    async def request() -> None:
        async with audit.entry("chat", by=ALICE):
            started.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(request())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert records(audit) == [("chat", "interrupted")]
    assert open_entries(audit) == 0


async def test_a_request_cancelled_while_its_entry_opens_leaves_nothing_open(audit: Audit, database: Database) -> None:
    async def request() -> None:
        async with audit.entry("chat", by=ALICE):
            await asyncio.sleep(60)

    with held(database):
        task = asyncio.create_task(request())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    audit.stop()
    assert open_entries(audit) == 0
    assert records(audit) == [("chat", "interrupted")]


async def test_an_abandoned_stream_is_closed(audit: Audit, database: Database) -> None:
    async def stream() -> AsyncIterator[int]:
        async with audit.entry("chat", by=ALICE):
            for number in range(100):
                yield number

    numbers = stream()
    assert await anext(numbers) == 0
    await numbers.aclose()  # type: ignore[attr-defined]
    assert records(audit) == [("chat", "interrupted")]


async def test_requests_at_the_same_time_share_transactions(
    audit: Audit, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Group commit: far fewer transactions than records, and the chain holds."""
    begun = 0
    write = database.write

    @contextmanager
    def counted(*, wait_s: float) -> Iterator[Connection]:
        nonlocal begun
        begun += 1
        with write(wait_s=wait_s) as connection:
            yield connection

    monkeypatch.setattr(database, "write", counted)

    async def client() -> None:
        for _ in range(10):
            async with audit.entry("chat", by=ALICE) as entry:
                entry.note(model="m")
                await asyncio.sleep(0)

    await asyncio.gather(*(client() for _ in range(50)))
    assert len(records(audit)) == 500
    assert begun < 100
    assert audit.verify().ok


async def test_two_event_loops_may_share_one_audit(audit: Audit, database: Database) -> None:
    async def one() -> None:
        async with audit.entry("chat"):
            pass

    await one()
    await asyncio.to_thread(asyncio.run, one())
    assert len(records(audit)) == 2


@contextmanager
def held(database: Database) -> Iterator[None]:
    """Another process that writes and doesn't end."""
    other = Database(database.path, database._key)
    with other.write():
        yield
    other.close()


async def test_an_entry_that_can_t_be_opened_stops_the_request(
    database: Database, audit_key: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    audit = Audit(database, audit_key, wait_s=0.02)
    ran = False
    with held(database), caplog.at_level(logging.ERROR):
        with pytest.raises(AuditUnavailable) as caught:
            async with audit.entry("chat", by=ALICE):
                ran = True
        with pytest.raises(AuditUnavailable), audit.entry_sync("chat", by=ALICE):
            ran = True
    assert not ran
    assert caught.value.status == 503
    assert "storage_busy" in caplog.text
    async with audit.entry("chat", by=ALICE):
        ran = True
    assert ran
    audit.stop()


async def test_no_failure_leaves_a_request_waiting(database: Database, audit_key: bytes) -> None:
    """Whatever goes wrong in the writer's thread, it answers and goes on."""
    blocked = database.path.parent / "run"
    blocked.write_text("not a folder")
    audit = Audit(database, audit_key)
    for _ in range(2):
        with pytest.raises(AuditUnavailable):
            async with asyncio.timeout(10), audit.entry("chat"):
                pass
    blocked.unlink()
    async with audit.entry("chat"):
        pass
    audit.stop()


async def test_another_writer_makes_no_request_wait(database: Database, audit_key: bytes) -> None:
    """A large document may hold the database for seconds: what begins and ends meanwhile stands in the journal."""
    audit = Audit(database, audit_key, wait_s=0.02)
    async with audit.entry("chat", by=ALICE):
        pass
    audit.flush()
    with held(database):
        for _ in range(3):
            async with audit.entry("ask", by=ALICE):
                assert open_entries(audit) == 1
            audit.flush()
    assert records(audit) == [("chat", "ok"), *[("ask", "ok")] * 3]
    assert audit.verify().ok
    audit.stop()


async def test_requests_are_refused_while_closings_can_t_be_chained(database: Database, audit_key: bytes) -> None:
    audit = Audit(database, audit_key, wait_s=0.02, busy_s=0)
    with pytest.raises(AuditUnavailable), audit.entry_sync("chat", by=ALICE) as entry:
        entry.note(model="m")
        hold = held(database)
        hold.__enter__()
    with pytest.raises(AuditUnavailable):
        async with audit.entry("ask", by=ALICE):
            pass
    hold.__exit__(None, None, None)
    async with audit.entry("ask", by=ALICE):
        pass
    assert records(audit) == [("chat", "ok"), ("ask", "ok")]
    assert open_entries(audit) == 0
    assert audit.verify().ok
    audit.stop()


def test_a_full_disk_refuses_the_request_and_keeps_the_journal_whole(database: Database, audit_key: bytes) -> None:
    def work(say: Say) -> None:
        audit = Audit(database, audit_key)
        with audit.entry_sync("first"):
            pass
        journal = audit._ledger._begun()
        resource.setrlimit(resource.RLIMIT_FSIZE, (journal._size_bytes + 100, resource.RLIM_INFINITY))
        with pytest.raises(AuditUnavailable), audit.entry_sync("second"):
            say("ran")
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        journal.open(Entry("third", None, "api"))
        say("refused")
        os._exit(0)

    assert Child(work).rest() == ["refused"]
    audit = Audit(database, audit_key)
    audit.recover()
    assert records(audit) == [("first", "ok"), ("third", "interrupted")]
    audit.stop()


async def test_a_closing_that_was_written_after_all_is_not_written_twice(audit: Audit, database: Database) -> None:
    async with audit.entry("chat", by=ALICE) as entry:
        pass
    audit.flush()
    audit._ledger._unwritten.append(entry.finished(None))
    async with audit.entry("ask", by=ALICE):
        pass
    assert records(audit) == [("chat", "ok"), ("ask", "ok")]


def test_nothing_is_appended_to_an_audit_whose_end_was_cut_off(audit: Audit, database: Database) -> None:
    """Or the next record would hide it."""
    for _ in range(3):
        with audit.entry_sync("chat"):
            pass
    with database.write() as connection:
        connection.execute(text("DELETE FROM audit WHERE sequence = 3"))
    with pytest.raises(AuditUnavailable, match="changed from outside"), audit.entry_sync("chat"):
        pass


def dead(audit: Audit) -> Journal:
    """The journal of a process that is gone."""
    holder = Holder(audit._database.path.parent / "run")
    journal = Journal(audit._ledger._journals, audit._ledger._journal_key, holder=holder)
    holder.close()
    return journal


def test_what_a_dead_process_left_becomes_records(audit: Audit, database: Database) -> None:
    left = Entry("chat", None, "api", actor="u-bob", credential="key:1", opened_at=5.0)
    left.note(model="m")
    ended = Entry("ask", "p-1", "web", opened_at=6.0)
    journal = dead(audit)
    journal.open(left)
    journal.open(ended)
    journal.close(ended.finished(None))
    os.write(journal._descriptor, b"\0\0\2\0cut off")
    assert audit.recover() == 2
    assert audit.recover() == 0
    with database.read() as connection:
        first, second = connection.execute(select(audit_table).order_by(audit_table.c.sequence)).all()
    assert (first.id, first.at, first.actor, first.outcome) == (left.id, 5.0, "u-bob", "interrupted")
    assert first.facts == {"via": "api", "model": "m"}
    assert (second.id, second.object, second.outcome) == (ended.id, "p-1", "ok")
    assert not journal._path.exists()
    assert audit.verify().ok


def test_a_journal_that_was_changed_or_taken_away_is_recorded(audit: Audit, database: Database) -> None:
    changed = dead(audit)
    changed.open(Entry("chat", None, "api"))
    changed.open(Entry("ask", None, "api"))
    content = bytearray(changed._path.read_bytes())
    content[-1] ^= 1
    changed._path.write_bytes(content)
    killed = Child(lambda say: killed_at_work(database, audit._key, say))
    killed.rest()
    for journal in audit._ledger._journals.glob("*.journal"):
        if journal != changed._path:
            journal.unlink()
    assert audit.recover() == 3
    assert sorted(records(audit)) == [("audit.journal", "failed"), ("audit.journal", "failed"), ("chat", "interrupted")]
    assert audit.recover() == 0


def killed_at_work(database: Database, key: bytes, say: Say) -> None:
    audit = Audit(database, key)
    with audit.entry_sync("chat"):
        os._exit(9)


async def test_a_journal_does_not_grow_for_ever(
    audit: Audit, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "_EMPTIED_BYTES", 2000)
    monkeypatch.setattr(journal_module, "_REWRITTEN_BYTES", 4000)
    async with audit.entry("long"):
        for _ in range(100):
            async with audit.entry("chat"):
                pass
            audit.flush()
        journal = audit._ledger._begun()
        assert journal._path.stat().st_size < 5000
        assert open_entries(audit) == 1
    audit.flush()
    for _ in range(10):
        async with audit.entry("chat"):
            pass
        audit.flush()
    assert journal._path.stat().st_size < 2500
    assert audit.verify().ok


async def test_what_a_living_process_has_open_is_left_alone(audit: Audit, database: Database, audit_key: bytes) -> None:
    other = Audit(database, audit_key)
    async with audit.entry("chat", by=ALICE):
        assert other.recover() == 0
        assert audit.recover() == 0
    assert records(audit) == [("chat", "ok")]
    other.stop()


async def test_stopping_waits_for_what_was_handed_over(audit: Audit, database: Database) -> None:
    async with audit.entry("chat") as entry:
        pass
    audit.hand_over(type(entry)("ask", None, "api").finished(None))
    audit.stop()
    assert records(audit) == [("chat", "ok"), ("ask", "ok")]


@pytest.mark.skipif(sys.platform != "linux", reason="NOT TESTED: threads are counted in /proc")
def test_nothing_runs_before_the_first_entry(database: Database, audit_key: bytes) -> None:
    audit = Audit(database, audit_key)
    audit.start()
    assert audit._thread is None
    audit.stop()
