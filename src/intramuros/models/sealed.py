"""Model files that are stored encrypted, and decrypted into memory that nobody can change any more.

Called by `models.installed`, which seals, and by the engines, which load. Each sealed model has a key of its own, kept
in its manifest, wrapped by a key that comes from the data key. The weights never stand readable on a disk: the engine
gets an open, sealed piece of memory (`memfd_create`) in place of a file.

Unlike a file's pages, which the system may drop and read again, that memory stays taken while the engine runs; it
goes to disk only with the system's swap, which should be off or encrypted.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from intramuros.errors import ModelFileError, StorageCorrupt
from intramuros.security.crypto import (
    KEY_BYTES,
    SEGMENT_BYTES,
    Pulled,
    decrypt_stream,
    decrypted,
    encrypt_stream,
    open_sealed,
    seal,
)

SEALED_FILE = "model.sealed"
_HEAD_BYTES, _TAG_BYTES = 36, 16
_CONTEXT = b"model file"
READ_BYTES = 1 << 18
Moved = Callable[[int], None]


def untold(_: int) -> None:
    """For whom it is the same how far it is."""


def new_key(key: bytes) -> tuple[bytes, str]:
    """A key for one model, and the same wrapped by `key`, for its manifest."""
    own = secrets.token_bytes(KEY_BYTES)
    return own, b64encode(seal(key, own, context=_CONTEXT)).decode()


def key_in(wrapped: str, key: bytes) -> bytes:
    """The key in a wrapped one. Raises: StorageCorrupt."""
    return open_sealed(key, b64decode(wrapped), context=_CONTEXT)


def rewrapped(manifest: dict[str, Any], *, old: bytes, new: bytes) -> dict[str, Any]:
    """A manifest whose key is wrapped anew; as it is, if its model is not sealed."""
    if not manifest.get("sealed_key"):
        return manifest
    own = key_in(manifest["sealed_key"], old)
    return {**manifest, "sealed_key": b64encode(seal(new, own, context=_CONTEXT)).decode()}


def stored_bytes(size_bytes: int) -> int:
    """How large a sealed file of this content is."""
    return _HEAD_BYTES + size_bytes + _TAG_BYTES * max(1, -(-size_bytes // SEGMENT_BYTES))


def write(source: Path, target: Path, key: bytes) -> None:
    """Encrypts a model file; when this returns, the new file is on the disk. Raises: OSError."""
    unfinished = target.with_suffix(".part")
    try:
        with (
            source.open("rb") as reader,
            os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as writer,
        ):
            encrypt_stream(key, reader, writer, context=_CONTEXT)
            writer.flush()
            os.fsync(writer.fileno())
        unfinished.rename(target)
    finally:
        unfinished.unlink(missing_ok=True)


def resealed(source: Path, target: Path, *, key: bytes, new_key: bytes) -> None:
    """Encrypts a sealed file anew, under another key. Raises: ModelFileError, OSError."""
    unfinished = target.with_name(f"{target.name}.part")
    try:
        with (
            source.open("rb") as reader,
            os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as writer,
        ):
            encrypt_stream(new_key, Pulled(decrypted(key, reader, context=_CONTEXT)), writer, context=_CONTEXT)
            writer.flush()
            os.fsync(writer.fileno())
        unfinished.rename(target)
    except StorageCorrupt as error:
        raise ModelFileError("The sealed model file was changed or cut off.") from error
    finally:
        unfinished.unlink(missing_ok=True)


def digest(path: Path, key: bytes, *, moved: Moved = untold) -> str:
    """The SHA-256 of the model in a sealed file. Raises: ModelFileError."""
    found = hashlib.sha256()
    _decrypt(path, key, _Told(found.update, moved))
    return found.hexdigest()


def digest_of(path: Path, key: bytes = b"", *, moved: Moved = untold) -> str:
    """The SHA-256 of a file, sealed if there is a key; `moved` is told how many bytes more were read.

    Raises: ModelFileError if it can't be read.
    """
    if key:
        return digest(path, key, moved=moved)
    found = hashlib.sha256()
    told = _Told(found.update, moved)
    try:
        with path.open("rb", buffering=0) as file:
            buffer = memoryview(bytearray(READ_BYTES))
            while size := file.readinto(buffer):
                told.write(buffer[:size])
    except OSError as error:
        raise ModelFileError(f"The file can't be read: {error.strerror or 'input/output error'}.") from error
    return found.hexdigest()


@contextmanager
def loadable(path: Path, key: bytes, *, moved: Moved = untold) -> Iterator[tuple[Path, tuple[int, ...]]]:
    """What an engine is to load, and the descriptors it must inherit for that: the file itself if it has no key.

    `moved` is told how many bytes more were decrypted.
    Raises: ModelFileError if it was changed, or this system has no such memory.
    """
    if not key:
        yield path, ()
        return
    descriptor = _in_memory(path, key, moved)
    try:
        yield Path(f"/proc/self/fd/{descriptor}"), (descriptor,)
    finally:
        os.close(descriptor)


def _in_memory(path: Path, key: bytes, moved: Moved) -> int:
    if not hasattr(os, "memfd_create"):
        raise ModelFileError("Sealed models need Linux.", hint="Fetch the model again without encrypting it.")
    descriptor = os.memfd_create("model", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        with os.fdopen(os.dup(descriptor), "wb") as memory:
            _decrypt(path, key, _Told(memory.write, moved))
        seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    except OSError as error:
        os.close(descriptor)
        raise ModelFileError(f"The model can't be decrypted into memory: {error.strerror}.") from error
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _decrypt(path: Path, key: bytes, writer: Any) -> None:
    try:
        with path.open("rb") as reader:
            decrypt_stream(key, reader, writer, context=_CONTEXT)
    except StorageCorrupt as error:
        raise ModelFileError("The sealed model file was changed or cut off.") from error


class _Told:
    """Passes on what it is given, and tells how much that is."""

    def __init__(self, write: Callable[[Any], object], moved: Moved) -> None:
        self._write, self._moved = write, moved

    def write(self, data: bytes | memoryview, /) -> None:
        self._write(data)
        self._moved(len(data))
