"""A small file beside the database that tells a wrong key from a damaged first page; SQLCipher can't.

Called by `storage.database`. It holds a value derived from the key, from which nothing leads back to the key.
"""

from __future__ import annotations

import os
from pathlib import Path

from intramuros.security.crypto import derive


def write(path: Path, key: bytes) -> None:
    """Makes the check for the database at `path`."""
    descriptor = os.open(path.with_suffix(".check"), os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(_value(key))
        file.flush()
        os.fsync(file.fileno())


def is_right(path: Path, key: bytes) -> bool:
    """Whether the database at `path` was made with this key; no, if its check is gone."""
    try:
        return path.with_suffix(".check").read_bytes() == _value(key)
    except OSError:
        return False


def _value(key: bytes) -> bytes:
    return derive(key, "database key check").hex().encode()
