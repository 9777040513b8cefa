"""Random secrets people and programs carry: API keys, session and invitation tokens.

Called by `accounts`. It makes and recognises them; where they are stored (only as hashes) is not its business.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import string
import zlib

API_KEY_PREFIX = "imk_"

_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_SECRET_BYTES = 20
_SECRET_CHARS = 27  # 62**27 > 2**160
_CHECK_CHARS = 6  # 62**6 > 2**32


def new_api_key() -> str:
    """An API key: `imk_`, 160 random bits in base 62, and a checksum that spots a mistyped or cut one.

    Source: GitHub, "Behind GitHub's new authentication token formats" (2021).
    """
    body = API_KEY_PREFIX + _base62(int.from_bytes(secrets.token_bytes(_SECRET_BYTES), "big"), _SECRET_CHARS)
    return body + _checksum(body)


def is_api_key(text: str) -> bool:
    """Whether a text has the form and the checksum of an API key; says nothing of whether the key exists."""
    if len(text) != len(API_KEY_PREFIX) + _SECRET_CHARS + _CHECK_CHARS or not text.startswith(API_KEY_PREFIX):
        return False
    if not (text.isascii() and text.removeprefix(API_KEY_PREFIX).isalnum()):
        return False
    return _checksum(text[:-_CHECK_CHARS]) == text[-_CHECK_CHARS:]


def new_token() -> str:
    """A token for a session or an invitation: 192 random bits as 32 URL-safe characters."""
    return secrets.token_urlsafe(24)


def token_hash(text: str) -> bytes:
    """What is stored in place of a token. Plain SHA-256 is enough for a secret of 160 random bits."""
    return hashlib.sha256(text.encode()).digest()


def bound_token(token: str, purpose: str) -> str:
    """A second token that only the holder of the first one can know, such as the CSRF token of a session."""
    return hmac.new(token.encode(), purpose.encode(), hashlib.sha256).hexdigest()


def same(one: str, other: str) -> bool:
    """Whether two secrets are equal, in a time that does not tell where they differ."""
    return hmac.compare_digest(one.encode(), other.encode())


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), _CHECK_CHARS)


def _base62(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, digit = divmod(number, 62)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))
