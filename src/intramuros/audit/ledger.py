"""The audit's two tables: openings and closings go in, a chain of records stays.

Called by `audit.record`, from any thread; each call is one transaction. It knows no requests and no event loops. A
closing that can't be written is kept and written with the next: its opening is on the disk, so it can't get lost.

Every so many records the head is signed, in the transaction that makes it the head: that costs some 0.1 ms and no
further commit.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from intramuros.audit.chain import HEAD_FACT, Head, Record, link, sealed, unsealed
from intramuros.audit.entry import Entry
from intramuros.audit.statement import CHECKPOINT, Signer, Statement, keep, latest, signer
from intramuros.errors import AuditUnavailable, StorageCorrupt, StorageError
from intramuros.storage.database import Database
from intramuros.storage.liveness import Holder
from intramuros.storage.schema import audit, audit_open

Step = Entry | Record
"""An opening, or a closing."""

_MAX_UNWRITTEN = 10_000

_log = logging.getLogger(__name__)

# Plain SQL, because these run twice in every request: building statements cost as much as the commit.
_OPEN = "INSERT INTO audit_open (id, opened_at, holder, facts) VALUES (?, ?, ?, ?)"
_CLOSE = "DELETE FROM audit_open WHERE id = ?"
_APPEND = (
    "INSERT INTO audit (sequence, id, at, actor, credential, action, object, outcome, facts, hash)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_LAST = (
    "SELECT (SELECT value FROM facts WHERE name = ?), sequence, hash"
    " FROM (SELECT 1) LEFT JOIN (SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1)"
)
_SEAL = "INSERT INTO facts (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"


@dataclass(frozen=True, slots=True)
class Pace:
    """How often the head is signed: after so many records, or so long after the first that is not signed yet."""

    records: int = 1000
    seconds: float = 300.0


class Ledger:
    """The records of one database. `key` seals the last one; `on_checkpoint` is told each that was committed.

    Raises: AuditUnavailable when the store can't be written, or was changed from outside.
    """

    def __init__(
        self,
        database: Database,
        key: bytes,
        *,
        wait_s: float,
        instance: str = "",
        pace: Pace | None = None,
        on_checkpoint: Callable[[Statement], None] | None = None,
    ) -> None:
        self._database = database
        self._key = key
        self._wait_s = wait_s
        self._instance = instance
        self._pace = pace or Pace()
        self._on_checkpoint = on_checkpoint
        self._signer: Signer | None = None
        self._written = 0  # the last record known to be
        self._signed: int | None = None
        self._unsigned_since = 0.0
        self._lock = threading.Lock()
        self._unwritten: deque[Record] = deque(maxlen=_MAX_UNWRITTEN)
        self._holder: Holder | None = None

    @property
    def is_behind(self) -> bool:
        """Whether closings wait to be written again."""
        return bool(self._unwritten)

    @property
    def checkpoint_due_s(self) -> float | None:
        """Seconds until the head must be signed; None while all that was written here is."""
        if self._signed is None or self._written <= self._signed:
            return None
        return max(0.0, self._unsigned_since + self._pace.seconds - time.monotonic())

    def write(self, steps: Sequence[Step]) -> None:
        """Writes openings and closings, and closings that failed before."""
        openings = [step for step in steps if isinstance(step, Entry)]
        records = [step for step in steps if isinstance(step, Record)]
        with self._lock:
            again = list(self._unwritten)
            self._unwritten.clear()
        try:
            with self._database.write(wait_s=self._wait_s) as connection:
                self._open(connection, openings)
                closings = _missing(connection, again) + records
                head = self._append(connection, closings)
                checkpoint = self._sign(connection, head) if head and self._is_due(head, len(closings)) else None
        except Exception as error:
            self._signer = None  # its key may just have been made, in vain
            with self._lock:
                self._unwritten.extend(again + records)
            raise _unavailable(error) from error
        if head:
            signed = checkpoint.sequence if checkpoint else head.sequence - len(closings)
            self._note(head, signed=signed, checkpoint=checkpoint)

    def checkpoint(self) -> None:
        """Signs the head, if the last one signed is not it."""
        try:
            with self._database.write(wait_s=self._wait_s) as connection:
                head, last = self._head(connection), latest(connection, CHECKPOINT)
                is_new = head.sequence > (last.sequence if last else 0)
                checkpoint = self._sign(connection, head) if is_new else last
        except Exception as error:
            self._signer = None
            self._unsigned_since = time.monotonic()  # the next try is a whole pace away
            raise _unavailable(error) from error
        self._note(head, signed=head.sequence, checkpoint=checkpoint)

    def recover(self) -> int:
        """Closes entries whose process is gone, as interrupted; returns how many."""
        try:
            holder = self._alive()
            with self._database.write(wait_s=self._wait_s) as connection:
                rows = connection.execute(select(audit_open).order_by(audit_open.c.opened_at)).all()
                stale = [_interrupted(row) for row in rows if not holder.is_alive(row.holder)]
                self._append(connection, stale)
        except Exception as error:
            raise _unavailable(error) from error
        holder.sweep()
        return len(stale)

    def close(self) -> None:
        """Ends this process's hold on what it has open."""
        if self._holder is not None:
            self._holder.close()
            self._holder = None

    def _open(self, connection: Connection, entries: Sequence[Entry]) -> None:
        if not entries:
            return
        holder = self._alive().name
        rows = [(e.id, e.opened_at, holder, json.dumps(e.opening(), separators=(",", ":"))) for e in entries]
        connection.exec_driver_sql(_OPEN, rows)

    def _append(self, connection: Connection, records: Sequence[Record]) -> Head | None:
        if not records:
            return None
        head = self._head(connection)
        rows = []
        for record in records:
            head = link(head, record)
            rows.append(_row(record, head))
        connection.exec_driver_sql(_APPEND, rows)
        connection.exec_driver_sql(_CLOSE, [(record.id,) for record in records])
        connection.exec_driver_sql(_SEAL, (HEAD_FACT, json.dumps(sealed(head, self._key))))
        return head

    def _sign(self, connection: Connection, head: Head) -> Statement:
        if self._signer is None:
            self._signer = signer(connection, key=self._key, instance=self._instance)
        checkpoint = self._signer.sign(CHECKPOINT, head)
        keep(connection, checkpoint)
        return checkpoint

    def _is_due(self, head: Head, new: int) -> bool:
        signed = head.sequence - new if self._signed is None else self._signed
        return head.sequence - signed >= self._pace.records

    def _note(self, head: Head, *, signed: int, checkpoint: Statement | None) -> None:
        """Keeps account of what is not signed yet. What others wrote before counts as signed: they see to it."""
        with self._lock:
            if self._signed is None or self._written <= self._signed:
                self._unsigned_since = time.monotonic()
            if self._signed is None or checkpoint:
                self._signed = max(self._signed or 0, signed)
            self._written = max(self._written, head.sequence)
        if checkpoint and self._on_checkpoint:
            self._on_checkpoint(checkpoint)

    def _head(self, connection: Connection) -> Head:
        """The last record, read inside the writing transaction so that no other process appends to the same one.

        Raises: StorageCorrupt if it is not the one that was sealed: going on would hide what was cut off.
        """
        seal, sequence, last_hash = connection.exec_driver_sql(_LAST, (HEAD_FACT,)).one()
        head = Head(sequence, last_hash) if sequence else Head()
        if head != unsealed(json.loads(seal) if seal else None, self._key):
            raise StorageCorrupt("The last audit record is not the one that was written last.")
        return head

    def _alive(self) -> Holder:
        with self._lock:
            if self._holder is None:
                self._holder = Holder(self._database.path.parent / "run")
            return self._holder


