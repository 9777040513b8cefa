"""Decrypts the pages of a SQLCipher file and of its write-ahead log, erased and free ones too.

This is what somebody with the key and a disk editor sees: the only way to tell whether erased is erased.
Source: SQLCipher 4's design: pages of 4,096 bytes, AES-256-CBC, the last 80 bytes of each are IV and HMAC-SHA512.
"""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

PAGE = 4096
RESERVE = 80
SALT = 16
WAL_HEADER = 32
FRAME_HEADER = 24


def pages(path: Path, key: bytes) -> bytes:
    """Everything in the main file, in clear."""
    raw = path.read_bytes()
    return b"".join(_page(raw[at : at + PAGE], key, is_first=at == 0) for at in range(0, len(raw), PAGE))


def log(path: Path, key: bytes) -> bytes:
    """Everything in the write-ahead log, in clear."""
    file = path.with_name(path.name + "-wal")
    raw = file.read_bytes() if file.exists() else b""
    found = b""
    for at in range(WAL_HEADER, len(raw), FRAME_HEADER + PAGE):
        number = int.from_bytes(raw[at : at + 4], "big")
        found += _page(raw[at + FRAME_HEADER : at + FRAME_HEADER + PAGE], key, is_first=number == 1)
    return found


def _page(raw: bytes, key: bytes, *, is_first: bool) -> bytes:
    iv = raw[PAGE - RESERVE : PAGE - RESERVE + 16]
    decryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
    return decryptor.update(raw[SALT if is_first else 0 : PAGE - RESERVE]) + decryptor.finalize()
