"""The audit as a file others keep, and its verification with nothing but that file and the public key.

Called by `audit.record` and the command line. A verifiable export begins with a signed statement of what it holds; the
records follow, each with its hash, and the checkpoints where they were made. Byte for byte: a file that went through
another tool is another file.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import Connection, func, select

from intramuros.audit import ocsf
from intramuros.audit.chain import Head, Record
from intramuros.audit.statement import CHECKPOINT, EXPORT, SEGMENT, Signer, Statement, kept, parsed
from intramuros.audit.verify import Verification, Wrong, followed, record_of, segments_end
from intramuros.storage.schema import audit


def jsonl(
    connection: Connection, signer: Signer, *, since: float | None = None, until: float | None = None
) -> Iterator[str]:
    """The lines of a verifiable export: the records of a time, and those between them."""
    first, last = _range(connection, since, until)
    begin, end = _head(connection, first - 1), _head(connection, last)
    segments = kept(connection, SEGMENT)
    checkpoints = kept(connection, CHECKPOINT, after=first - 1, until=last)
    header = signer.sign(
        EXPORT,
        end,
        first=first,
        before=begin.hash.hex(),
        checkpoints=len(checkpoints),
        segments=len(segments),
    )
    yield from map(ocsf.statement_event, [header, *segments])
    waiting = {checkpoint.sequence: checkpoint for checkpoint in checkpoints}
    for row in _rows(connection, first, last):
        yield ocsf.event(row.sequence, record_of(row), row.hash)
        if row.sequence in waiting:
            yield ocsf.statement_event(waiting[row.sequence])


def syslog(connection: Connection, *, since: float | None = None, until: float | None = None) -> Iterator[str]:
    """The same records as syslog lines. They carry the hashes, but can't be verified alone."""
    for row in _rows(connection, *_range(connection, since, until)):
        yield ocsf.syslog(row.sequence, record_of(row), row.hash)


def verify_export(lines: Iterable[str], public: bytes) -> Verification:
    """Whether an export is what was exported: nothing in it changed, removed, moved or cut off."""
    reading = _Reading(public)
    try:
        for line in lines:
            reading.take(line.removesuffix("\n"))
        reading.end()
    except Wrong as wrong:
        return Verification(False, reading.records, wrong.first_bad, wrong.reason, first=reading.first)
    return Verification(
        True, reading.records, head=reading.head.hash.hex(), first=reading.first, checkpoints=reading.checkpoints
    )


class _Reading:
    """An export as far as it was read."""

    def __init__(self, public: bytes) -> None:
        self._public = public
        self._header: Statement | None = None
        self._segments: list[Statement] = []
        self.head = Head()
        self.first = 1
        self.records = 0
        self.checkpoints = 0

    def take(self, line: str) -> None:
        """One more line. Raises: Wrong."""
        try:
            unmapped = json.loads(line)["unmapped"]
            is_statement = "statement" in unmapped
            found = _statement(unmapped) if is_statement else _record(unmapped)
            again = ocsf.statement_event(found) if isinstance(found, Statement) else ocsf.event(*found)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
            raise Wrong(self.head.sequence + 1, f"the line after record {self.head.sequence} can't be read") from error
        if self._header is None:
            self._begin(found)
        elif isinstance(found, Statement):
            self._signed(found)
        else:
            self.head = followed(self.head, *found)
            self.records += 1
        if again != line:
            where = f"at record {self.head.sequence}" if self.records else "at the beginning"
            raise Wrong(self.head.sequence, f"a line {where} was changed")

    def end(self) -> None:
        """Raises: Wrong if something is missing."""
        if self._header is None:
            raise Wrong(None, "the file is empty")
        if self.head.sequence < self._header.sequence:
            raise Wrong(
                self.head.sequence + 1,
                f"records {self.head.sequence + 1} to {self._header.sequence} are missing at the end",
            )
        said = self._header.said
        if self.head != self._header.head:
            raise Wrong(self.head.sequence, "the records are not those that were exported")
        if (self.checkpoints, len(self._segments)) != (said["checkpoints"], said["segments"]):
            raise Wrong(None, "a checkpoint or summary is missing, or there is one too many")
        removed = segments_end(self._segments, self._public)
        if removed.sequence >= self.first or (removed.sequence == self.first - 1 and removed != self._before(said)):
            raise Wrong(self.first, "the summary of removed records does not fit the records")

    def _begin(self, found: Any) -> None:
        if not isinstance(found, Statement) or found.kind != EXPORT:
            raise Wrong(None, "the file does not begin with the statement of what it holds")
        if not found.is_by(self._public):
            raise Wrong(None, "the file was changed at its beginning, or signed with another key than the one given")
        self._header = found
        self.first = found.said["first"]
        self.head = self._before(found.said)

    def _signed(self, statement: Statement) -> None:
        if not statement.is_by(self._public):
            raise Wrong(statement.sequence, f"a {statement.kind} was changed, or signed with another key")
        if statement.kind == SEGMENT and not self.records:
            self._segments.append(statement)
        elif statement.kind == CHECKPOINT and statement.head == self.head and self.records:
            self.checkpoints += 1
        else:
            raise Wrong(statement.sequence, f"a {statement.kind} is not in its place")

    @staticmethod
    def _before(said: dict[str, Any]) -> Head:
        return Head(said["first"] - 1, bytes.fromhex(said["before"]))


def _statement(unmapped: dict[str, Any]) -> Statement:
    return parsed(unmapped["statement"], b64decode(unmapped["signature"], validate=True))


def _record(unmapped: dict[str, Any]) -> tuple[int, Record, bytes]:
    found = dict(unmapped)
    sequence, record_hash = found.pop("sequence"), bytes.fromhex(found.pop("hash"))
    if type(sequence) is not int:
        raise ValueError("not a number")
    return sequence, Record(**found), record_hash


def _range(connection: Connection, since: float | None, until: float | None) -> tuple[int, int]:
    """The first and the last record; without any, the last is the one before the first.

    Times almost follow the numbers: records between those of the time asked for come along.
    """
    first = select(func.min(audit.c.sequence))
    last = select(func.max(audit.c.sequence))
    end = connection.scalar(last) or 0
    begin = connection.scalar(first if since is None else first.where(audit.c.at >= since))
    if begin is None:
        return end + 1, end
    until_end = connection.scalar(last if until is None else last.where(audit.c.at <= until))
    return begin, max(until_end or 0, begin - 1)


def _head(connection: Connection, sequence: int) -> Head:
    found = connection.scalar(select(audit.c.hash).where(audit.c.sequence == sequence))
    if found is not None:
        return Head(sequence, found)
    segments = kept(connection, SEGMENT)
    return segments[-1].head if segments and segments[-1].sequence == sequence else Head(sequence)


def _rows(connection: Connection, first: int, last: int) -> Iterator[Any]:
    query = select(audit).where(audit.c.sequence.between(first, last)).order_by(audit.c.sequence)
    yield from connection.execution_options(yield_per=1000).execute(query)
