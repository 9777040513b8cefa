"""What the database driver says, in the product's words. Called by `storage.database` only.

Constraint violations are not translated: whoever writes knows what a duplicate means.
"""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from intramuros.errors import IntramurosError, StorageBusy, StorageCorrupt, StorageError, StorageFull, WrongKey

_NO_SPACE_BYTES = 1 << 20
_NAMELESS = {
    "database or disk is full": "SQLITE_FULL",
    "disk I/O error": "SQLITE_IOERR",
    "database disk image is malformed": "SQLITE_CORRUPT",
    "file is not a database": "SQLITE_NOTADB",
    "database is locked": "SQLITE_BUSY",
}
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def translated(error: Exception, path: Path, *, is_right_key: bool) -> IntramurosError | None:
    """The error to raise for what the driver said about the database at `path`; None if its own says it better."""
    driver_error = error.orig if isinstance(error, DBAPIError) else error
    name = str(getattr(driver_error, "sqlite_errorname", ""))
    if not name:  # what the copying of a database raises has only words
        name = next((known for words, known in _NAMELESS.items() if words in str(driver_error)), "")
    if name.startswith("SQLITE_NOTADB") and not is_right_key:
        return WrongKey(f"The key does not open the database {path}.")
    if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
        return StorageCorrupt(f"The database {path} is damaged.")
    if name.startswith("SQLITE_FULL"):
        return _full(path)
    if name.startswith("SQLITE_IOERR"):
        return _full(path) if _has_no_space(path) else StorageError(f"The database {path} can't be read or written.")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return StorageBusy()
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM")):
        return StorageError(
            f"The database {path} can't be opened for writing.", hint="Check who owns the data folder and its disk."
        )
    return None


def from_system(error: OSError, path: Path) -> IntramurosError:
    """The error to raise when a file of the store can't be written."""
    if error.errno in _FULL:
        return _full(path)
    return StorageError(f"{path.parent} can't be used: {os.strerror(error.errno or 0)}.")


def _full(path: Path) -> StorageFull:
    return StorageFull(f"There is no space left on the disk of {path.parent}; nothing was changed.")


def _has_no_space(path: Path) -> bool:
    try:
        return shutil.disk_usage(path.parent).free < _NO_SPACE_BYTES
    except OSError:
        return False
