"""A file on its way: the half file on disk, what is known of it, and its hash so far.

Used by the sources of `models.download`. A half file lives in a folder of its own and becomes a model only by
`InstalledModels.install`, so it is never seen as installed. It survives a kill: the next try goes on where it ended.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import BinaryIO

from intramuros.errors import DownloadFailed, ModelFileError, StorageFull

KEPT_FREE_BYTES = 256 << 20  # room left for the database and the audit trail
BLOCK_BYTES = 1 << 20
PIECE_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the bytes so far came from; a half file of another origin is of no use.

    `sha256`: what the whole is to be; `validator`: the server's strong ETag.
    """

    name: str
    source: str
    sha256: str | None = None
    validator: str | None = None
    size_bytes: int | None = None

    def is_of(self, other: Origin) -> bool:
        """Whether both speak of the same bytes."""
        return (self.name, self.source, self.sha256) == (other.name, other.source, other.sha256)


class Partial:
    """The half file of one model. Not for two users at once: see `InstalledModels.locked`."""

    def __init__(self, folder: Path, origin: Origin) -> None:
        self.path = folder / f"{origin.name}.part"
        self._note = folder / f"{origin.name}.json"
        self._hash = hashlib.sha256()
        self._file: BinaryIO | None = None
        self.size_bytes = 0
        self.origin = origin

    @contextmanager
    def opened(self) -> Iterator[Partial]:
        """Opens the half file for writing; what an earlier try left is kept until `restart` or `take_up`.

        A file that is still empty at the end is removed.

        Raises: DownloadFailed if the folder can't be written.
        """
        with _as_errors():
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = self.path.open("r+b" if self.path.exists() else "w+b")
        try:
            yield self
        finally:
            with suppress(OSError):
                self._file.close()
            self._file = None
            with suppress(OSError):
                if self.path.stat().st_size == 0:  # nothing came: nothing to go on with
                    self.remove()

    def take_up(self, sha256: str | None = None) -> None:
        """Goes on with the bytes of an earlier try if they are of the same file: hashes them again, which takes time.

        `sha256`: what the whole file is to be, if that is known. Raises: StorageFull.
        """
        self.origin = replace(self.origin, sha256=sha256)
        known = read_origin(self._note)
        if known is None or not known.is_of(self.origin):
            self.restart()
            return
        with self._writing() as file:
            file.seek(0)
            self._hash, self.size_bytes, self.origin = hashlib.sha256(), 0, known
            while block := file.read(BLOCK_BYTES):
                self._hash.update(block)
                self.size_bytes += len(block)

    @property
    def digest(self) -> str:
        """The SHA-256 of the bytes so far, as hexadecimal text."""
        return self._hash.hexdigest()

    def restart(self, *, validator: str | None = None, size_bytes: int | None = None) -> None:
        """Forgets the bytes so far and notes what will come. Raises: StorageFull."""
        with self._writing() as file:
            file.seek(0)
            file.truncate()
            self._hash, self.size_bytes = hashlib.sha256(), 0
            self.origin = replace(self.origin, validator=validator, size_bytes=size_bytes)
            self._note.write_text(json.dumps(asdict(self.origin)), encoding="utf-8")

    def append(self, data: bytes) -> None:
        """Adds bytes at the end. Raises: StorageFull; then the half file is gone, so that the rest can go on."""
        with self._writing() as file:
            file.write(data)
        self._hash.update(data)
        self.size_bytes += len(data)

    def finish(self) -> None:
        """Puts the bytes safely on the disk. Raises: StorageFull."""
        with self._writing() as file:
            file.flush()
            os.fsync(file.fileno())

    def remove(self) -> None:
        """Deletes the half file and what is known of it."""
        for path in (self.path, self._note):
            with suppress(OSError):
                path.unlink()

    def check_space(self, missing_bytes: int) -> None:
        """Says before the first byte whether the disk has room. Raises: StorageFull."""
        free = shutil.disk_usage(self.path.parent).free
        if free < missing_bytes + KEPT_FREE_BYTES:
            raise StorageFull(
                f"The model needs {missing_bytes / 1e6:,.0f} MB more and {free / 1e6:,.0f} MB are free on its disk.",
                hint="Free some disk space (models you no longer need: intramuros models remove NAME), then try again.",
                needed_bytes=missing_bytes + KEPT_FREE_BYTES,
                free_bytes=free,
            )

    @contextmanager
    def _writing(self) -> Iterator[BinaryIO]:
        assert self._file is not None
        try:
            with _as_errors():
                yield self._file
        except StorageFull:
            self.remove()
            with suppress(OSError):
                self._file.truncate(0)
            raise


def read_origin(note: Path) -> Origin | None:
    """What is known of a half file; None if nothing can be read."""
    try:
        return Origin(**json.loads(note.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def as_storage_error(error: OSError) -> StorageFull | DownloadFailed:
    """Says in plain words why something could not be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StorageFull(
            "The disk is full. What was fetched of the model was removed; nothing else was changed.",
            hint="Free some disk space, then fetch the model again.",
        )
    return DownloadFailed(
        f"The model can't be written to its folder: {error.strerror or 'input/output error'}.",
        hint="Check the rights of the data folder's subfolder 'models'.",
    )


def copied(path: Path, partial: Partial) -> Iterator[tuple[int, int]]:
    """Copies a file of this machine into a half file, a piece a step: yields the bytes so far and in all.

    Raises: ModelFileError if it can't be read, StorageFull.
    """
    try:
        with path.open("rb") as source:
            total = os.fstat(source.fileno()).st_size
            partial.restart(size_bytes=total)
            partial.check_space(total)
            while block := source.read(PIECE_BYTES):
                partial.append(block)
                yield partial.size_bytes, total
    except OSError as error:
        raise ModelFileError(f"The file can't be read: {error.strerror or 'input/output error'}.", hint="") from error


@contextmanager
def _as_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise as_storage_error(error) from error
