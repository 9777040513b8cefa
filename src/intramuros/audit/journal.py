"""What a process has begun and the chain does not have yet: a file of its own that only grows, sealed line by line.

Called by `audit.ledger`. A request waits for a line here, some microseconds, instead of for the database, which is one
for all writers: the line is in the system's hands when the request runs, and survives the process as a commit would.
A journal whose process is dead is read by whoever starts next. It knows no chain and no requests.

A line is its length (4 bytes, big-endian) and a sealed JSON list: an opening or a finished record.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from intramuros.audit.chain import Record
from intramuros.audit.entry import Entry
from intramuros.errors import StorageCorrupt
from intramuros.security.crypto import Sealer, open_sealed
from intramuros.security.quick_calls import write
from intramuros.storage.liveness import Holder
from intramuros.storage.schema import now

SUFFIX = ".journal"
UNREADABLE = "audit.journal"
"""The action of the record that stands for what a damaged or missing journal held."""

_LENGTH_BYTES = 4
_EMPTIED_BYTES = 64 * 1024
_REWRITTEN_BYTES = 4 * 2**20


class Journal:
    """This process's journal in `folder`. Safe to use from many threads.

    Raises: OSError from `open` and `close` if the line can't be stored; the file is then as it was before.
    """

    def __init__(self, folder: Path, key: bytes, *, holder: Holder) -> None:
        self._path = folder / f"{holder.name}{SUFFIX}"
        self._sealer = Sealer(key, context=_context(holder.name))
        self._lock = threading.Lock()
        self._unsettled: dict[str, bytes] = {}
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._descriptor = _opened(self._path, os.O_CREAT | os.O_EXCL)
        self._size_bytes = 0

    def open(self, entry: Entry) -> None:
        """Stores that a request begins."""
        self._store(entry.id, ["opened", entry.id, entry.opened_at, entry.opening()])

    def close(self, record: Record) -> None:
        """Stores how it ended."""
        fields = [record.id, record.at, record.actor, record.credential, record.action, record.object, record.outcome]
        self._store(record.id, ["closed", *fields, record.facts])

    def settle(self, ids: Iterable[str]) -> None:
        """Forgets what the chain has by now."""
        with self._lock:
            for entry_id in ids:
                self._unsettled.pop(entry_id, None)
            if not self._unsettled and self._size_bytes > _EMPTIED_BYTES:
                os.ftruncate(self._descriptor, 0)
                self._size_bytes = 0
            elif self._size_bytes > _REWRITTEN_BYTES:
                self._rewrite()

    def end(self) -> bool:
        """Gives the file back; returns whether it is gone, with nothing left in it that the chain does not have."""
        with self._lock:
            os.close(self._descriptor)
            if not self._unsettled:
                self._path.unlink(missing_ok=True)
            return not self._unsettled

    def _store(self, entry_id: str, fields: list[object]) -> None:
        sealed = self._sealer.seal(orjson.dumps(fields))
        line = len(sealed).to_bytes(_LENGTH_BYTES, "big") + sealed
        with self._lock:
            self._append(line)
            self._unsettled[entry_id] = line

    def _append(self, line: bytes) -> None:
        try:
            if write(self._descriptor, line) < len(line):
                raise OSError(errno.ENOSPC, "the disk is full")
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self._size_bytes)
            raise
        self._size_bytes += len(line)

    def _rewrite(self) -> None:
        """Keeps what is unsettled alone; a failure leaves the file as it is, only longer than it need be."""
        content = b"".join(self._unsettled.values())
        unfinished = self._path.with_suffix(".new")
        with contextlib.suppress(OSError):
            descriptor = _opened(unfinished, os.O_CREAT | os.O_TRUNC)
            try:
                if os.write(descriptor, content) < len(content):
                    raise OSError(errno.ENOSPC, "the disk is full")
                unfinished.replace(self._path)
            except OSError:
                os.close(descriptor)
                unfinished.unlink(missing_ok=True)
                raise
            os.close(self._descriptor)
            self._descriptor, self._size_bytes = descriptor, len(content)


@dataclass(frozen=True, slots=True)
class Left:
    """A journal that a dead process left."""

    path: Path
    records: tuple[Record, ...]


def left_by(name: str, *, folder: Path, key: bytes) -> Left:
    """What the process of this name had begun: its records, `interrupted` where it did not end.

    A line that is cut off was never acknowledged. A line that does not open becomes a record; so does a journal that is
    gone.
    """
    path = folder / f"{name}{SUFFIX}"
    found: dict[str, Record] = {}
    try:
        for fields in _lines(path.read_bytes(), key, context=_context(name)):
            record = Record(*fields[1:]) if fields[0] == "closed" else _interrupted(*fields[1:])
            found[record.id] = record
    except (FileNotFoundError, StorageCorrupt) as error:
        found[name] = _unreadable(name, is_gone=isinstance(error, FileNotFoundError))
    return Left(path, tuple(found.values()))


def names_in(folder: Path) -> list[str]:
    """The processes that have a journal there."""
    return sorted(path.stem for path in folder.glob(f"*{SUFFIX}"))


def _lines(content: bytes, key: bytes, *, context: bytes) -> Iterator[list[Any]]:
    place = 0
    while place + _LENGTH_BYTES <= len(content):
        start = place + _LENGTH_BYTES
        place = start + int.from_bytes(content[start - _LENGTH_BYTES : start], "big")
        if place > len(content):
            return
        yield orjson.loads(open_sealed(key, content[start:place], context=context))


def _interrupted(entry_id: str, opened_at: float, opening: dict[str, Any]) -> Record:
    facts = dict(opening)
    named = {name: facts.pop(name, None) for name in ("actor", "credential", "action", "object")}
    return Record(id=entry_id, at=opened_at, outcome="interrupted", facts=facts, **named)


def _unreadable(name: str, *, is_gone: bool) -> Record:
    error = "journal_missing" if is_gone else "storage_corrupt"
    return Record(f"journal-{name}", now(), None, None, UNREADABLE, None, "failed", {"via": "cli", "error": error})


def _context(name: str) -> bytes:
    return f"audit journal {name}".encode()


def _opened(path: Path, more: int) -> int:
    return os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | more, 0o600)