def _missing(connection: Connection, records: Sequence[Record]) -> list[Record]:
    """Those that are not written yet: an attempt may have been committed although it reported a failure."""
    if not records:
        return []
    ids = [record.id for record in records]
    written = set(connection.scalars(select(audit.c.id).where(audit.c.id.in_(ids))))
    return [record for record in records if record.id not in written]


def _row(record: Record, head: Head) -> tuple[Any, ...]:
    return (
        head.sequence,
        record.id,
        record.at,
        record.actor,
        record.credential,
        record.action,
        record.object,
        record.outcome,
        json.dumps(record.facts, separators=(",", ":")),
        head.hash,
    )


def _interrupted(row: Any) -> Record:
    known = dict(row.facts)
    named = {name: known.pop(name, None) for name in ("action", "object", "actor", "credential")}
    return Record(id=row.id, at=row.opened_at, outcome="interrupted", facts=known, **named)


def _unavailable(error: Exception) -> AuditUnavailable:
    """Whatever the reason, a request without a record is refused."""
    cause = error.code if isinstance(error, StorageError) else type(error).__name__
    _log.error("the audit can't be written: %s", cause, exc_info=None if isinstance(error, StorageError) else error)
    if isinstance(error, StorageCorrupt):
        return AuditUnavailable(
            "The audit was changed from outside, so requests are refused.",
            hint="See what is wrong with: intramuros audit verify",
            cause=cause,
        )
    return AuditUnavailable(cause=cause)
