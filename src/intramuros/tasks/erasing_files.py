"""Erases the files and batches of a person. Called by `privacy.erase`; a project has none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Table, delete, func, select

from intramuros.storage import belongings
from intramuros.storage.blobs import Blobs
from intramuros.storage.database import Database
from intramuros.storage.erasable import SAMPLE_BYTES, Sample, Subject, middle
from intramuros.storage.schema import batch_lines, batches, files

LINES_AT_ONCE = 500
_NAMES, _LINES = 6, 5
_COUNTED: dict[Table, str] = {files: "files", batches: "batches", batch_lines: "batch_lines"}


class FilesEraser:
    """What programs sent and batches wrote, and the batches themselves."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database, self._blobs = database, blobs

    def count(self, subject: Subject) -> Mapping[str, int]:
        """Files with their bytes, batches and their lines."""
        if subject.kind != "user":
            return {}
        rows = [item for item in belongings.of_user(subject.id) if item.table in _COUNTED]
        with self._database.read() as connection:
            counts = {
                _COUNTED[item.table]: connection.scalar(
                    select(func.count()).select_from(item.table).where(item.condition)
                )
                or 0
                for item in rows
            }
            size = select(func.coalesce(func.sum(files.c.size_bytes), 0)).where(files.c.user_id == subject.id)
            return counts | {"file_bytes": connection.scalar(size) or 0}

    def samples(self, subject: Subject) -> Iterator[Sample]:
        """Names of files, and requests as they are sealed."""
        if subject.kind != "user":
            return
        with self._database.read() as connection:
            names = select(files.c.name).where(files.c.user_id == subject.id).limit(_NAMES)
            yield from (Sample("name", middle(name)) for name in connection.scalars(names))
            theirs = select(batches.c.id).where(batches.c.user_id == subject.id)
            lines = select(batch_lines.c.request).where(batch_lines.c.batch_id.in_(theirs)).limit(_LINES)
            yield from (Sample("request", bytes(sealed[-SAMPLE_BYTES:])) for sealed in connection.scalars(lines))

    def erase(self, subject: Subject) -> None:
        """Ends the batches, then removes their lines, some at a time, and each file."""
        if subject.kind != "user":
            return
        theirs = select(batches.c.id).where(batches.c.user_id == subject.id)
        with self._database.write(durable=True, erasing=True) as connection:
            connection.execute(
                batches.update().where(batches.c.user_id == subject.id).values(state="failed", worker=None)
            )
        while True:
            with self._database.write(durable=True, erasing=True) as connection:
                some = (
                    select(batch_lines.c.batch_id, batch_lines.c.number)
                    .where(batch_lines.c.batch_id.in_(theirs))
                    .limit(LINES_AT_ONCE)
                )
                rows = connection.execute(some).all()
                for row in rows:
                    mine = (batch_lines.c.batch_id == row.batch_id) & (batch_lines.c.number == row.number)
                    connection.execute(delete(batch_lines).where(mine))
                if len(rows) < LINES_AT_ONCE:
                    connection.execute(delete(batches).where(batches.c.user_id == subject.id))
                    break
        while (row := self._next(subject.id)) is not None:
            self._blobs.remove(row.blob_id)
            with self._database.write(durable=True, erasing=True) as connection:
                connection.execute(delete(files).where(files.c.id == row.id))

    def _next(self, user_id: str) -> Any:
        statement = select(files.c.id, files.c.blob_id).where(files.c.user_id == user_id).limit(1)
        with self._database.read() as connection:
            return connection.execute(statement).first()
