"""One server for one data folder: a lock that the system lets go of when its process ends, however it ends.

Called by `server.listen`. The locked file says who holds it, for the message that a second server prints.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from intramuros.errors import AlreadyRunning


class Lock:
    """The lock, held."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, url: str) -> None:
        """Says in the file who holds it and where it listens."""
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, json.dumps({"pid": os.getpid(), "url": url}).encode(), 0)


@contextmanager
def server_lock(folder: Path) -> Iterator[Lock]:
    """Holds the lock of the data folder's servers. Raises: AlreadyRunning."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder / "server.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(descriptor, 0)
        yield Lock(descriptor)
        os.ftruncate(descriptor, 0)
    except BlockingIOError:
        raise _held(os.pread(descriptor, 1000, 0)) from None
    finally:
        os.close(descriptor)


def _held(said: bytes) -> AlreadyRunning:
    try:
        holder = json.loads(said)
        who = f" (process {int(holder['pid'])}, {holder['url']})"
    except (ValueError, KeyError, TypeError):
        who = ""
    return AlreadyRunning(
        f"A server{who} is running on this data folder already.",
        hint="Use that one, stop it first, or give another folder with --data.",
    )
