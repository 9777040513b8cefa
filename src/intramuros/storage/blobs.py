"""Original files, encrypted: one file for each under a random name, in segments under its project's key.

Called by the documents' library. It knows no documents and no projects: a project hands in its own key. What `put`
returned is on the disk; a name that is not there yet, or no longer, is nowhere.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import secrets
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from intramuros.errors import NotFound, StorageCorrupt
from intramuros.security.crypto import Pulled, Readable, Writable, decrypt_stream, decrypted, encrypt_stream
from intramuros.security.own_files import sync
from intramuros.security.subject_keys import PREPARED
from intramuros.storage.failures import from_system

_ID = re.compile(r"[0-9a-f]{32}")
_UNFINISHED = ".part"


@dataclass(frozen=True, slots=True)
class BlobInfo:
    """What was stored: its random id, and the size and hash of its plaintext."""

    id: str
    size_bytes: int
    sha256: bytes


class Blobs:
    """The encrypted files under `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, key: bytes, source: BinaryIO | Readable | bytes) -> BlobInfo:
        """Stores everything `source` gives; when this returns, it is on the disk under its name.

        Raises: StorageFull, StorageError; then nothing is left behind.
        """
        blob_id = secrets.token_hex(16)
        reader = _Hashing(io.BytesIO(source) if isinstance(source, bytes) else source)
        self._store(key, reader, blob_id)
        return BlobInfo(blob_id, reader.size_bytes, reader.sha256.digest())

    def reseal_to(self, other: Blobs, blob_id: str, *, key: bytes, new_key: bytes) -> bool:
        """Stores a file in another folder too, under the same name and another key; one that is there stays.

        False if it is gone here, also meanwhile; then it is not there either. Raises: StorageCorrupt, StorageFull.
        """
        try:
            if not other.has(blob_id):
                other._store(new_key, _Hashing(Pulled(self.pieces(key, blob_id))), blob_id)
                other.authenticate(other._path(blob_id), new_key, blob_id)
        except NotFound:
            pass
        if self.has(blob_id):
            return True
        other.remove(blob_id)
        return False

    def has(self, blob_id: str) -> bool:
        """Whether a file of this name is stored."""
        return self._path(blob_id).exists()

    def _store(self, key: bytes, reader: _Hashing, blob_id: str) -> None:
        path = self._path(blob_id)
        with _leaving_nothing(path, reader):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            unfinished = path.with_suffix(_UNFINISHED)
            unfinished.unlink(missing_ok=True)  # of a process that was stopped
            with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                encrypt_stream(key, reader, file, context=blob_id.encode())
                file.flush()
                os.fsync(file.fileno())
            unfinished.rename(path)
            sync(path.parent)

    def open(self, key: bytes, blob_id: str) -> bytes:
        """A stored file, whole and checked.

        Raises: NotFound, StorageCorrupt.
        """
        content = io.BytesIO()
        self.read_to(content, key, blob_id)
        return content.getvalue()

    def read_to(self, writer: Writable, key: bytes, blob_id: str) -> None:
        """Writes a stored file's content into `writer`, in constant memory.

        Raises: NotFound, StorageCorrupt; then what was written so far is to be thrown away.
        """
        try:
            with self._path(blob_id).open("rb") as file:
                decrypt_stream(key, file, writer, context=blob_id.encode())
        except FileNotFoundError as error:
            raise NotFound(f"There is no stored file {blob_id}.") from error

    def pieces(self, key: bytes, blob_id: str) -> Iterator[bytes]:
        """A stored file's content, piece by piece, each checked: whoever has enough need not read on.

        Raises: NotFound, StorageCorrupt, where it comes to that.
        """
        try:
            with self._path(blob_id).open("rb") as file:
                yield from decrypted(key, file, context=blob_id.encode())
        except FileNotFoundError as error:
            raise NotFound(f"There is no stored file {blob_id}.") from error

    def authenticate(self, path: Path, key: bytes, blob_id: str) -> None:
        """Reads a stored file, or a copy of it at `path`, through to its end. Raises: StorageCorrupt."""
        with path.open("rb") as file:
            decrypt_stream(key, file, _Nowhere(), context=blob_id.encode())

    def remove(self, blob_id: str) -> None:
        """Erases a stored file; nothing happens if it is gone already."""
        path = self._path(blob_id)
        if path.exists():
            path.unlink(missing_ok=True)
            sync(path.parent)
        if self.folder.parent.name != PREPARED:
            Blobs(self.folder.parent / PREPARED / self.folder.name).remove(blob_id)

    def orphans(self, known: Collection[str], *, older_than_s: float = 3600) -> Iterator[Path]:
        """Files that no row knows and that are not just being written: what a crash left, to be unlinked."""
        latest = time.time() - older_than_s
        for path in self.folder.glob("??/*"):
            if path.name not in known and path.stat().st_mtime <= latest:
                yield path

    def _path(self, blob_id: str) -> Path:
        if not _ID.fullmatch(blob_id):
            raise StorageCorrupt("The id of a stored file is not one.")
        return self.folder / blob_id[:2] / blob_id


class _Nowhere:
    """Takes what nobody needs."""

    def write(self, data: bytes, /) -> None:
        pass


class _Hashing:
    """Reads through, counts and hashes what it sees, and remembers if it was the source that failed."""

    def __init__(self, source: Readable) -> None:
        self._source = source
        self.size_bytes = 0
        self.sha256 = hashlib.sha256()
        self.failure: Exception | None = None

    def read(self, size: int, /) -> bytes:
        try:
            data = self._source.read(size)
        except Exception as error:
            self.failure = error
            raise
        self.size_bytes += len(data)
        self.sha256.update(data)
        return data


@contextmanager
def _leaving_nothing(path: Path, reader: _Hashing) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        path.with_suffix(_UNFINISHED).unlink(missing_ok=True)
        if isinstance(error, OSError) and error is not reader.failure:
            raise from_system(error, path) from error
        raise
