"""Files and folders that are on the disk, and for nobody but the user whom this process runs as.

Called by what keeps keys, and by whatever must know that the disk has a file.
"""

from __future__ import annotations

import os
from pathlib import Path

from intramuros.errors import StorageError


def write_new(path: Path, content: bytes) -> None:
    """Writes a file that nobody else may read. Raises: StorageError, also where there is one."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise StorageError(f"{path} can't be written: {error.strerror}.") from error
    sync(path.parent)


def sync(path: Path) -> None:
    """Puts a folder's names, or a file's content, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def private_folder(folder: Path) -> None:
    """Makes the folder and those above it that are missing, for this user alone."""
    for missing in reversed([f for f in (folder, *folder.parents) if not f.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)
