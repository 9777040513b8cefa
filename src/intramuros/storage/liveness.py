"""Which process still lives: each holds a lock on a file of its own, and the system lets go of it with the process.

Called by whoever leaves something half done under its name (the audit's open rows) and must tell a dead one's from
a living one's, in any container that shares the folder. It knows not what was half done.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
from pathlib import Path

_NAME = re.compile(r"[0-9]{1,10}-[0-9a-f]{16}")


class Holder:
    """This process's name among those that use `folder`, alive until `close` or the process's end."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self.name = f"{os.getpid()}-{secrets.token_hex(8)}"
        self._descriptor = os.open(self._path(self.name), os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def is_alive(self, name: str) -> bool:
        """Whether the holder of this name still lives; a name nobody ever had counts as dead."""
        if not _NAME.fullmatch(name):
            return False
        if name == self.name:
            return True
        try:
            descriptor = os.open(self._path(name), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return False
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)

    def sweep(self) -> None:
        """Removes the files of holders that are dead."""
        for path in self._folder.glob("*.alive"):
            if not self.is_alive(path.stem):
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """Ends the holder: others may take over what it left."""
        self._path(self.name).unlink(missing_ok=True)
        os.close(self._descriptor)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.alive"
