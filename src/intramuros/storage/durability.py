"""Makes what is committed survive a power cut, without making any writer wait for the disk.

Called by whoever tells another place that something is stored. It knows the write-ahead log's file and nothing in it.
"""

from __future__ import annotations

import os

from intramuros.storage.database import Database


def settle(database: Database) -> None:
    """Returns when everything committed before is on the disk.

    What is not in the log any more was moved by a checkpoint, which waits for the disk itself.
    Source: sqlite.org/wal.html, "Performance Considerations"; locks are never on the log's own file.
    Raises: OSError.
    """
    log = database.path.with_name(database.path.name + "-wal")
    try:
        descriptor = os.open(log, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
