"""How audit records hang together: each record's hash covers the one before it, and the last one is sealed.

Called by `audit.record` to append and by `audit.verify` to check. A chain alone does not show that its end was cut
off, so the number and hash of the last record are kept sealed under a key that is not in the database.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import Any

from intramuros.errors import StorageCorrupt
from intramuros.security.crypto import open_sealed, seal

HEAD_FACT = "audit_head"
GENESIS = bytes(32)

_CONTEXT = b"audit head"


@dataclass(frozen=True, slots=True)
class Head:
    """The last record: its number and its hash."""

    sequence: int = 0
    hash: bytes = GENESIS


@dataclass(frozen=True, slots=True)
class Record:
    """One finished request, without its hash."""

    id: str
    at: float
    actor: str | None
    credential: str | None
    action: str
    object: str | None
    outcome: str
    facts: dict[str, Any]


def link(head: Head, record: Record) -> Head:
    """The head after `record`: SHA-256 over the hash before it and the record as canonical JSON."""
    fields = [
        head.sequence + 1,
        record.id,
        record.at,
        record.actor,
        record.credential,
        record.action,
        record.object,
        record.outcome,
        record.facts,
    ]
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return Head(head.sequence + 1, hashlib.sha256(head.hash + text.encode()).digest())


def sealed(head: Head, key: bytes) -> str:
    """The head as the text kept in the facts."""
    return b64encode(seal(key, head.sequence.to_bytes(8, "big") + head.hash, context=_CONTEXT)).decode()


def unsealed(text: str | None, key: bytes) -> Head:
    """The head in that text; none yet is the beginning.

    Raises: StorageCorrupt if it was not written with this key.
    """
    if text is None:
        return Head()
    try:
        plain = open_sealed(key, b64decode(text, validate=True), context=_CONTEXT)
    except ValueError as error:
        raise StorageCorrupt("The audit's seal is not one.") from error
    return Head(int.from_bytes(plain[:8], "big"), plain[8:])
