"""Reads what was received: takes documents from the queue, has them read, writes what came of it.

`run` is the background of a server, `drain` waits for given documents at the command line; both may work at the same
time, in several processes, and a document is read by whoever takes it first. It becomes ready in one transaction: a
process killed at any point leaves it as it was, and the next one takes it up at once.

Where an embedder is in use, that transaction makes it indexed: its words can be found. Its vectors follow, one document
at a time, and then it is ready. An embedder that fails holds back nothing else, and is asked again later.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field

from intramuros.background import begin_always
from intramuros.documents import index, queue
from intramuros.documents.embed import Embedder, Embedding
from intramuros.documents.failures import failure
from intramuros.documents.library import Document, Library
from intramuros.documents.reader.job import ReaderStopped
from intramuros.documents.reader.supervisor import Reader
from intramuros.errors import DocumentError, IntramurosError, IsolationTooWeak, NotFound, StorageCorrupt, StorageError
from intramuros.settings import Settings
from intramuros.storage.database import Database
from intramuros.storage.liveness import Holder

_IDLE_S = 0.25  # between looks for new documents: one row read, some microseconds
_TICK_S = 0.5  # between notes of progress
_RENEW_TICKS = 20
_TROUBLE_S = 5.0  # after the disk was full or the database busy

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Shift:
    """One `run` or `drain` at work: the name its leases are in, and how far its documents are."""

    holder: Holder
    progress: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def owner(self) -> str:
        return self.holder.name


class Ingest:
    """Reads the documents of this installation, `settings.workers` at once."""

    def __init__(
        self,
        database: Database,
        library: Library,
        reader: Reader,
        settings: Settings,
        *,
        embedder: Embedder | None = None,
    ) -> None:
        self._database, self._library, self._reader, self._settings = database, library, reader, settings
        self._embedding = Embedding(database, embedder)

    async def run(self, stop: asyncio.Event) -> None:
        """Reads documents as they come, until `stop` is set; what is being read then is given back."""
        async with self._shift() as shift:
            await asyncio.to_thread(self._library.sweep)
            tasks: set[asyncio.Task[bool]] = set()
            stopping = asyncio.create_task(stop.wait())
            embedding = begin_always(lambda: self._embedding.run(shift.holder), name="embed documents")
            try:
                while not stop.is_set():
                    document = await self._next(shift) if len(tasks) < self._settings.workers else None
                    if document:
                        tasks.add(asyncio.create_task(self._read(document, shift)))
                        continue
                    done, _ = await asyncio.wait(
                        {stopping, *tasks}, timeout=_IDLE_S, return_when=asyncio.FIRST_COMPLETED
                    )
                    tasks -= done
                    await self._rest_after_trouble(done - {stopping}, stopping)
            finally:
                await _cancelled([stopping, embedding, *tasks])

    async def drain(self, ids: Sequence[str], progress: Callable[[int], None] | None = None) -> list[Document]:
        """Waits until these documents are ready or failed, reading those that nobody else reads.

        `progress` is told how many are finished. Returns them in the given order, without those removed meanwhile; they
        are indexed only, with a line in the log, where the embedder fails.
        Raises: StorageFull and other errors of the store; the documents stay in the queue.
        """
        wanted = list(dict.fromkeys(ids))
        left, elsewhere = deque(wanted), set[str]()
        tasks: dict[asyncio.Task[bool], str] = {}
        async with self._shift() as shift:
            try:
                while left or tasks or elsewhere:
                    while left and len(tasks) < self._settings.workers:
                        document_id = left.popleft()
                        if document := await asyncio.to_thread(self._take, document_id, shift):
                            tasks[asyncio.create_task(self._read(document, shift))] = document_id
                        else:
                            elsewhere.add(document_id)
                    if tasks:
                        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                        left.extend(id_ for task in done if (id_ := tasks.pop(task)) and not task.result())
                    elif elsewhere:
                        unfinished = await asyncio.to_thread(self._unfinished, elsewhere)
                        elsewhere.clear()
                        left.extend(unfinished)
                        await asyncio.sleep(_IDLE_S if unfinished else 0)
                    if progress and self._embedding.model is None:
                        progress(len(wanted) - len(left) - len(tasks) - len(elsewhere))
                await self._embedding.drain(wanted, shift.holder, progress or (lambda _: None))
            finally:
                await _cancelled(tasks)
        with self._database.read() as connection:
            states = queue.states(connection, wanted)
        return [states[id_] for id_ in wanted if id_ in states]

    async def _read(self, document: Document, shift: _Shift) -> bool:
        """Reads one document to its end; False when it is still, or again, to be read by somebody."""
        try:
            ready = await self._prepared(document, shift)
            return await asyncio.to_thread(self._store, ready, shift)
        except ReaderStopped:
            await self._give_back(document, shift, counts=True)
            return False
        except DocumentError as error:
            await asyncio.to_thread(self._fail, document, error, shift)
        except (asyncio.CancelledError, StorageError, IsolationTooWeak):
            with contextlib.suppress(IntramurosError):
                await asyncio.shield(self._give_back(document, shift, counts=False))
            raise
        except Exception as error:
            _log.error("reading %s stopped: %s", document.id, type(error).__name__)  # its words may be the document's
            await self._give_back(document, shift, counts=True)
            return False
        finally:
            shift.progress.pop(document.id, None)
        return True

    async def _prepared(self, document: Document, shift: _Shift) -> index.Prepared:
        def note(read: int, total: int) -> None:
            shift.progress[document.id] = (read, total)

        content = await asyncio.to_thread(self._content, document)
        try:
            reading = await self._reader.read(content, document.media_type, progress=note)
        finally:
            os.close(content)
        return await asyncio.to_thread(index.prepared, document, reading)

    def _content(self, document: Document) -> int:
        """The original in an anonymous file in memory.

        Raises: DocumentError `original_missing` when it is gone or changed.
        """
        content = os.memfd_create("document", os.MFD_CLOEXEC)
        try:
            with os.fdopen(os.dup(content), "wb") as file:
                self._library.copy_original(document, file)
        except (NotFound, StorageCorrupt) as error:
            os.close(content)
            raise failure("original_missing") from error
        except BaseException:
            os.close(content)
            raise
        return content

    def _store(self, ready: index.Prepared, shift: _Shift) -> bool:
        """Writes all there is of a document, unless it was removed or taken over meanwhile."""
        with self._database.write() as connection:
            is_held = queue.is_held(connection, ready.document.id, owner=shift.owner)
            if is_held:
                index.write(connection, ready)
                values = ready.outcome | ({"state": "indexed"} if self._embedding.model else {})
                queue.finish(connection, ready.document.id, owner=shift.owner, values=values)
        return is_held

    def _fail(self, document: Document, error: DocumentError, shift: _Shift) -> None:
        with self._database.write() as connection:
            values = queue.failed(error.code, **error.details)
            queue.finish(connection, document.id, owner=shift.owner, values=values)

    async def _give_back(self, document: Document, shift: _Shift, *, counts: bool) -> None:
        def write() -> None:
            with self._database.write() as connection:
                queue.give_back(connection, document.id, owner=shift.owner, counts=counts)

        await asyncio.to_thread(write)

    async def _next(self, shift: _Shift) -> Document | None:
        """The oldest document that nobody reads, now taken."""
        if self._database.glance("SELECT 1 FROM documents WHERE state IN ('received', 'reading') LIMIT 1") is None:
            return None
        return await asyncio.to_thread(self._take_next, shift)

    def _take_next(self, shift: _Shift) -> Document | None:
        with self._database.read() as connection:
            waiting = queue.waiting(connection, is_alive=shift.holder.is_alive, limit=1)
        return self._take(waiting[0], shift) if waiting else None

    def _take(self, document_id: str, shift: _Shift) -> Document | None:
        with self._database.write() as connection:
            return queue.take(connection, document_id, owner=shift.owner, is_alive=shift.holder.is_alive)

    def _unfinished(self, ids: Iterable[str]) -> list[str]:
        with self._database.read() as connection:
            states = queue.states(connection, list(ids))
        return [id_ for id_, document in states.items() if not document.is_read]

    async def _rest_after_trouble(self, done: Iterable[asyncio.Task[bool]], stopping: asyncio.Task[bool]) -> None:
        """A full disk or a busy database is no fault of the documents: wait a little, then go on."""
        errors = [error for task in done if (error := task.exception())]
        if errors:
            _log.error("reading documents pauses: %s", errors[0])
            await asyncio.wait({stopping}, timeout=_TROUBLE_S)

    @contextlib.asynccontextmanager
    async def _shift(self) -> AsyncIterator[_Shift]:
        holder = Holder(self._database.path.parent / "run")
        holder.sweep()
        shift = _Shift(holder)
        ticking = asyncio.create_task(self._tick(shift))
        try:
            yield shift
        finally:
            await _cancelled([ticking])
            holder.close()

    async def _tick(self, shift: _Shift) -> None:
        """Notes progress and renews the leases, so that a document that takes long stays ours."""
        ticks = 0
        while True:
            await asyncio.sleep(_TICK_S)
            ticks += 1
            if shift.progress or ticks % _RENEW_TICKS == 0:
                progress, shift.progress = shift.progress, {}
                try:
                    await asyncio.to_thread(self._renew, shift, progress)
                except StorageError as error:
                    _log.warning("progress can't be noted: %s", error)

    def _renew(self, shift: _Shift, progress: dict[str, tuple[int, int]]) -> None:
        with self._database.write() as connection:
            queue.renew(connection, owner=shift.owner, progress=progress)


async def _cancelled(tasks: Iterable[asyncio.Task[bool] | asyncio.Task[None]]) -> None:
    """Cancels tasks and waits for their end."""
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
