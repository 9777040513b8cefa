"""The audit as the rest sees it: one record for each request, opened before it runs and closed when it ends.

Called by the doors' guard and the command line. An entry that can't be opened stops the request. A request waits for
a line in the process's journal, not for the database: one writer thread chains what was closed meanwhile, all in one
transaction, a moment later. What a crash leaves open becomes a record with the outcome `interrupted`. The same thread
signs the chain's head every so often, and another one copies what was signed to a second place.

    async with audit.entry("answer", by=caller, via="web") as entry:
        …
        entry.note(model="…", prompt_tokens=812)
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from types import TracebackType

from intramuros.audit import export, retention, verify
from intramuros.audit.chain import Record
from intramuros.audit.copying import Copying, CopyState
from intramuros.audit.entry import Actor, Entry
from intramuros.audit.ledger import BUSY_S, Ledger, Pace, Step
from intramuros.audit.places import Place
from intramuros.audit.statement import Signer, Statement, existing_signer, signer
from intramuros.audit.vouched import Vouched
from intramuros.errors import AuditUnavailable
from intramuros.storage.database import Database

WAIT_S = 5.0
"""How long a request waits for the database before it is refused."""

GATHER_S = 0.025
"""How long closings are gathered for one transaction. They are on the disk meanwhile."""

_MAX_BATCH = 1000
_RETRY_S = 1.0


@dataclass(slots=True)
class _Job:
    """A closing nobody waits for, or an opening or closing that a coroutine waits for."""

    step: Step
    future: asyncio.Future[None] | None = None

    @property
    def is_given_up(self) -> bool:
        """Whether the request was cancelled before its entry was open; then its closing comes by itself."""
        return self.future is not None and self.future.cancelled()

    def settle(self, error: Exception | None) -> None:
        if self.future is None or self.future.done():
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
        busy_s: float = BUSY_S,
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
            busy_s=busy_s,
            instance=instance,
            pace=pace,
            on_checkpoint=self._copying.submit if self._copying else None,
        )
        self._jobs: deque[_Job] = deque()
        self._has_jobs = threading.Event()
        self._is_awaited = threading.Event()
        self._is_stopping = False
        self._starting = threading.Lock()
        self._writing = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Turns what crashed processes left open into records. The writer starts with the first entry."""
        self.recover()

    def stop(self) -> None:
        """Writes what is waiting, signs the head and ends the threads."""
        with self._starting:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._is_stopping = True
            self._is_awaited.set()
            self._has_jobs.set()
            thread.join()
            self._is_stopping = False
        if self._ledger.checkpoint_due_s is not None:
            self._sign()
        if self._copying is not None:
            self._copying.stop()
        self._ledger.close_journal()

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
        self._ledger.open(entry)
        try:
            yield entry
        except BaseException as error:
            self._close_now(entry.finished(error))
            raise
        self._close_now(entry.finished(None))

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
        self.flush()
        lines = chain(self._copy.lines() if self._copy else (), copies)
        with self._database.read() as connection:
            return verify.verify(connection, key=self._key, public=public, copies=lines)

    def public_key(self) -> bytes:
        """The key that checks what this audit signs; made on first need."""
        return self._signer().public

    def state(self, kind: str, **said: object) -> Statement:
        """Signs something about the audit's head of now, and more: an erasure's receipt.

        Raises: AuditUnavailable if the head is not the one that was written last.
        """
        return self._signer().sign(kind, self._ledger.head(), **said)

    def export(self, *, since: float | None = None, until: float | None = None) -> Iterator[str]:
        """The lines of an export that can be verified with the public key alone."""
        self.flush()
        signing = self._signer()
        with self._database.read() as connection:
            yield from export.jsonl(connection, signing, since=since, until=until)

    def export_syslog(self, *, since: float | None = None, until: float | None = None) -> Iterator[str]:
        """The records as syslog lines."""
        self.flush()
        with self._database.read() as connection:
            yield from export.syslog(connection, since=since, until=until)

    def purge(self, *, before: float) -> retention.Purged:
        """Removes the records signed before that moment, and leaves signed summaries of them."""
        self.flush()
        return retention.purge(self._database, self._signer(), before=before)

    def copy_state(self, *, anew: bool = False) -> CopyState | None:
        """How the second place does, if there is one; `anew` tries it."""
        if self._copying is None:
            return None
        return self._copying.probe() if anew else self._copying.state

    @property
    def is_ready(self) -> bool:
        """Whether an entry may open at once, without waiting for the writer."""
        return self._ledger.is_ready and (self._copying is None or self._copying.is_ready)

    def open(self, entry: Entry) -> None:
        """Opens an entry; only when `is_ready`."""
        self._ledger.open(entry)

    def close(self, record: Record) -> bool:
        """Stores how a request ended and has it chained soon; returns whether that could be done."""
        if not self._ledger.close(record):
            return False
        self._put(_Job(record))
        return True

    def hand_over(self, step: Step) -> asyncio.Future[None]:
        """Hands an opening or a closing to the writer at once; the future tells when it is stored and chained."""
        job = _Job(step, asyncio.get_running_loop().create_future())
        assert job.future is not None
        self._put(job)
        self._is_awaited.set()
        return job.future

    def flush(self) -> None:
        """Chains what was closed until now, if it can be; for whoever reads the records next."""
        self._write_all()

    def _put(self, job: _Job) -> None:
        self._jobs.append(job)
        if self._thread is None:
            self._start_writer()
        if not self._has_jobs.is_set():
            self._has_jobs.set()

    def _close_now(self, record: Record) -> None:
        self._ledger.close(record)
        self._ledger.write([record])

    def _start_writer(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        """The writer: everything that waits goes into one transaction, and what comes meanwhile into the next."""
        is_last = False
        while not is_last:
            self._has_jobs.wait(_RETRY_S if self._ledger.is_behind else self._ledger.checkpoint_due_s)
            if self._has_jobs.is_set():
                self._is_awaited.wait(GATHER_S)
            is_last = self._is_stopping
            self._write_all()
            if self._ledger.checkpoint_due_s == 0:
                self._sign()

    def _write_all(self) -> None:
        self._has_jobs.clear()
        self._is_awaited.clear()
        with self._writing:
            while self._jobs or self._ledger.is_behind:
                jobs = [self._jobs.popleft() for _ in range(min(len(self._jobs), _MAX_BATCH))]
                if not self._write(jobs):
                    return

    def _write(self, jobs: Sequence[_Job]) -> bool:
        """One transaction for the closings, then the openings: nothing begins while what ended can't be written."""
        openings = [job for job in jobs if isinstance(job.step, Entry) and not job.is_given_up]
        closings = [job for job in jobs if isinstance(job.step, Record)]
        try:
            self._ledger.write([job.step for job in closings if isinstance(job.step, Record)])
        except AuditUnavailable as error:
            _settle(closings, error)
            is_written = False
        else:
            _settle(closings, None)
            is_written = True
        for job in openings:
            self._open_late(job)
        return is_written

    def _open_late(self, job: _Job) -> None:
        assert isinstance(job.step, Entry)
        try:
            self._require_copy()
            self._ledger.open(job.step)
        except AuditUnavailable as error:
            _settle([job], error)
        else:
            _settle([job], None)

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


class Running:
    """`async with` this: the entry is open before the body runs, and closed after it whatever happens."""

    __slots__ = ("_audit", "_entry")

    def __init__(self, audit: Audit, entry: Entry) -> None:
        self._audit = audit
        self._entry = entry

    async def __aenter__(self) -> Entry:
        if self._audit.is_ready:
            self._audit.open(self._entry)
            return self._entry
        try:
            await self._audit.hand_over(self._entry)
        except asyncio.CancelledError as error:  # the line may be there all the same: close it after it
            self._audit.hand_over(self._entry.finished(error))
            raise
        return self._entry

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        record = self._entry.finished(error)
        if not self._audit.close(record):
            await self._audit.hand_over(record)


def _settle(jobs: Sequence[_Job], error: AuditUnavailable | None) -> None:
    """Wakes each event loop once for all that waited on it."""
    loops: dict[asyncio.AbstractEventLoop, list[_Job]] = {}
    for job in jobs:
        if job.future is not None:
            loops.setdefault(job.future.get_loop(), []).append(job)
    for loop, waiting in loops.items():
        try:
            loop.call_soon_threadsafe(_wake, waiting, error)
        except RuntimeError:  # the loop is closed: nobody waits any more
            continue


def _wake(jobs: Sequence[_Job], error: AuditUnavailable | None) -> None:
    for job in jobs:
        job.settle(error)
