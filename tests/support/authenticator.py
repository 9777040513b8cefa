"""A software authenticator, as a browser and its security key would answer; each of its habits can be spoilt.

ECDSA P-256, attestation "none", discoverable credentials. Source: W3C Web Authentication Level 3, sections 6 and 7.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

UP, UV, AT = 0x01, 0x04, 0x40


def plain(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def coded(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


@dataclass
class Authenticator:
    """One key at one site. `count` is what it says it was used; `is_verifying` whether it asks for a finger."""

    origin: str = "http://localhost:8777"
    site: str = "localhost"
    is_verifying: bool = True
    count: int = 0
    handle: bytes = b""
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def make(self, options: dict[str, Any], *, kind: str = "webauthn.create") -> dict[str, Any]:
        """What `navigator.credentials.create` gives."""
        self.handle = plain(options["user"]["id"])
        point = self.key.public_key().public_numbers()
        cose = {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")}
        attested = bytes(16) + len(self.credential_id).to_bytes(2, "big") + self.credential_id + cbor2.dumps(cose)
        data = self._data(AT) + attested
        statement = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        return self._credential(
            clientDataJSON=coded(self._client(kind, options["challenge"])), attestationObject=coded(statement)
        )

    def show(self, options: dict[str, Any], *, kind: str = "webauthn.get") -> dict[str, Any]:
        """What `navigator.credentials.get` gives."""
        self.count += 1
        data, client = self._data(0), self._client(kind, options["challenge"])
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(SHA256()))
        return self._credential(
            clientDataJSON=coded(client),
            authenticatorData=coded(data),
            signature=coded(signature),
            userHandle=coded(self.handle),
        )

    def _data(self, flags: int) -> bytes:
        flags |= UP | (UV if self.is_verifying else 0)
        return hashlib.sha256(self.site.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big")

    def _client(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}).encode()

    def _credential(self, **response: str) -> dict[str, Any]:
        name = coded(self.credential_id)
        return {"id": name, "rawId": name, "type": "public-key", "response": response}
