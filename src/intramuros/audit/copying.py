"""Copies checkpoints to a second place, in a thread of its own: a slow or broken place makes no request wait.

Called by `audit.record`. Before the first line is appended, the last one there is compared with the database: if it
is ahead, an older database was put back, and nothing is appended any more. Only the newest checkpoint waits, for it
covers those before it. It knows no records.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import Protocol

from intramuros.audit.places import Place
from intramuros.audit.statement import Statement, of_line
from intramuros.errors import AuditUnavailable, StorageError

RETRY_S = 5.0
LAG_S = 30.0
"""A checkpoint that is not copied for so long counts as a place that can't be written."""

_log = logging.getLogger(__name__)


class Source(Protocol):
    """The database the checkpoints come from."""

    def contradiction(self, checkpoint: Statement) -> str | None:
        """What is wrong, if the database does not hold the record a checkpoint is about as it was then."""
        ...

    def settle(self) -> None:
        """Makes what was committed survive a power cut: the copy must never be ahead."""
        ...

    def has_begun(self, place: str) -> bool:
        """Whether something was copied there before."""
        ...

    def begin(self, place: str) -> None:
        """Remembers that from now on something is there."""
        ...


@dataclass(frozen=True, slots=True)
class CopyState:
    """How the second place does: `reason` says what is wrong, `sequence` is the last record vouched for there."""

    place: str
    ok: bool
    reason: str = ""
    sequence: int = 0


class Copying:
    """One second place. With `required`, requests are refused while it can't be written.

    Raises: AuditUnavailable from `require`, and nothing else from anything.
    """

    def __init__(self, place: Place, source: Source, *, required: bool, retry_s: float = RETRY_S) -> None:
        self._place = place
        self._source = source
        self._required = required
        self._retry_s = retry_s
        self._changed = threading.Condition()
        self._working = threading.Lock()
        self._waiting: Statement | None = None
        self._waiting_since = 0.0
        self._state: CopyState | None = None
        self._tried_at = 0.0
        self._thread: threading.Thread | None = None
        self._is_stopping = False

    @property
    def state(self) -> CopyState:
        """How it does, as far as is known; tries it if nothing is."""
        state = self._state or self.probe()
        if state.ok and self._waiting is not None and time.monotonic() - self._waiting_since > LAG_S:
            return CopyState(state.place, False, "it does not answer", state.sequence)
        return state

    @property
    def is_ready(self) -> bool:
        """Whether requests may begin, as far as is known without trying the place."""
        return not self._required or (self._state is not None and self.state.ok)

    def require(self) -> None:
        """Raises: AuditUnavailable if the place is required and can't be written."""
        if not self._required or self.state.ok:
            return
        if time.monotonic() - self._tried_at < self._retry_s or not self.probe().ok:
            raise AuditUnavailable(
                f"The audit's second place can't be used: {self.state.reason}.",
                hint="See what is wrong with: intramuros audit verify",
                cause="audit_copy",
            )

    def submit(self, checkpoint: Statement) -> None:
        """Has a checkpoint copied soon; returns at once."""
        with self._changed:
            if self._waiting is None:
                self._waiting_since = time.monotonic()
            if self._waiting is None or self._waiting.sequence < checkpoint.sequence:
                self._waiting = checkpoint
            if self._thread is None:
                self._is_stopping = False
                self._thread = threading.Thread(target=self._run, name="audit copy", daemon=True)
                self._thread.start()
            self._changed.notify()

    def probe(self) -> CopyState:
        """Tries whether the place can be written and agrees with the database."""
        with self._working:
            try:
                sequence = self._compared()
                self._place.try_it()
            except (OSError, StorageError, _Disagrees) as error:
                self._failed(error)
            else:
                self._works(sequence)
        return self._known

    def stop(self) -> None:
        """Copies what waits, once more if need be, and ends the thread."""
        with self._changed:
            thread, self._thread, self._is_stopping = self._thread, None, True
            self._changed.notify()
        if thread is not None:
            thread.join()

    @property
    def _known(self) -> CopyState:
        return self._state or CopyState(self._place.name, False, "it was not tried")

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._waiting is None and not self._is_stopping:
                    self._changed.wait()
                checkpoint, is_last = self._waiting, self._is_stopping
            if checkpoint is not None and self._copy(checkpoint):
                with self._changed:
                    self._waiting = None if self._waiting is checkpoint else self._waiting
            elif checkpoint is not None and not is_last:
                with self._changed:
                    self._changed.wait(self._retry_s)
            if is_last:
                return

    def _copy(self, checkpoint: Statement) -> bool:
        with self._working:
            try:
                known = self._state.sequence if self._state and self._state.ok else self._compared()
                if checkpoint.sequence > known:
                    self._source.settle()
                    self._place.append(checkpoint.line())
                    self._source.begin(self._place.name)
            except (OSError, StorageError, _Disagrees) as error:
                self._failed(error)
                return False
            self._works(max(checkpoint.sequence, known))
            return True

    def _compared(self) -> int:
        """The last record the place vouches for, if the database still has it."""
        if not self._place.is_there and self._source.has_begun(self._place.name):
            raise _Disagrees(f"{self._place.name} is gone; to begin a new one, make an empty file there")
        line = self._place.last()
        if line is None:
            return 0
        try:
            last = of_line(line)
        except ValueError as error:
            raise _Disagrees("its last line is not a checkpoint") from error
        wrong = self._source.contradiction(last)
        if wrong:
            raise _Disagrees(wrong)
        return last.sequence

    def _works(self, sequence: int) -> None:
        if self._state is not None and not self._state.ok:
            _log.info("the audit's second place can be written again")
        self._state = CopyState(self._place.name, True, sequence=sequence)

    def _failed(self, error: Exception) -> None:
        reason = error.strerror or str(error) if isinstance(error, OSError) else str(error)
        if self._state is None or self._state.reason != reason:
            _log.error("the audit's second place %s can't be used: %s", self._place.name, reason)
        self._state = CopyState(self._place.name, False, reason, self._state.sequence if self._state else 0)
        self._tried_at = time.monotonic()


class _Disagrees(Exception):
    """What stands in the second place is not what the database says."""
