"""Opens single pages of a SQLCipher database, whatever the database says of them: free ones, old ones in its log.

Called by `storage.images`, for erasure's proof. It knows bytes, no files.

Source: SQLCipher's design, zetetic.net/sqlcipher/design: AES-256-CBC, HMAC-SHA512 over page and number, 80 bytes of
each page reserved for the initialisation vector and the seal; the first 16 bytes of the file are its salt.
"""

from __future__ import annotations

import hashlib
import hmac

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

PAGE_BYTES = 4096
SALT_BYTES = 16
_IV_BYTES, _SEAL_BYTES = 16, 64


class Pages:
    """The pages of the database with this raw key and this salt."""

    def __init__(self, key: bytes, salt: bytes) -> None:
        self._key = key
        self._sealing = hashlib.pbkdf2_hmac("sha512", key, bytes(byte ^ 0x3A for byte in salt), 2, 32)

    def opened(self, page: bytes, number: int) -> bytes | None:
        """A page in plain, without what is reserved; None if its seal is broken or another database's."""
        begin = SALT_BYTES if number == 1 else 0
        end = PAGE_BYTES - _SEAL_BYTES
        made = hmac.digest(self._sealing, page[begin:end] + number.to_bytes(4, "little"), "sha512")
        if not hmac.compare_digest(made, page[end:]):
            return None
        words = end - _IV_BYTES
        decryptor = Cipher(algorithms.AES(self._key), modes.CBC(page[words:end])).decryptor()
        return decryptor.update(page[begin:words]) + decryptor.finalize()
