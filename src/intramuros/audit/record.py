"""Writes the audit: one record for each request, opened before it runs and closed when it ends.

Called by the doors' guard and the command line. An entry that can't be opened stops the request. Openings and
closings of requests that run at the same time share a transaction, made by one writer thread: a commit costs more
than a hundred records. What a crash leaves open becomes a record with the outcome `interrupted`.

    async with audit.entry("answer", by=caller, via="web") as entry:
        …
        entry.note(model="…", prompt_tokens=812)
"""

from __future__ import annotations

import asyncio
import json
import logging
import queue
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.exc import SQLAlchemyError

from intramuros.audit import verify
from intramuros.audit.chain import HEAD_FACT, Head, Record, link, sealed, unsealed
from intramuros.audit.entry import Actor, Entry
from intramuros.errors import AuditUnavailable, StorageCorrupt, StorageError
from intramuros.storage.database import Database
from intramuros.storage.liveness import Holder
from intramuros.storage.schema import audit, audit_open

WAIT_S = 5.0
"""How long a request waits for the database before it is refused."""

_MAX_BATCH = 1000
_MAX_UNWRITTEN = 10_000
_RETRY_S = 1.0

_log = logging.getLogger(__name__)

# Plain SQL, because these run twice in every request: building statements cost as much as the commit.
_OPEN = "INSERT INTO audit_open (id, opened_at, holder, facts) VALUES (?, ?, ?, ?)"
_CLOSE = "DELETE FROM audit_open WHERE id = ?"
_APPEND = (
    "INSERT INTO audit (sequence, id, at, actor, credential, action, object, outcome, facts, hash)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_LAST = (
    "SELECT (SELECT value FROM facts WHERE name = ?), sequence, hash"
    " FROM (SELECT 1) LEFT JOIN (SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1)"
)
_SEAL = "INSERT INTO facts (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"


@dataclass(slots=True)
class _Job:
    """An opening or a closing that a coroutine waits for."""

    step: Entry | Record
    future: asyncio.Future[None]

    def settle(self, error: Exception | None) -> None:
        if self.future.done():
            return
        if error is None:
            self.future.set_result(None)
        else:
            self.future.set_exception(error)


