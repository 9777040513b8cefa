"""Signed statements about the audit: what its head was, what retention removed, what an export holds.

Made by `audit.ledger`, `audit.retention` and `audit.export`; checked by `audit.verify` and by whoever has the public
key. The signature is over exactly the characters of the statement, so any Ed25519 tool can check it.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select

from intramuros.audit.chain import Head
from intramuros.errors import StorageCorrupt
from intramuros.security import signing
from intramuros.security.crypto import open_sealed, seal
from intramuros.storage import facts
from intramuros.storage.schema import audit_signed, now

CHECKPOINT = "checkpoint"
SEGMENT = "segment"
EXPORT = "export"

KEY_FACT = "audit_signing_key"
VERSION = 1

_CONTEXT = b"audit signing key"


@dataclass(frozen=True, slots=True)
class Statement:
    """What is said, and the signature on it. `sequence` and `hash` are the head it is about."""

    kind: str
    sequence: int
    hash: bytes
    text: str
    signature: bytes

    @property
    def said(self) -> dict[str, Any]:
        """All it says."""
        said: dict[str, Any] = json.loads(self.text)
        return said

    @property
    def head(self) -> Head:
        """The head it is about."""
        return Head(self.sequence, self.hash)

    def is_by(self, public: bytes) -> bool:
        """Whether the holder of this key said it."""
        return signing.is_signed(public, self.text.encode(), self.signature)

    def line(self) -> str:
        """It as one line of JSON, without the line's end."""
        return json.dumps({"statement": self.text, "signature": b64encode(self.signature).decode()})


def parsed(text: str, signature: bytes) -> Statement:
    """The statement with this text; its signature is not checked here.

    Raises: ValueError if the text is not a statement.
    """
    said = json.loads(text)
    try:
        kind, sequence, head_hash = str(said["kind"]), said["sequence"], bytes.fromhex(said["hash"])
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("not a statement about the audit") from error
    if type(sequence) is not int or sequence < 0 or said.get("version") != VERSION:
        raise ValueError("not a statement of this version")
    return Statement(kind, sequence, head_hash, text, signature)


def of_line(line: str) -> Statement:
    """The statement in a line, whatever a log put before it.

    Raises: ValueError if there is none.
    """
    begin = line.find('{"statement"')
    if begin < 0:
        raise ValueError("no statement in this line")
    said, _ = json.JSONDecoder().raw_decode(line, begin)
    try:
        return parsed(said["statement"], b64decode(said["signature"], validate=True))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("no statement in this line") from error


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs for one installation."""

    private: bytes
    public: bytes
    instance: str

    def sign(self, kind: str, head: Head, **more: Any) -> Statement:
        """States something about a head, and more."""
        said = {
            "kind": kind,
            "version": VERSION,
            "instance": self.instance,
            "key": signing.fingerprint(self.public),
            "at": round(now(), 3),
            "sequence": head.sequence,
            "hash": head.hash.hex(),
            **more,
        }
        text = json.dumps(said, sort_keys=True, separators=(",", ":"))
        return Statement(kind, head.sequence, head.hash, text, signing.sign(self.private, text.encode()))


def existing_signer(connection: Connection, *, key: bytes, instance: str) -> Signer | None:
    """The signer of this database, if its key was made already. `key` unseals it.

    Raises: StorageCorrupt if it was sealed with another key.
    """
    stored = facts.get(connection, KEY_FACT)
    if stored is None:
        return None
    try:
        private = open_sealed(key, b64decode(stored, validate=True), context=_CONTEXT)
    except (ValueError, TypeError) as error:
        raise StorageCorrupt("The audit's signing key is not one.") from error
    return Signer(private, signing.public_of(private), instance)


def signer(connection: Connection, *, key: bytes, instance: str) -> Signer:
    """The signer of this database; its key is made on first need. Needs a writing transaction."""
    found = existing_signer(connection, key=key, instance=instance)
    if found is not None:
        return found
    private = signing.new_key()
    facts.put(connection, KEY_FACT, b64encode(seal(key, private, context=_CONTEXT)).decode())
    return Signer(private, signing.public_of(private), instance)


def keep(connection: Connection, statement: Statement) -> None:
    """Stores a statement; the same kind about the same record replaces it."""
    row = {
        "kind": statement.kind,
        "sequence": statement.sequence,
        "statement": statement.text,
        "signature": statement.signature,
    }
    connection.execute(insert(audit_signed).prefix_with("OR REPLACE"), row)


def kept(connection: Connection, kind: str, *, after: int = -1, until: int | None = None) -> list[Statement]:
    """The stored statements of a kind about records after and up to these numbers, in order.

    Raises: ValueError if one is not a statement any more.
    """
    query = select(audit_signed).where(audit_signed.c.kind == kind, audit_signed.c.sequence > after)
    if until is not None:
        query = query.where(audit_signed.c.sequence <= until)
    rows = connection.execute(query.order_by(audit_signed.c.sequence)).all()
    statements = [parsed(row.statement, row.signature) for row in rows]
    if any((s.kind, s.sequence) != (row.kind, row.sequence) for s, row in zip(statements, rows, strict=True)):
        raise ValueError("a statement stands under another's name")
    return statements


def latest(connection: Connection, kind: str) -> Statement | None:
    """The stored statement of a kind about the last record.

    Raises: ValueError if it is not a statement any more.
    """
    query = select(audit_signed).where(audit_signed.c.kind == kind).order_by(audit_signed.c.sequence.desc()).limit(1)
    row = connection.execute(query).first()
    return None if row is None else parsed(row.statement, row.signature)
