"""Makes the vectors of documents whose words can be found already: from indexed to ready.

Called by `ingest`. What turns texts into vectors is handed in; where nothing does, an indexed document is ready as it
is. Vectors are stored some chunks at a time, so that work which was interrupted goes on where it stopped. An embedder
that fails holds back nothing else: the document can be found by its words, and is tried again later.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import PurePath
from typing import Protocol

from sqlalchemy import select

from intramuros.documents import queue
from intramuros.documents.library import Document
from intramuros.errors import IntramurosError, StorageError
from intramuros.storage import vectors
from intramuros.storage.database import Database
from intramuros.storage.liveness import Holder
from intramuros.storage.schema import chunks

AT_ONCE = 32  # chunks in one transaction
_IDLE_S = 0.25  # between looks for indexed documents
_REOPEN_S = 5.0  # between looks for documents without vectors of the embedder in use
_TROUBLE_S = 5.0  # after the embedder failed, or the database was busy

_log = logging.getLogger(__name__)


class Embedded(Protocol):
    """The vector of one text."""

    @property
    def vector(self) -> bytes:
        """As `storage.vectors` keeps it."""
        ...

    @property
    def cut_tokens(self) -> int:
        """How many tokens of the text the model could not read."""
        ...


class Embedder(Protocol):
    """What turns passages into vectors."""

    @property
    def model(self) -> str | None:
        """The SHA-256 of the model in use; None when search goes by words alone."""
        ...

    async def passages(self, texts: Sequence[str], *, model: str) -> Sequence[Embedded]:
        """One vector for each text. Raises: IntramurosError."""
        ...


class Embedding:
    """Makes the vectors of one document at a time, under a lease like that of its reading."""

    def __init__(self, database: Database, embedder: Embedder | None) -> None:
        self._database, self._embedder = database, embedder

    @property
    def model(self) -> str | None:
        """The SHA-256 of the embedder in use, or None."""
        return self._embedder.model if self._embedder else None

    async def run(self, holder: Holder) -> None:
        """Makes the vectors of whatever is indexed, until it is cancelled; also of what is ready with other vectors."""
        failed, next_look_s = set[str](), 0.0
        while True:
            try:
                if time.monotonic() >= next_look_s:
                    await asyncio.to_thread(self.reopen)
                    next_look_s = time.monotonic() + _REOPEN_S
                document = await self._next(holder, but=failed)
                if document is not None and not await self._made(document, holder):
                    failed.add(document.id)
            except StorageError as error:
                _log.warning("making vectors pauses: %s", error)
                await asyncio.sleep(_TROUBLE_S)
                continue
            if document is None:  # where all that is left has failed, it is tried again after a while
                await asyncio.sleep(_TROUBLE_S if failed else _IDLE_S)
                failed.clear()

    async def drain(self, wanted: Sequence[str], holder: Holder, progress: Callable[[int], None]) -> None:
        """Makes the vectors of those documents that are indexed, or waits for whoever makes them.

        Ends early, with a line in the log, when the embedder fails. `progress` is told how many need nothing more.
        Raises: StorageError; the documents stay indexed.
        """
        while left := await asyncio.to_thread(self._indexed, wanted):
            progress(len(wanted) - len(left))
            is_elsewhere = True
            for done, document_id in enumerate(left, len(wanted) - len(left) + 1):
                if document := await asyncio.to_thread(self._take, document_id, holder):
                    is_elsewhere = False
                    if not await self._made(document, holder):
                        return
                    progress(done)
            await asyncio.sleep(_IDLE_S if is_elsewhere else 0)
        progress(len(wanted))

    def reopen(self) -> None:
        """Makes documents that are ready, but without vectors of the embedder in use, indexed again."""
        model = self.model
        stale = "SELECT 1 FROM documents WHERE state = 'ready' AND embedder IS NOT ? LIMIT 1"
        if model is not None and self._database.glance(stale, model):
            with self._database.write() as connection:
                queue.reopen(connection, embedder=model)

    async def _made(self, document: Document, holder: Holder) -> bool:
        """Makes a document ready that is ours; False, with a line in the log, when that failed."""
        try:
            await self._make(document, owner=holder.name)
            return True
        except BaseException as error:
            with contextlib.suppress(IntramurosError):
                await asyncio.shield(asyncio.to_thread(self._leave, document, owner=holder.name))
            if isinstance(error, StorageError) or not isinstance(error, Exception):
                raise
            said = error.message if isinstance(error, IntramurosError) else type(error).__name__
            _log.warning("%s is found by its words, its vectors are not made yet: %s", document.id, said)
            return False

    async def _make(self, document: Document, *, owner: str) -> None:
        """Makes the vectors that are missing, then the document ready, unless somebody else has it by now."""
        model = await asyncio.to_thread(lambda: self.model)
        while self._embedder is not None and model is not None:
            todo = await asyncio.to_thread(self._missing, document, model)
            if not todo:
                break
            made = await self._embedder.passages([text for _, text in todo], model=model)
            rows = [vectors.Row(id_, one.vector, one.cut_tokens) for (id_, _), one in zip(todo, made, strict=True)]
            if not await asyncio.to_thread(self._store, document, rows, model, owner):
                return
        await asyncio.to_thread(self._finish, document, model, owner)

    async def _next(self, holder: Holder, *, but: set[str]) -> Document | None:
        if self._database.glance("SELECT 1 FROM documents WHERE state = 'indexed' LIMIT 1") is None:
            return None
        return await asyncio.to_thread(self._take_next, holder, but)

    def _take_next(self, holder: Holder, but: set[str]) -> Document | None:
        """Takes the first indexed document that nobody works on, except these."""
        with self._database.read() as connection:
            found = queue.waiting(connection, is_alive=holder.is_alive, limit=len(but) + 1, states=("indexed",))
        return next((self._take(id_, holder) for id_ in found if id_ not in but), None)

    def _take(self, document_id: str, holder: Holder) -> Document | None:
        with self._database.write() as connection:
            return queue.take_indexed(connection, document_id, owner=holder.name, is_alive=holder.is_alive)

    def _leave(self, document: Document, *, owner: str) -> None:
        with self._database.write() as connection:
            queue.finish(connection, document.id, owner=owner, values={})

    def _indexed(self, ids: Sequence[str]) -> list[str]:
        with self._database.read() as connection:
            states = queue.states(connection, ids)
        return [id_ for id_, document in states.items() if document.state == "indexed"]

    def _missing(self, document: Document, model: str) -> list[tuple[int, str]]:
        """Chunks without a vector, each with the text that stands for it: title, headings, words."""
        title = document.title or PurePath(document.name).stem
        with self._database.read() as connection:
            ids = vectors.missing(connection, document.id, model=model, limit=AT_ONCE)
            rows = connection.execute(
                select(chunks.c.id, chunks.c.headings, chunks.c.text)
                .where(chunks.c.id.in_(ids))
                .order_by(chunks.c.ordinal)
            )
            return [(row.id, "\n".join(filter(None, (title, " › ".join(row.headings), row.text)))) for row in rows]

    def _store(self, document: Document, rows: Sequence[vectors.Row], model: str, owner: str) -> bool:
        with self._database.write() as connection:
            is_held = queue.is_held(connection, document.id, owner=owner)
            if is_held:
                vectors.put(connection, rows, model=model)
        return is_held

    def _finish(self, document: Document, model: str | None, owner: str) -> None:
        with self._database.write() as connection:
            queue.finish(connection, document.id, owner=owner, values={"state": "ready", "embedder": model})
