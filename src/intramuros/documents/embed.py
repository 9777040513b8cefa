"""Makes the vectors of documents whose words can be found already: from indexed to ready.

Called by `ingest`, which schedules. What turns texts into vectors is handed in; where nothing does, an indexed document
is ready as it is. Vectors are stored some chunks at a time, so one that is interrupted is gone on with where it stopped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import PurePath
from typing import Protocol

from sqlalchemy import select

from intramuros.documents import queue
from intramuros.documents.library import Document
from intramuros.storage import vectors
from intramuros.storage.database import Database
from intramuros.storage.schema import chunks

AT_ONCE = 32  # chunks in one transaction


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
    """Makes the vectors of one document at a time, for whoever holds the document's lease."""

    def __init__(self, database: Database, embedder: Embedder | None) -> None:
        self._database, self._embedder = database, embedder

    @property
    def model(self) -> str | None:
        """The SHA-256 of the embedder in use, or None."""
        return self._embedder.model if self._embedder else None

    async def make(self, document: Document, *, owner: str) -> bool:
        """Makes the vectors that are missing, then the document ready. False when somebody else has it by now.

        Raises: IntramurosError when the embedder fails; what was made so far stays.
        """
        model = await asyncio.to_thread(lambda: self.model)
        while self._embedder is not None and model is not None:
            todo = await asyncio.to_thread(self._missing, document, model)
            if not todo:
                break
            made = await self._embedder.passages([text for _, text in todo], model=model)
            rows = [vectors.Row(id_, one.vector, one.cut_tokens) for (id_, _), one in zip(todo, made, strict=True)]
            if not await asyncio.to_thread(self._store, document, rows, model, owner):
                return False
        return await asyncio.to_thread(self._finish, document, model, owner)

    def waiting(self, *, is_alive: Callable[[str], bool], but: set[str]) -> str | None:
        """The first indexed document that nobody works on, except these."""
        with self._database.read() as connection:
            found = queue.waiting(connection, is_alive=is_alive, limit=len(but) + 1, states=("indexed",))
        return next((id_ for id_ in found if id_ not in but), None)

    def take(self, document_id: str, *, owner: str, is_alive: Callable[[str], bool]) -> Document | None:
        """Takes an indexed document; None when somebody else has it or there is nothing to do."""
        with self._database.write() as connection:
            return queue.take_indexed(connection, document_id, owner=owner, is_alive=is_alive)

    def leave(self, document: Document, *, owner: str) -> None:
        """Frees a document for anybody, indexed as it is."""
        with self._database.write() as connection:
            queue.finish(connection, document.id, owner=owner, values={})

    def reopen(self) -> None:
        """Makes documents that are ready, but without vectors of the embedder in use, indexed again."""
        model = self.model
        stale = "SELECT 1 FROM documents WHERE state = 'ready' AND embedder IS NOT ? LIMIT 1"
        if model is not None and self._database.glance(stale, model):
            with self._database.write() as connection:
                queue.reopen(connection, embedder=model)

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

    def _finish(self, document: Document, model: str | None, owner: str) -> bool:
        with self._database.write() as connection:
            is_held = queue.is_held(connection, document.id, owner=owner)
            queue.finish(connection, document.id, owner=owner, values={"state": "ready", "embedder": model})
        return is_held
