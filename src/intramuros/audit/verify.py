"""Checks that no audit record was changed, removed, reordered or cut off. Called by the command line and self-tests.

The chain shows every change made without the audit's key. Checkpoints kept in a second place show as well that an
older state of the database was put back, and changes by somebody who has the key but can't write there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from intramuros.audit.chain import HEAD_FACT, Head, Record, link, unsealed
from intramuros.audit.statement import CHECKPOINT, SEGMENT, Statement, existing_signer, kept, of_line
from intramuros.errors import StorageCorrupt
from intramuros.storage import facts
from intramuros.storage.schema import audit

OWN, COPY = "the database", "the second place"


@dataclass(frozen=True, slots=True)
class Verification:
    """Whether the audit holds, and if not, the first record that is wrong and why. `head` is worth noting elsewhere."""

    ok: bool
    records: int
    first_bad: int | None = None
    reason: str = ""
    head: str = ""
    first: int = 1
    """The first record that is there; those before it were removed by retention."""
    checkpoints: int = 0
    copied: int = 0
    """Checkpoints in the second place."""
    unread: int = 0
    """Lines there that are none."""


class Wrong(Exception):
    """What was found: `first_bad` is the record."""

    def __init__(self, first_bad: int | None, reason: str) -> None:
        super().__init__(reason)
        self.first_bad, self.reason = first_bad, reason


@dataclass(slots=True)
class Checkpoints:
    """The hashes that were signed, by record."""

    public: bytes | None
    """None: nothing was signed yet, so whatever claims to be is not."""
    hashes: dict[int, list[tuple[bytes, str]]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=lambda: {OWN: 0, COPY: 0})
    unread: int = 0

    def add(self, statement: Statement, place: str) -> None:
        """Raises: Wrong if it was not signed with the key."""
        if statement.kind != CHECKPOINT:
            return
        if self.public is None or not statement.is_by(self.public):
            raise Wrong(
                statement.sequence, f"a checkpoint in {place} was changed, or signed with another key than expected"
            )
        self.hashes.setdefault(statement.sequence, []).append((statement.hash, place))
        self.counts[place] += 1

    def read(self, lines: Iterable[str]) -> None:
        """Adds what a second place holds; a line a full disk cut short is not an attack."""
        for line in lines:
            try:
                statement = of_line(line)
            except ValueError:
                self.unread += bool(line.strip())
            else:
                self.add(statement, COPY)

    def compare(self, head: Head) -> None:
        """Raises: Wrong if another record was signed under this number."""
        for signed, place in self.hashes.get(head.sequence, ()):
            if signed != head.hash:
                raise Wrong(
                    head.sequence, f"the records up to here are not those of a signed checkpoint in {place}: rewritten"
                )

    def end(self, head: Head) -> None:
        """Raises: Wrong if a later record was signed than the last there is."""
        beyond = max(self.hashes, default=0)
        if beyond > head.sequence:
            place = self.hashes[beyond][0][1]
            raise Wrong(
                head.sequence + 1,
                f"{place} has a signed checkpoint of record {beyond}: the last records were removed, or an older"
                " database was put back",
            )


def verify(
    connection: Connection, *, key: bytes, public: bytes | None = None, copies: Iterable[str] = ()
) -> Verification:
    """Reads all records in order and compares them with their hashes, the sealed end and every signed checkpoint.

    `public` is the key that must have signed; else the one of this database, which `key` unseals.
    """
    head, records, first = Head(), 0, 1
    try:
        public = _public(connection, key, public)
        checkpoints = Checkpoints(public)
        head = _beginning(connection, public)
        first = head.sequence + 1
        _gather(connection, checkpoints, copies)
        checkpoints.compare(head)
        rows = connection.execution_options(yield_per=1000).execute(select(audit).order_by(audit.c.sequence))
        for row in rows:
            head = followed(head, row.sequence, record_of(row), row.hash)
            records += 1
            checkpoints.compare(head)
        _compare_seal(connection, head, key)
        checkpoints.end(head)
    except Wrong as wrong:
        return Verification(False, records, wrong.first_bad, wrong.reason, first=first)
    except ValueError:  # facts that are not JSON any more
        return Verification(False, records, head.sequence + 1, "the record can't be read", first=first)
    return Verification(
        True,
        records,
        head=head.hash.hex(),
        first=first,
        checkpoints=checkpoints.counts[OWN],
        copied=checkpoints.counts[COPY],
        unread=checkpoints.unread,
    )


def followed(head: Head, sequence: int, record: Record, expected: bytes) -> Head:
    """The head after a record that says it is number `sequence` and has the hash `expected`.

    Raises: Wrong.
    """
    number = head.sequence + 1
    if sequence < number:
        raise Wrong(sequence, "the record is not in its place")
    if sequence > number:
        raise Wrong(number, "a record is missing")
    after = link(head, record)
    if after.hash != expected:
        raise Wrong(number, "the record, or one before it, was changed")
    return after


def segments_end(segments: Iterable[Statement], public: bytes | None) -> Head:
    """The head where the records that are left begin, after those that retention removed.

    Raises: Wrong if the summaries of what was removed are not whole.
    """
    head = Head()
    for segment in segments:
        said = segment.said
        if public is None or not segment.is_by(public):
            raise Wrong(head.sequence + 1, "the summary of removed records was changed, or signed with another key")
        if (said.get("first"), said.get("before")) != (head.sequence + 1, head.hash.hex()):
            raise Wrong(head.sequence + 1, "a summary of removed records is missing")
        head = segment.head
    return head


def _beginning(connection: Connection, public: bytes | None) -> Head:
    try:
        return segments_end(kept(connection, SEGMENT), public)
    except ValueError as error:
        raise Wrong(1, "the summary of removed records can't be read") from error


def _gather(connection: Connection, checkpoints: Checkpoints, copies: Iterable[str]) -> None:
    try:
        for statement in kept(connection, CHECKPOINT):
            checkpoints.add(statement, OWN)
    except ValueError as error:
        raise Wrong(None, "a checkpoint in the database can't be read") from error
    checkpoints.read(copies)


def _public(connection: Connection, key: bytes, expected: bytes | None) -> bytes | None:
    try:
        signer = existing_signer(connection, key=key, instance="")
    except StorageCorrupt as error:
        raise Wrong(None, "the seal on the signing key was changed") from error
    if expected is not None and signer is not None and signer.public != expected:
        raise Wrong(None, "the database signs with another key than the one given")
    return expected or (signer.public if signer else None)


def record_of(row: object) -> Record:
    """The record in a row of the table."""
    names = ("id", "at", "actor", "credential", "action", "object", "outcome", "facts")
    return Record(*(getattr(row, name) for name in names))


def _compare_seal(connection: Connection, head: Head, key: bytes) -> None:
    try:
        expected = unsealed(facts.get(connection, HEAD_FACT), key)
    except StorageCorrupt as error:
        raise Wrong(None, "the seal on the last record was changed") from error
    if head.sequence < expected.sequence:
        raise Wrong(head.sequence + 1, "the last records were removed")
    if head.sequence > expected.sequence:
        raise Wrong(expected.sequence + 1, "records were added from outside")
    if head != expected:
        raise Wrong(head.sequence, "the records were rewritten")
