"""Authenticated encryption: small values sealed whole, and streams in segments for files of any size.

Called by `security.keys`, `storage.blobs` and whoever keeps a value that must not be read or changed. It knows no
files, keys' origins or tables. A change of one bit, a wrong key or a wrong context gives one error: StorageCorrupt.

A sealed value is `01 ‖ nonce(12) ‖ AES-256-GCM`. A stream is `"IMS1" ‖ salt(32) ‖ segment…`, each segment 64 KiB of
plaintext (the last may be shorter or empty) and its 16-byte tag, under a key made for this stream alone from key,
salt and context; the nonce is the segment's number and whether it is the last, so that segments can't be cut off,
reordered, repeated or moved to another stream.

Source: Hoang, Reyhanitabar, Rogaway, Vizár, "Online Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance"
(STREAM); NIST SP 800-38D; RFC 5869.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from intramuros.errors import StorageCorrupt
from intramuros.security.quick_calls import random_bytes

KEY_BYTES = 32
SEGMENT_BYTES = 64 * 1024

_VERSION = b"\x01"
_MAGIC = b"IMS1"
_SALT_BYTES = 32
_NONCE_BYTES = 12
_TAG_BYTES = 16


class Readable(Protocol):
    """Anything with `read(size)`: a file, a buffer, a socket's file."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none at the end."""
        ...


class Writable(Protocol):
    """Anything with `write(data)`."""

    def write(self, data: bytes, /) -> object:
        """Takes all of `data`."""
        ...


class Pulled:
    """Reads from pieces that are made as they are asked for."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._rest = pieces, b""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none at the end."""
        if not self._rest:
            self._rest = next(self._pieces, b"")
        data, self._rest = self._rest[:size], self._rest[size:]
        return data


def derive(key: bytes, purpose: str, *, salt: bytes | None = None) -> bytes:
    """A 32-byte key for one purpose, from a key that has full entropy.

    Source: RFC 5869 (HKDF-SHA256).
    """
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=salt, info=b"intramuros:" + purpose.encode()).derive(key)


class Sealer:
    """Seals many small values with one key and context, as `seal` does, and sets the cipher up once.

    Safe to use from many threads.
    """

    def __init__(self, key: bytes, *, context: bytes) -> None:
        self._cipher, self._bound_to = AESGCM(key), _VERSION + context

    def seal(self, plaintext: bytes) -> bytes:
        """Encrypts one, so that only the same key and the same context open it."""
        nonce = random_bytes(_NONCE_BYTES)
        return _VERSION + nonce + self._cipher.encrypt(nonce, plaintext, self._bound_to)


def seal(key: bytes, plaintext: bytes, *, context: bytes) -> bytes:
    """Encrypts a small value so that only the same key and the same context open it."""
    return Sealer(key, context=context).seal(plaintext)


def open_sealed(key: bytes, sealed: bytes, *, context: bytes) -> bytes:
    """Decrypts what `seal` made.

    Raises: StorageCorrupt if the key or the context is another, or a bit was changed.
    """
    head = len(_VERSION) + _NONCE_BYTES
    if sealed[: len(_VERSION)] != _VERSION or len(sealed) < head + _TAG_BYTES:
        raise StorageCorrupt("A sealed value is not one of Intramuros, or is cut off.")
    try:
        return AESGCM(key).decrypt(sealed[len(_VERSION) : head], sealed[head:], _VERSION + context)
    except InvalidTag as error:
        raise StorageCorrupt("A sealed value was changed, or belongs to another key or place.") from error


def encrypt_stream(key: bytes, reader: Readable, writer: Writable, *, context: bytes) -> None:
    """Encrypts everything `reader` gives into `writer`, in constant memory."""
    salt = secrets.token_bytes(_SALT_BYTES)
    cipher = _stream_cipher(key, salt, context)
    writer.write(_MAGIC + salt)
    for number, segment, is_last in _segments(reader, SEGMENT_BYTES):
        writer.write(cipher.encrypt(_nonce(number, is_last), segment, None))


def decrypt_stream(key: bytes, reader: Readable, writer: Writable, *, context: bytes) -> None:
    """Decrypts a stream into `writer`; each segment is checked before it is written.

    Raises: StorageCorrupt as soon as something is not as it was written. What was written before that is genuine
    but incomplete: the caller throws it away.
    """
    for piece in decrypted(key, reader, context=context):
        writer.write(piece)


def decrypted(key: bytes, reader: Readable, *, context: bytes) -> Iterator[bytes]:
    """The same, segment by segment: whoever has read enough need not read on. Raises: StorageCorrupt."""
    head = _read_exactly(reader, len(_MAGIC) + _SALT_BYTES)
    if head[: len(_MAGIC)] != _MAGIC or len(head) < len(_MAGIC) + _SALT_BYTES:
        raise StorageCorrupt("A stored file has lost its beginning.")
    cipher = _stream_cipher(key, head[len(_MAGIC) :], context)
    for number, segment, is_last in _segments(reader, SEGMENT_BYTES + _TAG_BYTES):
        try:
            piece = cipher.decrypt(_nonce(number, is_last), segment, None)
        except InvalidTag as error:
            raise StorageCorrupt("A stored file was changed, cut off, or belongs to another key or place.") from error
        yield piece


def _stream_cipher(key: bytes, salt: bytes, context: bytes) -> AESGCM:
    return AESGCM(derive(key, "stream:" + context.hex(), salt=salt))


def _nonce(number: int, is_last: bool) -> bytes:
    return number.to_bytes(_NONCE_BYTES - 1, "big") + (b"\x01" if is_last else b"\x00")


def _segments(reader: Readable, size: int) -> Iterator[tuple[int, bytes, bool]]:
    """The stream cut into segments of `size`, each with its number and whether it is the last."""
    number, segment = 0, _read_exactly(reader, size)
    while True:
        following = _read_exactly(reader, size) if len(segment) == size else b""
        yield number, segment, not following
        if not following:
            return
        number, segment = number + 1, following


def _read_exactly(reader: Readable, size: int) -> bytes:
    """Up to `size` bytes, short only at the end of the stream."""
    data = reader.read(size)
    while data and len(data) < size and (more := reader.read(size - len(data))):
        data += more
    return data
