from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from intramuros.errors import BadRequest
from intramuros.security import signing


def test_the_published_example() -> None:
    """RFC 8032, section 7.1, test 3."""
    private = bytes.fromhex("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7")
    public = bytes.fromhex("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025")
    signature = bytes.fromhex(
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
    )
    assert signing.public_of(private) == public
    assert signing.sign(private, b"\xaf\x82") == signature
    assert signing.is_signed(public, b"\xaf\x82", signature)


def test_one_changed_bit_is_seen() -> None:
    private = signing.new_key()
    public, signature = signing.public_of(private), signing.sign(private, b"message")
    assert signing.is_signed(public, b"message", signature)
    assert not signing.is_signed(public, b"messagf", signature)
    assert not signing.is_signed(signing.public_of(signing.new_key()), b"message", signature)
    assert not signing.is_signed(public, b"message", b"")
    for bit in range(0, 512, 37):
        changed = bytearray(signature)
        changed[bit // 8] ^= 1 << bit % 8
        assert not signing.is_signed(public, b"message", bytes(changed))


def test_the_public_key_goes_through_its_text() -> None:
    public = signing.public_of(signing.new_key())
    text = signing.to_pem(public)
    assert text.startswith("-----BEGIN PUBLIC KEY-----\n")
    assert signing.from_pem(text) == public
    assert len(signing.fingerprint(public)) == signing.FINGERPRINT_LENGTH
    assert signing.fingerprint(public) != signing.fingerprint(signing.public_of(signing.new_key()))


@pytest.mark.parametrize("text", ["", "nonsense", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"])
def test_other_text_is_no_key(text: str) -> None:
    with pytest.raises(BadRequest, match="Ed25519"):
        signing.from_pem(text)


def test_another_kind_of_key_is_refused() -> None:
    other = Ed448PrivateKey.generate().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(BadRequest, match="Ed25519"):
        signing.from_pem(other.decode())
