"""One key for each subject, a project or a person: what is theirs is sealed under it, and dies with it.

Called by whoever stores content (`accounts.projects` for stored files, `tasks.conversation` for turns), by backups,
which seal each subject's rows under it, and by erasure, which destroys it. The keys are the *ledger*: small files in a
folder of their own, each wrapped by the data key, and in no other place: not in the database and not in a backup's
archive. Whoever copies the ledger keeps only its newest state, or what was erased could be read again (decision 0013).
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args

from intramuros.errors import NotFound, StorageError
from intramuros.security.crypto import KEY_BYTES, derive, open_sealed, seal
from intramuros.security.own_files import sync

FOLDER_NAME = "subjects"
PREPARED = ".deep"
"""Beside the folder, in the data folder: what a deep change of keys prepares. What is destroyed here, is there too."""

Kind = Literal["project", "user", "erasure"]
"""Whose key it is; an erasure's own lives as long as it runs."""


class SubjectKeys:
    """The ledger in `folder`, opened by the data key. Safe to use from many threads and processes."""

    def __init__(self, folder: Path, data_key: bytes) -> None:
        self.folder = folder
        self._data_key = data_key

    def create(self, kind: Kind, subject: str) -> bytes:
        """The key of a subject, made if there is none; when this returns, it is on the disk.

        Raises: StorageError if it can't be written, StorageCorrupt if there is one that was changed.
        """
        path, key = self._path(kind, subject), secrets.token_bytes(KEY_BYTES)
        if path.exists():
            return self.get(kind, subject)
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished = self._written(self._wrapped(kind, key))
        try:
            os.link(unfinished, path)  # unlike a rename, never takes the place of another process's key
        except FileExistsError:
            return self.get(kind, subject)
        except OSError as error:
            raise _unwritable(self.folder, error) from error
        finally:
            unfinished.unlink(missing_ok=True)
        sync(self.folder)
        return key

    def put_back(self, kind: str, subject: str, key: bytes) -> None:
        """Writes a key that comes from a copy of the ledger; one that is there already stays.

        Raises: StorageError, ValueError for a kind that is none.
        """
        if kind not in get_args(Kind):
            raise ValueError("no such kind of subject")
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished = self._written(seal(self._data_key, key, context=_context(kind)))
        try:
            os.link(unfinished, self.folder / f"{kind}-{subject.encode().hex()}.key")
        except FileExistsError:
            pass
        finally:
            unfinished.unlink()

    def get(self, kind: Kind, subject: str) -> bytes:
        """The key of a subject.

        Raises: NotFound if it has none or it was destroyed, StorageCorrupt if it was changed.
        """
        try:
            wrapped = self._path(kind, subject).read_bytes()
        except FileNotFoundError as error:
            raise NotFound(
                f"The key of this {kind} is gone, and with it whatever it sealed.",
                hint="If it was not erased, restore the ledger of keys that belongs to this data.",
                code="subject_key_gone",
            ) from error
        return open_sealed(self._data_key, wrapped, context=_context(kind))

    def shared(self, project: str, user: str) -> bytes:
        """The key of what belongs to a person within a project: it takes both keys, so either one's end is its end."""
        return derive(self.create("user", user), "turns", salt=self.get("project", project))

    def known_shared(self, project: str, user: str) -> bytes:
        """The same, of a person who has a key. Raises: NotFound."""
        return derive(self.get("user", user), "turns", salt=self.get("project", project))

    def destroy(self, kind: Kind, subject: str) -> bool:
        """Overwrites and removes a subject's key; takes no space, so it works on a full disk. Whether there was one.

        What a disk keeps of an overwritten file below the file system is out of reach; it is still wrapped there.
        """
        there = _overwritten(self._path(kind, subject))
        if there:
            sync(self.folder)
        if self.folder.parent.name != PREPARED:
            SubjectKeys(self.folder.parent / PREPARED / self.folder.name, b"").destroy(kind, subject)
        return there

    def has(self, kind: str, subject: str) -> bool:
        """Whether a subject has a key."""
        return self._path(kind, subject).exists()

    def subjects(self) -> Iterator[tuple[str, str]]:
        """Kind and id of every subject that has a key."""
        for path in sorted(self.folder.glob("*.key")):
            kind, _, subject = path.stem.partition("-")
            yield kind, bytes.fromhex(subject).decode()

    def rewrap(self, data_key: bytes) -> None:
        """Wraps all keys by another data key. Killed at any point, it can be run again, for it takes either key."""
        other = SubjectKeys(self.folder, data_key)
        for path in sorted(self.folder.glob("*.key")):
            context = _context(path.stem.partition("-")[0])
            wrapped = path.read_bytes()
            try:
                open_sealed(data_key, wrapped, context=context)
            except StorageError:
                key = open_sealed(self._data_key, wrapped, context=context)
                other._written(seal(data_key, key, context=context)).replace(path)
        sync(self.folder)

    def _wrapped(self, kind: Kind, key: bytes) -> bytes:
        return seal(self._data_key, key, context=_context(kind))

    def _written(self, wrapped: bytes) -> Path:
        path = self.folder / f".{secrets.token_hex(8)}"
        try:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(wrapped)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            path.unlink(missing_ok=True)
            raise _unwritable(self.folder, error) from error
        return path

    def _path(self, kind: str, subject: str) -> Path:
        return self.folder / f"{kind}-{subject.encode().hex()}.key"


def _overwritten(path: Path) -> bool:
    """Overwrites a file and removes it; whether there was one."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        os.pwrite(descriptor, bytes(os.fstat(descriptor).st_size), 0)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    path.unlink(missing_ok=True)
    return True


def _context(kind: str) -> bytes:
    return f"{kind} key".encode()


def _unwritable(folder: Path, error: OSError) -> StorageError:
    return StorageError(f"A key can't be stored in {folder}: {os.strerror(error.errno or 0)}.")
