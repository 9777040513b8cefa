"""Files that programs send and batches write: each a person's own, in no project, encrypted under that person's key.

Called by the OpenAI door and by batches. Nobody but its person sees a file; it goes when it expires, when they remove
it, or with them. What a file becomes in a project is a document (`documents.attached`).
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, func, insert, or_, select

from intramuros.accounts.caller import Caller
from intramuros.documents.library import file_name
from intramuros.errors import BadRequest, NotFound, TooLarge
from intramuros.security.crypto import Readable, Writable
from intramuros.security.subject_keys import SubjectKeys
from intramuros.storage.blobs import Blobs
from intramuros.storage.database import Database
from intramuros.storage.schema import files, new_id, now

PURPOSES = ("assistants", "batch", "user_data", "vision", "fine-tune", "evals")
"""What a program may say a file is for; only `batch` changes anything: how long it is kept."""
OUTPUT = "batch_output"
BATCH_KEPT_S = 30 * 86_400
SHORTEST_S, LONGEST_S = 3600, 30 * 86_400
"""How soon and how late a program may let a file expire."""
MOST_FILES = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """What is known of a file."""

    id: str
    user_id: str
    name: str
    purpose: str
    size_bytes: int
    blob_id: str
    created_at: float
    expires_at: float | None


Along = Callable[[Connection, StoredFile], None]
_COLUMNS = [files.c[name] for name in StoredFile.__dataclass_fields__]


@dataclass(frozen=True, slots=True)
class Files:
    """The files of this installation. `most_bytes`: of one file; `most_of_person_bytes`: of one person together."""

    database: Database
    blobs: Blobs
    keys: SubjectKeys
    most_bytes: int
    most_of_person_bytes: int

    def add(
        self,
        name: str,
        purpose: str,
        source: Readable,
        *,
        by: Caller,
        keep_s: int | None = None,
        along: Along = lambda *_: None,
    ) -> StoredFile:
        """Stores what a program sent; when this returns, it is on the disk.

        `along` writes what is stored with it or not at all: in the same transaction.

        Raises: BadRequest for a purpose or time that can't be, TooLarge, StorageFull, and what `along` raises; then
        nothing is stored.
        """
        if purpose not in PURPOSES:
            raise BadRequest(f"'purpose' must be one of {', '.join(PURPOSES)}.", param="purpose")
        if keep_s is None and purpose == "batch":
            keep_s = BATCH_KEPT_S
        limited, key = _Limited(source, self.most_bytes), self.keys.create("user", by.user_id)
        return self._stored(
            name, purpose, limited, by.user_id, key=key, keep_s=keep_s, file_id=new_id(), is_limited=True, along=along
        )

    def write(
        self, name: str, source: Readable, *, user_id: str, file_id: str, keep_s: int | None = None
    ) -> StoredFile:
        """Stores what a batch wrote for somebody, whatever they have; in the place of what has this id already.

        Raises: NotFound if that person's key is gone: they were erased.
        """
        key = self.keys.get("user", user_id)
        return self._stored(
            name, OUTPUT, source, user_id, key=key, keep_s=keep_s or BATCH_KEPT_S, file_id=file_id, is_limited=False
        )

    def list(self, *, by: Caller, purpose: str | None = None) -> Sequence[StoredFile]:
        """The caller's files, oldest first."""
        statement = select(*_COLUMNS).where(files.c.user_id == by.user_id, _lasts())
        if purpose is not None:
            statement = statement.where(files.c.purpose == purpose)
        with self.database.read() as connection:
            return [_of(row) for row in connection.execute(statement.order_by(files.c.created_at, files.c.id))]

    def get(self, file_id: str, *, by: Caller) -> StoredFile:
        """One of the caller's files. Raises: NotFound."""
        return self.of_person(file_id, by.user_id)

    def of_person(self, file_id: str, user_id: str) -> StoredFile:
        """One of this person's files. Raises: NotFound."""
        statement = select(*_COLUMNS).where(files.c.id == file_id, files.c.user_id == user_id, _lasts())
        with self.database.read() as connection:
            row = connection.execute(statement).first()
        if row is None:
            raise no_file()
        return _of(row)

    def content(self, file: StoredFile) -> bytes:
        """All of it. Raises: NotFound, StorageCorrupt."""
        content = io.BytesIO()
        self.read_to(content, file)
        return content.getvalue()

    def read_to(self, writer: Writable, file: StoredFile) -> None:
        """Writes all of it into `writer`. Raises: NotFound, StorageCorrupt; what was written is to be thrown away."""
        self.blobs.read_to(writer, self.keys.get("user", file.user_id), file.blob_id)

    def lines(self, file: StoredFile) -> Iterator[bytes]:
        """Its lines, each with its end, read as they are wanted. Raises: NotFound, StorageCorrupt."""
        begun: list[bytes] = []
        for piece in self.blobs.pieces(self.keys.get("user", file.user_id), file.blob_id):
            *ended, rest = piece.split(b"\n")
            for end in ended:
                yield b"".join([*begun, end, b"\n"])
                begun = []
            begun += [rest] if rest else []
        if begun:
            yield b"".join(begun)

    def remove(self, file: StoredFile) -> None:
        """Removes a file for good. What it became in a project stays there."""
        self.blobs.remove(file.blob_id)
        with self.database.write(durable=True, erasing=True) as connection:
            connection.execute(delete(files).where(files.c.id == file.id))

    def expired(self) -> Sequence[StoredFile]:
        """The files whose time is over. Nobody sees them any more; they are to be removed."""
        with self.database.read() as connection:
            return [_of(row) for row in connection.execute(select(*_COLUMNS).where(files.c.expires_at <= now()))]

    def _stored(
        self,
        name: str,
        purpose: str,
        source: Readable,
        user_id: str,
        *,
        key: bytes,
        keep_s: int | None,
        file_id: str,
        is_limited: bool,
        along: Along = lambda *_: None,
    ) -> StoredFile:
        info = self.blobs.put(key, source)
        time = now()
        file = StoredFile(
            id=file_id,
            user_id=user_id,
            name=file_name(name),
            purpose=purpose,
            size_bytes=info.size_bytes,
            blob_id=info.id,
            created_at=time,
            expires_at=None if keep_s is None else time + keep_s,
        )
        try:
            with self.database.write(durable=True) as connection:
                if is_limited:
                    self._check_room(connection, file)
                before = connection.scalar(select(files.c.blob_id).where(files.c.id == file_id))
                connection.execute(delete(files).where(files.c.id == file_id))
                values = {name: getattr(file, name) for name in StoredFile.__dataclass_fields__}
                connection.execute(insert(files).values(values))
                along(connection, file)
        except BaseException:
            self.blobs.remove(info.id)
            raise
        if before is not None:
            self.blobs.remove(before)
        return file

    def _check_room(self, connection: Connection, file: StoredFile) -> None:
        count, size = connection.execute(
            select(func.count(), func.coalesce(func.sum(files.c.size_bytes), 0)).where(files.c.user_id == file.user_id)
        ).one()
        if count >= MOST_FILES or size + file.size_bytes > self.most_of_person_bytes:
            raise TooLarge(
                f"You have {count} files of {size >> 20} MiB together; the limits are {MOST_FILES} files and "
                f"{self.most_of_person_bytes >> 20} MiB.",
                hint="Remove files that are no longer needed, or raise INTRAMUROS_FILES_MIB.",
                code="files_full",
                param="file",
            )


class _Limited:
    """Fails once more comes than is allowed."""

    def __init__(self, source: Readable, most_bytes: int) -> None:
        self._source, self._left, self._most = source, most_bytes, most_bytes

    def read(self, size: int, /) -> bytes:
        data = self._source.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise TooLarge(
                f"The file is larger than the limit of {self._most >> 20} MiB.",
                hint="Split it, or raise INTRAMUROS_UPLOAD_MIB.",
                param="file",
            )
        return data


def _lasts() -> Any:
    return or_(files.c.expires_at.is_(None), files.c.expires_at > now())


def _of(row: Any) -> StoredFile:
    return StoredFile(**row._mapping)


def no_file() -> NotFound:
    """There is none, or it is somebody else's: nobody can tell which."""
    return NotFound(
        "There is no such file, or it is not yours.", hint="List yours: GET /v1/files", code="file_not_found"
    )
