"""Signatures that anyone can check who has the public key, and only the holder of the private key can make: Ed25519.

Called by `audit` for checkpoints and exports. It knows bytes and PEM text; it knows not what is signed, nor where keys
are kept. Keys are their 32 raw bytes.

Source: RFC 8032 (Ed25519), RFC 8410 (its PEM form, as OpenSSL reads it).
"""

from __future__ import annotations

import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from intramuros.errors import BadRequest

FINGERPRINT_LENGTH = 16


def new_key() -> bytes:
    """A new private key. Keep it sealed."""
    return Ed25519PrivateKey.generate().private_bytes_raw()


def public_of(private: bytes) -> bytes:
    """The public key that belongs to a private one."""
    return Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def sign(private: bytes, message: bytes) -> bytes:
    """The signature of a message: 64 bytes, always the same for the same key and message."""
    return Ed25519PrivateKey.from_private_bytes(private).sign(message)


def is_signed(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the signature of this message was made with this key."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def fingerprint(public: bytes) -> str:
    """A short name of a public key: the first 64 bits of its SHA-256, in hexadecimal."""
    return hashlib.sha256(public).hexdigest()[:FINGERPRINT_LENGTH]


def to_pem(public: bytes) -> str:
    """A public key as the text that is handed to others."""
    key = Ed25519PublicKey.from_public_bytes(public)
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def from_pem(text: str) -> bytes:
    """The public key in that text.

    Raises: BadRequest if it is not one.
    """
    try:
        key = load_pem_public_key(text.encode())
    except Exception as error:  # the parser has many, and some are not ValueError
        raise _not_a_key() from error
    if not isinstance(key, Ed25519PublicKey):
        raise _not_a_key()
    return key.public_bytes_raw()


def _not_a_key() -> BadRequest:
    return BadRequest("This is not an Ed25519 public key.", hint="Make one with: intramuros audit public-key")
