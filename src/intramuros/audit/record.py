"""The audit as the rest sees it: one record for each request, opened before it runs and closed when it ends.

Called by the doors' guard and the command line. An entry that can't be opened stops the request. Openings and
closings of requests that run at the same time share a transaction, made by one writer thread: a commit costs more
than a hundred records. What a crash leaves open becomes a record with the outcome `interrupted`.

    async with audit.entry("answer", by=caller, via="web") as entry:
        …
        entry.note(model="…", prompt_tokens=812)
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType

from intramuros.audit import verify
from intramuros.audit.entry import Actor, Entry
from intramuros.audit.ledger import Ledger, Step
from intramuros.errors import AuditUnavailable
from intramuros.storage.database import Database

WAIT_S = 5.0
"""How long a request waits for the database before it is refused."""

_MAX_BATCH = 1000
_RETRY_S = 1.0


@dataclass(slots=True)
class _Job:
    """An opening or a closing that a coroutine waits for."""

    step: Step
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
        self._ledger = Ledger(database, key, wait_s=wait_s)
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Turns what crashed processes left open into records. The writer starts with the first entry."""
        self.recover()

    def stop(self) -> None:
        """Writes what is waiting and ends the writer."""
        with self._starting:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._jobs.put(None)
            thread.join()
        self._ledger.close()

    def entry(self, action: str, *, by: Actor | None = None, object: str | None = None, via: str = "api") -> Running:
        """The entry of a request: `async with` it, around everything the request does."""
        entry = Entry(action, object, via)
        entry.by(by)
        return Running(self, entry)

    @contextmanager
    def entry_sync(
        self, action: str, *, by: Actor | None = None, object: str | None = None, via: str = "cli"
    ) -> Iterator[Entry]:
        """The same for code without an event loop."""
        entry = Entry(action, object, via)
        entry.by(by)
        self._ledger.write([entry])
        try:
            yield entry
        except BaseException as error:
            self._ledger.write([entry.finished(error)])
            raise
        self._ledger.write([entry.finished(None)])

    def recover(self) -> int:
        """Closes entries whose process is gone, as interrupted; returns how many."""
        return self._ledger.recover()

    def verify(self) -> verify.Verification:
        """Whether the records are as they were written."""
        with self._database.read() as connection:
            return verify.verify(connection, key=self._key)

    def hand_over(self, step: Step) -> asyncio.Future[None]:
        """Hands an opening or a closing to the writer at once; the future tells when it is committed."""
        future = asyncio.get_running_loop().create_future()
        if self._thread is None:
            self._start_writer()
        self._jobs.put(_Job(step, future))
        return future

    def _start_writer(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        """The writer: everything that waits goes into one transaction, and what comes meanwhile into the next."""
        is_last = False
        while not is_last:
            jobs, is_last = self._waiting()
            if not jobs and not self._ledger.is_behind:
                continue
            try:
                self._ledger.write([job.step for job in jobs])
            except AuditUnavailable as error:
                _settle(jobs, error)
            else:
                _settle(jobs, None)

    def _waiting(self) -> tuple[list[_Job], bool]:
        """What waits, and whether that is all there will be."""
        jobs: list[_Job] = []
        try:
            job = self._jobs.get(timeout=_RETRY_S if self._ledger.is_behind else None)
            while job is not None:
                jobs.append(job)
                if len(jobs) == _MAX_BATCH:
                    return jobs, False
                job = self._jobs.get_nowait()
        except queue.Empty:
            return jobs, False
        return jobs, True


class Running:
    """`async with` this: the entry is open before the body runs, and closed after it whatever happens."""

    __slots__ = ("_audit", "_entry")

    def __init__(self, audit: Audit, entry: Entry) -> None:
        self._audit = audit
        self._entry = entry

    async def __aenter__(self) -> Entry:
        try:
            await self._audit.hand_over(self._entry)
        except asyncio.CancelledError as error:  # the row may be there all the same: close it after it
            self._audit.hand_over(self._entry.finished(error))
            raise
        return self._entry

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._audit.hand_over(self._entry.finished(error))


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


def _wake(jobs: Sequence[_Job], error: AuditUnavailable | None) -> None:
    for job in jobs:
        job.settle(error)
