"""The audit as the rest sees it: one record for each request, opened before it runs and closed when it ends.

Called by the doors' guard and the command line. An entry that can't be opened stops the request. Openings and
closings of requests that run at the same time share a transaction, made by one writer thread: a commit costs more
than a hundred records. What a crash leaves open becomes a record with the outcome `interrupted`. The same thread signs
the chain's head every so often, and another one copies what was signed to a second place.

    async with audit.entry("answer", by=caller, via="web") as entry:
        …
        entry.note(model="…", prompt_tokens=812)
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from types import TracebackType

from intramuros.audit import export, retention, verify
from intramuros.audit.copying import Copying, CopyState
from intramuros.audit.entry import Actor, Entry
from intramuros.audit.ledger import Ledger, Pace, Step
from intramuros.audit.places import Place
from intramuros.audit.statement import Signer, existing_signer, signer
from intramuros.audit.vouched import Vouched
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
    """The audit of one database. `key` seals the last record and the signing key; it is not in the database.

    Checkpoints are copied to the `copy`; with `copy_required`, no entry opens while that can't be done.
    Raises: AuditUnavailable from every entry that can't be written.
    """

    def __init__(
        self,
        database: Database,
        key: bytes,
        *,
        wait_s: float = WAIT_S,
        instance: str = "",
        pace: Pace | None = None,
        copy: Place | None = None,
        copy_required: bool = False,
    ) -> None:
        self._database = database
        self._key = key
        self._instance = instance
        self._copy = copy
        self._copying = Copying(copy, Vouched(database, key=key), required=copy_required) if copy else None
        self._ledger = Ledger(
            database,
            key,
            wait_s=wait_s,
            instance=instance,
            pace=pace,
            on_checkpoint=self._copying.submit if self._copying else None,
        )
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Turns what crashed processes left open into records. The writer starts with the first entry."""
        self.recover()

    def stop(self) -> None:
        """Writes what is waiting, signs the head and ends the threads."""
        with self._starting:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._jobs.put(None)
            thread.join()
        if self._ledger.checkpoint_due_s is not None:
            self._sign()
        if self._copying is not None:
            self._copying.stop()
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
        self._require_copy()
        self._ledger.write([entry])
        try:
            yield entry
        except BaseException as error:
            self._ledger.write([entry.finished(error)])
            raise
        self._ledger.write([entry.finished(None)])

    def recover(self) -> int:
        """Closes entries whose process is gone, as interrupted, and signs what it had not; returns how many."""
        count = self._ledger.recover()
        self._sign()
        if self._copying is not None:
            self._copying.probe()
        return count

    def verify(self, *, public: bytes | None = None, copies: Iterable[str] = ()) -> verify.Verification:
        """Whether the records are as they were written, and as the second place and `copies` of it say.

        `public` is the key that must have signed; else the database's own. Raises: OSError if the place can't be read.
        """
        lines = chain(self._copy.lines() if self._copy else (), copies)
        with self._database.read() as connection:
            return verify.verify(connection, key=self._key, public=public, copies=lines)

    def public_key(self) -> bytes:
        """The key that checks what this audit signs; made on first need."""
        return self._signer().public

    def export(self, *, since: float | None = None, until: float | None = None) -> Iterator[str]:
        """The lines of an export that can be verified with the public key alone."""
        signing = self._signer()
        with self._database.read() as connection:
            yield from export.jsonl(connection, signing, since=since, until=until)

    def export_syslog(self, *, since: float | None = None, until: float | None = None) -> Iterator[str]:
        """The records as syslog lines."""
        with self._database.read() as connection:
            yield from export.syslog(connection, since=since, until=until)

    def purge(self, *, before: float) -> retention.Purged:
        """Removes the records signed before that moment, and leaves signed summaries of them."""
        return retention.purge(self._database, self._signer(), before=before)

    def copy_state(self, *, anew: bool = False) -> CopyState | None:
        """How the second place does, if there is one; `anew` tries it."""
        if self._copying is None:
            return None
        return self._copying.probe() if anew else self._copying.state

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
            if jobs or self._ledger.is_behind:
                self._write(jobs)
            if self._ledger.checkpoint_due_s == 0:
                self._sign()

    def _write(self, jobs: Sequence[_Job]) -> None:
        try:
            self._require_copy()
        except AuditUnavailable as error:  # nothing new begins, what began is closed
            _settle([job for job in jobs if isinstance(job.step, Entry)], error)
            jobs = [job for job in jobs if not isinstance(job.step, Entry)]
        try:
            self._ledger.write([job.step for job in jobs])
        except AuditUnavailable as error:
            _settle(jobs, error)
        else:
            _settle(jobs, None)

    def _signer(self) -> Signer:
        with self._database.read() as connection:
            found = existing_signer(connection, key=self._key, instance=self._instance)
        if found is None:
            with self._database.write(durable=True) as connection:
                found = signer(connection, key=self._key, instance=self._instance)
        return found

    def _require_copy(self) -> None:
        if self._copying is not None:
            self._copying.require()

    def _sign(self) -> None:
        """A failure is in the log, and the next try is not far."""
        with contextlib.suppress(AuditUnavailable):
            self._ledger.checkpoint()

    def _waiting(self) -> tuple[list[_Job], bool]:
        """What waits, and whether that is all there will be."""
        jobs: list[_Job] = []
        try:
            job = self._jobs.get(timeout=_RETRY_S if self._ledger.is_behind else self._ledger.checkpoint_due_s)
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