class Audit:
    """The audit of one database. `key` seals the last record; it is not in the database.

    Raises: AuditUnavailable from every entry that can't be written.
    """

    def __init__(self, database: Database, key: bytes, *, wait_s: float = WAIT_S) -> None:
        self._database = database
        self._key = key
        self._wait_s = wait_s
        self._holder: Holder | None = None
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._unwritten: deque[Record] = deque(maxlen=_MAX_UNWRITTEN)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Turns what crashed processes left open into records. The writer starts with the first entry."""
        self.recover()

    def stop(self) -> None:
        """Writes what is waiting and ends the writer."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._jobs.put(None)
            thread.join()
        if self._holder is not None:
            self._holder.close()
            self._holder = None

    def entry(self, action: str, *, by: Actor | None = None, object: str | None = None, via: str = "api") -> Running:
        """The entry of a request: `async with` it, around everything the request does."""
        entry = Entry(action, object, via)
        entry.by(by)
        return Running(self, entry)

    @contextmanager
    def entry_sync(
        self, action: str, *, by: Actor | None = None, object: str | None = None, via: str = "cli"
    ) -> Iterator[Entry]:
        """The same for code without an event loop; needs no `start`."""
        entry = Entry(action, object, via)
        entry.by(by)
        self._write_now([entry])
        try:
            yield entry
        except BaseException as error:
            self._write_now([entry.finished(error)])
            raise
        self._write_now([entry.finished(None)])

    def recover(self) -> int:
        """Closes entries whose process is gone, as interrupted; returns how many."""
        holder = self._alive()
        try:
            with self._database.write(wait_s=self._wait_s) as connection:
                rows = connection.execute(select(audit_open).order_by(audit_open.c.opened_at)).all()
                stale = [_interrupted(row) for row in rows if not holder.is_alive(row.holder)]
                self._append(connection, stale)
        except (StorageError, SQLAlchemyError) as error:
            raise _unavailable(error) from error
        holder.sweep()
        return len(stale)

    def verify(self) -> verify.Verification:
        """Whether the records are as they were written."""
        with self._database.read() as connection:
            return verify.verify(connection, key=self._key)

    async def write(self, step: Entry | Record) -> None:
        """Hands an opening or a closing to the writer and waits until it is committed."""
        await self.hand_over(step)

    def hand_over(self, step: Entry | Record) -> asyncio.Future[None]:
        """Hands it over at once; the future tells when it is committed."""
        future = asyncio.get_running_loop().create_future()
        if self._thread is None:
            self._start_writer()
        self._jobs.put(_Job(step, future))
        return future

    def _start_writer(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        """The writer: everything that waits goes into one transaction, and what comes meanwhile into the next."""
        while True:
            jobs, is_last = self._waiting()
            if jobs or self._unwritten:
                self._settle(jobs, self._attempt([job.step for job in jobs]))
            if is_last:
                return

    def _waiting(self) -> tuple[list[_Job], bool]:
        jobs: list[_Job] = []
        try:
            job = self._jobs.get(timeout=_RETRY_S if self._unwritten else None)
            while job is not None:
                jobs.append(job)
                if len(jobs) == _MAX_BATCH:
                    return jobs, False
                job = self._jobs.get_nowait()
        except queue.Empty:
            return jobs, False
        return jobs, True

    def _attempt(self, steps: Sequence[Entry | Record]) -> AuditUnavailable | None:
        try:
            self._write_now(steps)
        except AuditUnavailable as error:
            return error
        return None

    @staticmethod
    def _settle(jobs: Sequence[_Job], error: AuditUnavailable | None) -> None:
        """Wakes each event loop once for all that waited on it."""
        loops: dict[asyncio.AbstractEventLoop, list[_Job]] = {}
        for job in jobs:
            loops.setdefault(job.future.get_loop(), []).append(job)
        for loop, waiting in loops.items():
            try:
                loop.call_soon_threadsafe(_wake, waiting, error)
            except RuntimeError:  # the loop is closed: nobody waits any more
                continue

    def _write_now(self, steps: Sequence[Entry | Record]) -> None:
        """Writes openings and closings in one transaction. A closing that fails is tried again with the next."""
        openings = [step for step in steps if isinstance(step, Entry)]
        records = [step for step in steps if isinstance(step, Record)]
        with self._lock:
            again = list(self._unwritten)
            self._unwritten.clear()
        try:
            with self._database.write(wait_s=self._wait_s) as connection:
                self._open(connection, openings)
                self._append(connection, _missing(connection, again) + records)
        except (StorageError, SQLAlchemyError) as error:
            with self._lock:
                self._unwritten.extend(again + records)
            _log.error("the audit can't be written: %s", getattr(error, "code", type(error).__name__))
            raise _unavailable(error) from error

    def _open(self, connection: Connection, entries: Sequence[Entry]) -> None:
        if not entries:
            return
        holder = self._alive().name
        rows = [(e.id, e.opened_at, holder, json.dumps(e.opening(), separators=(",", ":"))) for e in entries]
        connection.exec_driver_sql(_OPEN, rows)

    def _append(self, connection: Connection, records: Sequence[Record]) -> None:
        if not records:
            return
        head = self._head(connection)
        rows = []
        for record in records:
            head = link(head, record)
            rows.append(_row(record, head))
        connection.exec_driver_sql(_APPEND, rows)
        connection.exec_driver_sql(_CLOSE, [(record.id,) for record in records])
        connection.exec_driver_sql(_SEAL, (HEAD_FACT, json.dumps(sealed(head, self._key))))

    def _head(self, connection: Connection) -> Head:
        """The last record, read inside the writing transaction so that no other process appends to the same one.

        Raises: StorageCorrupt if it is not the one that was sealed: going on would hide what was cut off.
        """
        seal, sequence, last_hash = connection.exec_driver_sql(_LAST, (HEAD_FACT,)).one()
        head = Head(sequence, last_hash) if sequence else Head()
        if head != unsealed(json.loads(seal) if seal else None, self._key):
            raise StorageCorrupt("The last audit record is not the one that was written last.")
        return head

    def _alive(self) -> Holder:
        if self._holder is None:
            self._holder = Holder(self._database.path.parent / "run")
        return self._holder


class Running:
    """`async with` this: the entry is open before the body runs, and closed after it whatever happens."""

    __slots__ = ("_audit", "_entry")

    def __init__(self, audit: Audit, entry: Entry) -> None:
        self._audit = audit
        self._entry = entry

    async def __aenter__(self) -> Entry:
        try:
            await self._audit.write(self._entry)
        except asyncio.CancelledError as error:  # the row may be there all the same: close it after it
            self._audit.hand_over(self._entry.finished(error))
            raise
        return self._entry

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._audit.write(self._entry.finished(error))


def _wake(jobs: Sequence[_Job], error: AuditUnavailable | None) -> None:
    for job in jobs:
        job.settle(error)


def _missing(connection: Connection, records: Sequence[Record]) -> list[Record]:
    """Those that are not written yet: an attempt may have been committed although it reported a failure."""
    if not records:
        return []
    ids = [record.id for record in records]
    written = set(connection.scalars(select(audit.c.id).where(audit.c.id.in_(ids))))
    return [record for record in records if record.id not in written]


def _row(record: Record, head: Head) -> tuple[Any, ...]:
    return (
        head.sequence,
        record.id,
        record.at,
        record.actor,
        record.credential,
        record.action,
        record.object,
        record.outcome,
        json.dumps(record.facts, separators=(",", ":")),
        head.hash,
    )


def _interrupted(row: Any) -> Record:
    known = dict(row.facts)
    named = {name: known.pop(name, None) for name in ("action", "object", "actor", "credential")}
    return Record(id=row.id, at=row.opened_at, outcome="interrupted", facts=known, **named)


def _unavailable(error: Exception) -> AuditUnavailable:
    if isinstance(error, StorageCorrupt):
        return AuditUnavailable(
            "The audit was changed from outside, so requests are refused.",
            hint="See what is wrong with: intramuros selftest",
        )
    return AuditUnavailable(cause=getattr(error, "code", type(error).__name__))
