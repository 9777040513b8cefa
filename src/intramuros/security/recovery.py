"""The recovery key: printed once, it opens the data when the usual key is lost.

Called by `security.keys`. What is kept is a public key alone: whatever is wrapped for it, also later and without the
recovery key at hand, opens only with the words on paper. It knows no files.

`imr-` and eleven groups of four: 200 random bits and a check of 20, in Crockford's alphabet (no i, l, o, u). Case,
spaces and hyphens don't matter. Source: RFC 7748 (X25519), RFC 5869; the box is an ephemeral key's, as in RFC 9180.
"""

from __future__ import annotations

import hashlib
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from intramuros.errors import StorageCorrupt, WrongKey
from intramuros.security.crypto import derive, open_sealed, seal

PREFIX = "imr"
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_MISREAD = str.maketrans("oil", "011")
_SECRET_BYTES, _SECRET_LETTERS, _CHECK_LETTERS = 25, 40, 4
_PUBLIC_BYTES = 32
_HINT = "Type all eleven groups as they were printed; case and spaces don't matter."


def new_words() -> str:
    """A new recovery key, as it is printed."""
    return _words(secrets.token_bytes(_SECRET_BYTES))


def public_of(words: str) -> bytes:
    """The public key to wrap for. Raises: WrongKey if these can't be the words of a recovery key."""
    return _private(words).public_key().public_bytes_raw()


def fingerprint(public: bytes) -> str:
    """Eight characters that tell recovery keys apart; they open nothing."""
    return hashlib.sha256(public).hexdigest()[:8]


def box(public: bytes, plaintext: bytes, *, context: bytes) -> bytes:
    """Wraps a value for whoever holds the recovery key."""
    own = X25519PrivateKey.generate()
    sender = own.public_key().public_bytes_raw()
    shared = own.exchange(X25519PublicKey.from_public_bytes(public))
    return sender + seal(_box_key(shared, sender, public), plaintext, context=context)


def unbox(words: str, boxed: bytes, *, context: bytes) -> bytes:
    """What `box` wrapped. Raises: WrongKey if it was wrapped for another recovery key, or changed."""
    private = _private(words)
    sender, sealed = boxed[:_PUBLIC_BYTES], boxed[_PUBLIC_BYTES:]
    try:
        shared = private.exchange(X25519PublicKey.from_public_bytes(sender))
        key = _box_key(shared, sender, private.public_key().public_bytes_raw())
        return open_sealed(key, sealed, context=context)
    except (ValueError, InvalidTag, StorageCorrupt) as error:
        raise WrongKey(
            "This recovery key does not open this data.", hint="Each installation has its own; look for another one."
        ) from error


def _words(secret: bytes) -> str:
    letters = _letters(int.from_bytes(secret), _SECRET_LETTERS) + _check(secret)
    return "-".join([PREFIX, *(letters[at : at + 4] for at in range(0, len(letters), 4))])


def _private(words: str) -> X25519PrivateKey:
    return X25519PrivateKey.from_private_bytes(derive(_secret(words), "recovery"))


def _secret(words: str) -> bytes:
    letters = "".join(words.split()).replace("-", "").lower().removeprefix(PREFIX).translate(_MISREAD)
    if len(letters) != _SECRET_LETTERS + _CHECK_LETTERS or set(letters) - set(_ALPHABET):
        raise WrongKey("This is not a recovery key: it has eleven groups of four letters and digits.", hint=_HINT)
    number = 0
    for letter in letters[:_SECRET_LETTERS]:
        number = number * 32 + _ALPHABET.index(letter)
    secret = number.to_bytes(_SECRET_BYTES)
    if _check(secret) != letters[_SECRET_LETTERS:]:
        raise WrongKey("The recovery key has a typing error: its check does not fit.", hint=_HINT)
    return secret


def _check(secret: bytes) -> str:
    return _letters(int.from_bytes(hashlib.sha256(b"intramuros recovery" + secret).digest()[:4]) >> 12, _CHECK_LETTERS)


def _letters(number: int, length: int) -> str:
    return "".join(_ALPHABET[number >> 5 * place & 31] for place in reversed(range(length)))


def _box_key(shared: bytes, sender: bytes, public: bytes) -> bytes:
    return derive(shared, "recovery box", salt=sender + public)
