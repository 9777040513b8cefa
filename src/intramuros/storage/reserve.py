"""A file of zeros that holds some of the disk back, so that erasing still works when the disk is full.

Called by `storage.database`: removing a row writes first (the write-ahead log), and without space even that fails.
"""

from __future__ import annotations

import os
from pathlib import Path

SIZE_BYTES = 8 << 20


class Reserve:
    """The space held back at `path`."""

    def __init__(self, path: Path, *, size_bytes: int = SIZE_BYTES) -> None:
        self._path = path
        self._size_bytes = size_bytes
        self.is_spent = False
        """Whether it was released and not taken back yet."""

    def keep(self) -> None:
        """Takes the space if it is not taken and the disk has twice as much; else it is left for another time."""
        if self._path.exists():
            self.is_spent = False
            return
        disk = os.statvfs(self._path.parent)
        if disk.f_bavail * disk.f_frsize < 2 * self._size_bytes:
            return
        try:
            descriptor = os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except FileExistsError:  # another process was faster
            return
        try:
            os.posix_fallocate(descriptor, 0, self._size_bytes)
            self.is_spent = False
        except OSError:
            self.release()
        finally:
            os.close(descriptor)

    def release(self) -> None:
        """Gives the space to whoever erases now."""
        self.is_spent = True
        self._path.unlink(missing_ok=True)
