"""Erases documents: stored files, words in the index, vectors, pages, rows. Called by `privacy.erase`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, delete, func, select, text, update

from intramuros.storage import belongings, fulltext
from intramuros.storage.blobs import Blobs
from intramuros.storage.database import Database
from intramuros.storage.erasable import SAMPLE_BYTES, SHORTEST_SAMPLE, Sample, Subject, middle
from intramuros.storage.schema import chunks, documents, now, pages, vectors

Item = TypeVar("Item")

BATCH_CHUNKS = 200
"""Wiping so many from the index takes some tenths of a second: requests wait for its end."""
LOG_BYTES = 2 << 20
"""Above this the log is emptied between two transactions, so that a full disk has room for the next."""

_TEXTS, _TERMS, _VECTORS, _NAMES = 16, 8, 6, 6


class DocumentsEraser:
    """The documents of a project, or one."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database, self._blobs = database, blobs

    def count(self, subject: Subject) -> Mapping[str, int]:
        """Documents, pages, chunks, vectors, stored files and their bytes."""
        which = _which(subject)
        if which is None:
            return {}
        rows = belongings.of_project(subject.id) if subject.kind == "project" else belongings.of_document(subject.id)
        wanted = {"documents", "pages", "chunks", "vectors"}
        with self._database.read() as connection:
            found = {
                item.table.name: connection.scalar(select(func.count()).select_from(item.table).where(item.condition))
                for item in rows
                if item.table.name in wanted
            }
            size = connection.scalar(select(func.coalesce(func.sum(documents.c.size_bytes), 0)).where(which))
        counts = {name: count or 0 for name, count in found.items()}
        return counts | {"index_terms_of": counts["chunks"], "files": counts["documents"], "file_bytes": size or 0}

    def samples(self, subject: Subject) -> Iterator[Sample]:
        """Pieces of texts, of index terms, of vectors, and names."""
        which = _which(subject)
        if which is None:
            return
        with self._database.read() as connection:
            ids = list(connection.scalars(select(chunks.c.id).join(documents).where(which).order_by(chunks.c.id)))
            for chunk in _spread(ids, _TEXTS):
                content = connection.scalar(select(chunks.c.text).where(chunks.c.id == chunk)) or ""
                yield Sample("text", middle(content))
            for chunk in _spread(ids, _TERMS):
                terms = connection.scalar(text("SELECT c2 FROM passages_content WHERE id = :id"), {"id": chunk}) or ""
                yield Sample("terms", middle(terms))
                # As the index has them: whole, unless the term before begins alike.
                words = sorted(term for term in terms.split() if len(term.encode()) >= SHORTEST_SAMPLE)
                for term in {*words[:1], *words[-1:]}:
                    yield Sample("term", term.encode())
            for chunk in _spread(ids, _VECTORS):
                vector = connection.scalar(select(vectors.c.vector).where(vectors.c.chunk_id == chunk)) or b""
                yield Sample("vector", vector[:SAMPLE_BYTES])
            for name in _spread(list(connection.scalars(select(documents.c.name).where(which))), _NAMES):
                yield Sample("name", middle(name))

    def erase(self, subject: Subject) -> None:
        """Stops their reading, then removes one after the other; those that come meanwhile too."""
        which = _which(subject)
        if which is None:
            return
        with self._database.write(durable=True, erasing=True) as connection:
            stop = {"state": "erasing", "lease_owner": None, "lease_until": None, "updated_at": now()}
            connection.execute(update(documents).where(which).values(stop))
        while (row := self._next(which)) is not None:
            self._blobs.remove(row.blob_id)
            while self._remove_some(row.id):
                self._make_room()

    def _next(self, which: ColumnElement[bool]) -> Any:
        with self._database.read() as connection:
            return connection.execute(select(documents.c.id, documents.c.blob_id).where(which).limit(1)).first()

    def _remove_some(self, document_id: str) -> bool:
        """Whether something is left of it."""
        with self._database.write(durable=True, erasing=True) as connection:
            ids = _ids(connection, document_id)
            fulltext.remove(connection, ids)
            connection.execute(delete(chunks).where(chunks.c.id.in_(ids)))
            if len(ids) == BATCH_CHUNKS:
                return True
            connection.execute(delete(pages).where(pages.c.document_id == document_id))
            connection.execute(delete(documents).where(documents.c.id == document_id))
        return False

    def _make_room(self) -> None:
        log = self._database.path.with_name(self._database.path.name + "-wal")
        if log.exists() and log.stat().st_size > LOG_BYTES:
            self._database.checkpoint()


def _which(subject: Subject) -> ColumnElement[bool] | None:
    column = {"project": documents.c.project_id, "document": documents.c.id}.get(subject.kind)
    return None if column is None else column == subject.id


def _ids(connection: Connection, document_id: str) -> list[int]:
    statement = select(chunks.c.id).where(chunks.c.document_id == document_id).limit(BATCH_CHUNKS)
    return list(connection.scalars(statement))


def _spread(items: Sequence[Item], most: int) -> Sequence[Item]:
    """At most so many, from all of it."""
    return items[:: max(1, -(-len(items) // most))]
