"""Openings and closings go into the journal, closings from there into the chain: the audit's table.

Called by `audit.record`, from any thread; each `write` is one transaction. It knows no requests and no event loops. A
closing that can't be chained now is chained with the next, and if need be by the next process: it is in the journal.

Every so many records the head is signed, in the transaction that makes it the head: that costs some 0.1 ms and no
further commit.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Connection, select

from intramuros.audit.chain import HEAD_FACT, Head, Record, link, sealed, unsealed
from intramuros.audit.entry import Entry
from intramuros.audit.journal import Journal, left_by, names_in
from intramuros.audit.statement import CHECKPOINT, Signer, Statement, keep, latest, signer
from intramuros.errors import AuditUnavailable, StorageBusy, StorageCorrupt, StorageError
from intramuros.security.crypto import derive
from intramuros.storage.database import Database
from intramuros.storage.failures import from_system
from intramuros.storage.liveness import Holder
from intramuros.storage.schema import audit

Step = Entry | Record
"""An opening, or a closing."""

BUSY_S = 30.0
"""How long another writer may keep the chain waiting before requests are refused: their records are in the journal."""

_MAX_UNWRITTEN = 10_000
_ANNOUNCED = "audit_journal:"

_log = logging.getLogger(__name__)

# Plain SQL, because these run for every request: building statements cost as much as the commit.
_APPEND = (
    "INSERT INTO audit (sequence, id, at, actor, credential, action, object, outcome, facts, hash)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_LAST = (
    "SELECT (SELECT value FROM facts WHERE name = ?), sequence, hash"
    " FROM (SELECT 1) LEFT JOIN (SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1)"
)
_ANNOUNCE = "INSERT OR REPLACE INTO facts (name, value) VALUES (?, 'true')"
_WITHDRAW = "DELETE FROM facts WHERE name = ?"
_ANNOUNCEMENTS = f"SELECT substr(name, {len(_ANNOUNCED) + 1}) FROM facts WHERE name LIKE '{_ANNOUNCED}%'"
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
        busy_s: float = BUSY_S,
        instance: str = "",
        pace: Pace | None = None,
        on_checkpoint: Callable[[Statement], None] | None = None,
    ) -> None:
        self._database = database
        self._key = key
        self._wait_s, self._busy_s = wait_s, busy_s
        self._instance = instance
        self._pace = pace or Pace()
        self._on_checkpoint = on_checkpoint
        self._signer: Signer | None = None
        self._written = 0  # the last record known to be
        self._signed: int | None = None
        self._unsigned_since = 0.0
        self._lock = threading.Lock()
        self._unwritten: deque[Record] = deque(maxlen=_MAX_UNWRITTEN)
        self._busy_since: float | None = None
        self._holder: Holder | None = None
        self._journal: Journal | None = None
        self._beginning = threading.Lock()

    @property
    def is_ready(self) -> bool:
        """Whether a request may begin with a line in the journal alone: the chain takes closings, so far."""
        return self._journal is not None and (not self._unwritten or self._is_only_busy)

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

    def open(self, entry: Entry) -> None:
        """Puts an opening on the disk, if what was closed before can be chained."""
        try:
            if self._unwritten and not self._is_only_busy:
                self.write([])
            self._begun().open(entry)
        except OSError as error:
            raise _unavailable(from_system(error, self._journals)) from error
        except StorageError as error:
            raise _unavailable(error) from error

    def close(self, record: Record) -> bool:
        """Puts a closing on the disk, where it waits for `write`; returns whether that could be done."""
        try:
            self._begun().close(record)
        except (OSError, StorageError):
            return False
        return True

    def write(self, records: Sequence[Record]) -> None:
        """Chains closings, and those that could not be chained before."""
        with self._lock:
            again = list(self._unwritten)
            self._unwritten.clear()
        try:
            with self._database.write(wait_s=self._wait_s) as connection:
                closings = _missing(connection, again) + list(records)
                head = self._append(connection, closings)
                checkpoint = self._sign(connection, head) if head and self._is_due(head, len(closings)) else None
        except Exception as error:
            self._signer = None  # its key may just have been made, in vain
            with self._lock:
                self._unwritten.extend([*again, *records])
                if not isinstance(error, StorageBusy):
                    self._busy_since = None
                elif self._busy_since is None:
                    self._busy_since = time.monotonic()
            raise _unavailable(error) from error
        self._busy_since = None
        if self._journal is not None:
            self._journal.settle(record.id for record in [*again, *records])
        if head:
            signed = checkpoint.sequence if checkpoint else head.sequence - len(closings)
            self._note(head, signed=signed, checkpoint=checkpoint)

    def head(self) -> Head:
        """The last record. Raises: AuditUnavailable."""
        try:
            with self._database.read() as connection:
                return self._head(connection)
        except Exception as error:
            raise _unavailable(error) from error

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
        """Chains what processes that are gone left in their journals; returns how many records that were."""
        try:
            holder, folder = self._alive(), self._journals
            with self._database.write(wait_s=self._wait_s) as connection:
                announced = [str(row[0]) for row in connection.exec_driver_sql(_ANNOUNCEMENTS)]
                dead = [name for name in {*announced, *names_in(folder)} if not holder.is_alive(name)]
                left = [left_by(name, folder=folder, key=self._journal_key) for name in dead]
                records = sorted((record for journal in left for record in journal.records), key=lambda r: r.at)
                new = _missing(connection, records)
                self._append(connection, new)
                for name in dead:
                    connection.exec_driver_sql(_WITHDRAW, (_ANNOUNCED + name,))
            for journal in left:
                journal.path.unlink(missing_ok=True)
        except Exception as error:
            raise _unavailable(error) from error
        holder.sweep()
        return len(new)

    def close_journal(self) -> None:
        """Ends this process's hold on what it has open."""
        journal, self._journal = self._journal, None
        holder, self._holder = self._holder, None
        if journal is not None and holder is not None and journal.end():
            with contextlib.suppress(StorageError), self._database.write(wait_s=self._wait_s) as connection:
                connection.exec_driver_sql(_WITHDRAW, (_ANNOUNCED + holder.name,))
        if holder is not None:
            holder.close()

    @property
    def _is_only_busy(self) -> bool:
        return self._busy_since is not None and time.monotonic() - self._busy_since < self._busy_s

    @property
    def _journals(self) -> Path:
        return self._database.path.parent / "journals"

    @property
    def _journal_key(self) -> bytes:
        return derive(self._key, "journal")

    def _begun(self) -> Journal:
        """This process's journal, announced in the database so that nobody can take it away unnoticed."""
        if self._journal is not None:
            return self._journal
        holder = self._alive()
        with self._beginning:
            if self._journal is None:
                with self._database.write(wait_s=self._wait_s) as connection:
                    connection.exec_driver_sql(_ANNOUNCE, (_ANNOUNCED + holder.name,))
                self._journal = Journal(self._journals, self._journal_key, holder=holder)
            return self._journal

    def _append(self, connection: Connection, records: Sequence[Record]) -> Head | None:
        if not records:
            return None
        head = self._head(connection)
        rows = []
        for record in records:
            head = link(head, record)
            rows.append(_row(record, head))
        connection.exec_driver_sql(_APPEND, rows)
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
    written = set()
    for start in range(0, len(records), 500):
        ids = [record.id for record in records[start : start + 500]]
        written |= set(connection.scalars(select(audit.c.id).where(audit.c.id.in_(ids))))
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
        orjson.dumps(record.facts).decode(),
        head.hash,
    )


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
