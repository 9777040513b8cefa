"""What the database has to say about checkpoints that are kept somewhere else. Called by `audit.copying`."""

from __future__ import annotations

from sqlalchemy import Connection, select

from intramuros.audit.chain import Head
from intramuros.audit.statement import SEGMENT, Statement, existing_signer, latest
from intramuros.storage import durability, facts
from intramuros.storage.database import Database
from intramuros.storage.schema import audit

BEGUN_FACT = "audit_copies"


class Vouched:
    """One database's side of a second place. `key` unseals its signing key."""

    def __init__(self, database: Database, *, key: bytes) -> None:
        self._database = database
        self._key = key
        self._begun: set[str] = set()

    def contradiction(self, checkpoint: Statement) -> str | None:
        """What is wrong, if the record a checkpoint is about is not there as it was then."""
        with self._database.read() as connection:
            signer = existing_signer(connection, key=self._key, instance="")
            if signer is None or not checkpoint.is_by(signer.public):
                return "it holds a checkpoint signed with another key"
            head = _head_at(connection, checkpoint.sequence)
        if head is None:
            return f"it vouches for record {checkpoint.sequence}, which the database does not have: {OLDER}"
        if head.sequence == checkpoint.sequence and head.hash != checkpoint.hash:
            return f"it vouches for another record {checkpoint.sequence} than the database has: {OLDER}"
        return None

    def settle(self) -> None:
        """Makes what was committed survive a power cut."""
        durability.settle(self._database)

    def has_begun(self, place: str) -> bool:
        """Whether something was copied there before."""
        if place not in self._begun:
            with self._database.read() as connection:
                self._begun |= set(facts.get(connection, BEGUN_FACT, []))
        return place in self._begun

    def begin(self, place: str) -> None:
        """Remembers that from now on something is there."""
        if self.has_begun(place):
            return
        with self._database.write() as connection:
            facts.put(connection, BEGUN_FACT, sorted({*facts.get(connection, BEGUN_FACT, []), place}))
        self._begun.add(place)


OLDER = "an older database was put back, or its last records were removed"


def _head_at(connection: Connection, sequence: int) -> Head | None:
    """The head when this was the last record; a later one if retention removed it; None if it is not there."""
    found = connection.scalar(select(audit.c.hash).where(audit.c.sequence == sequence))
    if found is not None:
        return Head(sequence, found)
    try:
        segment = latest(connection, SEGMENT)
    except ValueError:
        return None
    return segment.head if segment and segment.sequence >= sequence else None
