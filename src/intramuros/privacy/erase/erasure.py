"""Erases a person, a project, a document or a conversation, everywhere, proves it, and signs a receipt.

    begun: samples taken → removed: rows, terms, vectors, files → log emptied → key destroyed → engines renewed
    → searched → done: receipt

Called by the doors, the retention schedule and a server, which resumes what was cut short: each step can be run again.
What there is to erase is offered by the parts (`storage.erasable.Eraser`, listed in `app`). One erasure at a time, over
all processes. Works on a full disk, with the space that is held back for it.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import insert, select, update

from intramuros.audit.record import Audit
from intramuros.errors import ErasureUnfinished, IntramurosError, NotFound
from intramuros.privacy.erase import proof
from intramuros.privacy.erase.receipt import ERASURE, Receipt, receipt
from intramuros.security.crypto import open_sealed, seal
from intramuros.security.subject_keys import SubjectKeys
from intramuros.storage.database import Database
from intramuros.storage.erasable import Eraser, Sample, Subject
from intramuros.storage.schema import conversations, documents, erasures, new_id, now

LOG_WAIT_S = 30.0
"""How long readers may hold the log before the erasure is left to be finished later."""
LOCK_WAIT_S = 600.0
TOGETHER = 20
"""So many erasures share one look through the files."""
WITH_KEY = frozenset({"project", "user"})
_POLL_S = 0.1
NOT_SEARCHED = ("model files", "stored files of others", "below the file system", "copies made before")


class Engines(Protocol):
    """The engines, whose caches may hold the text."""

    def forget(self) -> Mapping[str, int]:
        """Has every running engine ended: how many were, and how many still are after some time."""
        ...


@dataclass(frozen=True, slots=True)
class Erasure:
    """Erases in one installation."""

    database: Database
    keys: SubjectKeys
    audit: Audit
    erasers: Sequence[Eraser]
    engines: Engines
    step: Callable[[str], None] = lambda _: None
    """Told each step before it is taken; tests end the process there."""
    backups: Callable[[], Sequence[str]] = lambda: ()
    """Takes destroyed keys out of the backup folders too; returns those it could not reach."""
    copies: Callable[[], tuple[Mapping[str, float], int]] = lambda: ({}, 0)
    """The backups there are and when each was made, and how many folders of them could not be looked into."""

    def run(self, subject: Subject, *, by: str, reason: str = "asked") -> Receipt:
        """Erases it, to the receipt. `by` is a person's id.

        Raises: ErasureUnfinished if everything is removed, but somebody still reads the log, or what was removed was
        found again; it is then finished by the server or by `intramuros erase resume`. StorageBusy, StorageError.
        """
        with self._alone():
            erasure = self._begin(subject, by, reason, looks=True)
            self._remove(erasure)
            self._finish([erasure])
            return receipt(self.database, erasure)

    def begin(self, subject: Subject, *, by: str, reason: str = "asked") -> str:
        """Notes that it is to be erased and shuts everybody out; `resume` does the rest. Returns the erasure's id."""
        with self._alone():
            erasure = self._begin(subject, by, reason, looks=False)
            self.erasers[0].erase(subject)
            return erasure

    def remove(self, subject: Subject, *, by: str, reason: str = "asked") -> str:
        """Erases what is stored, and leaves the proof and the receipt to `resume`. Returns the erasure's id."""
        with self._alone():
            erasure = self._begin(subject, by, reason, looks=False)
            self._remove(erasure)
            return erasure

    def unfinished(self) -> list[str]:
        """The erasures that still run, or were cut short."""
        with self.database.read() as connection:
            statement = select(erasures.c.id).where(erasures.c.state != "done").order_by(erasures.c.begun_at)
            return list(connection.scalars(statement))

    def resume(self) -> list[Receipt]:
        """Finishes what was begun, some together; what can't be finished yet stays for the next time.

        Raises: ErasureUnfinished, StorageError if none of it could be.
        """
        done: list[Receipt] = []
        trouble: IntramurosError | None = None
        waiting = self.unfinished()
        for begin in range(0, len(waiting), TOGETHER):
            some = waiting[begin : begin + TOGETHER]
            try:
                with self._alone():
                    for erasure in some:
                        self._remove(erasure)
                    done += self._finish(some)
            except IntramurosError as error:
                trouble = error
        with self._alone():
            self._sweep()
        if trouble is not None and not done:
            raise trouble
        return done

    def _begin(self, subject: Subject, by: str, reason: str, *, looks: bool) -> str:
        """The erasure's row, with what will be searched for: sealed, under a key that ends with it."""
        self.database.reserve.release()
        with self.database.read() as connection:
            known = connection.scalar(
                select(erasures.c.id).where(
                    erasures.c.kind == subject.kind, erasures.c.subject == subject.id, erasures.c.state != "done"
                )
            )
        if known is not None:
            return str(known)
        counts: Counter[str] = Counter()
        samples: list[Sample] = []
        for eraser in self.erasers:
            counts.update(eraser.count(subject))
            samples += [sample for sample in eraser.samples(subject) if sample.content]
        samples = list(dict.fromkeys(samples))[: proof.MOST_SAMPLES]
        said: dict[str, Any] = {"removed": dict(counts)} | self._since(subject)
        if looks:
            self.step("look before")
            said["met_before"] = len(proof.search(self.database, samples).met)
        erasure = new_id()
        values = {
            "id": erasure, "kind": subject.kind, "subject": subject.id, "reason": reason, "state": "begun",
            "actor": by, "begun_at": now(), "counts": said,
        }  # fmt: skip
        values["samples"] = self._sealed(erasure, samples)
        self.step("begin")
        with self.database.write(durable=True, erasing=True) as connection:
            connection.execute(insert(erasures).values(values))
        return erasure

    def _remove(self, erasure: str) -> None:
        row = self._row(erasure)
        if row.state != "begun":
            return
        subject = Subject(row.kind, row.subject)
        for number, eraser in enumerate(self.erasers):
            self.step(f"erase {number}")
            eraser.erase(subject)
        self.step("removed")
        with self.database.write(durable=True, erasing=True) as connection:
            connection.execute(update(erasures).where(erasures.c.id == erasure).values(state="removed"))

    def _finish(self, some: Sequence[str]) -> list[Receipt]:
        """Everything after the removal, with one look through the files for all of them."""
        rows = [row for row in map(self._row, some) if row.state != "done"]
        if not rows:
            return []
        self.step("empty the log")
        self._empty_log()
        self.step("destroy the key")
        for row in rows:
            if row.kind in WITH_KEY:
                self.keys.destroy(row.kind, row.subject)
        unreached = len(self.backups()) if any(row.kind in WITH_KEY for row in rows) else 0
        made, unseen = self.copies() if any(row.kind not in WITH_KEY for row in rows) else ({}, 0)
        self.step("renew engines")
        engines = dict(self.engines.forget())
        self.step("search")
        samples = {row.id: self._opened(row.id, row.samples) for row in rows}
        looked = proof.search(self.database, [sample for row in rows for sample in samples[row.id]])
        met, begin = {}, 0
        for row in rows:
            met[row.id] = [sample for n, sample in enumerate(samples[row.id], begin) if n in looked.met]
            begin += len(samples[row.id])
        left = 0
        for row in rows:
            elsewhere = [sample for sample in met[row.id] if proof.held_elsewhere(self.database, sample)]
            if len(elsewhere) < len(met[row.id]):
                left += len(met[row.id]) - len(elsewhere)
                continue
            self.step("sign")
            found = {
                "engines": engines, "searched": looked.to_json(), **_copies_of(row, made, unreached, unseen),
                "not_searched": list(NOT_SEARCHED),
                "samples": dict(Counter(sample.what for sample in samples[row.id])),
                "met_after": 0, "held_elsewhere": len(elsewhere),
            }  # fmt: skip
            self._sign(row, found)
            self.step("end")
            self.keys.destroy("erasure", row.id)
        self.database.checkpoint()
        if left:
            raise ErasureUnfinished(f"{left} pieces of what was removed still stand in the files.")
        return [receipt(self.database, row.id) for row in rows]

    def _sign(self, row: Any, found: Mapping[str, Any]) -> None:
        said = {
            "erasure": row.id, "what": row.kind, "subject": row.subject, "reason": row.reason, "actor": row.actor,
            "begun_at": round(row.begun_at, 3), **row.counts, "key_destroyed": row.kind in WITH_KEY,
            "log_emptied": True, **found,
        }  # fmt: skip
        statement = self.audit.state(ERASURE, **said)
        done = {
            "state": "done", "finished_at": now(), "samples": None, "statement": statement.text,
            "signature": statement.signature,
        }  # fmt: skip
        with self.database.write(durable=True, erasing=True) as connection:
            connection.execute(update(erasures).where(erasures.c.id == row.id).values(done))

    def _empty_log(self) -> None:
        """Raises: ErasureUnfinished while somebody reads an old state."""
        until = time.monotonic() + LOG_WAIT_S
        while not self.database.checkpoint():
            if time.monotonic() >= until:
                raise ErasureUnfinished(
                    "Everything is removed, but a long read still holds the log, where the removed rows stand."
                )
            time.sleep(_POLL_S)

    def _since(self, subject: Subject) -> dict[str, float]:
        """From when on backups may hold what has no key of its own."""
        table = {"document": documents, "conversation": conversations}.get(subject.kind)
        if table is None:
            return {}
        with self.database.read() as connection:
            since = connection.scalar(select(table.c.created_at).where(table.c.id == subject.id))
        return {} if since is None else {"existed_since": round(since, 3)}

    def _row(self, erasure: str) -> Any:
        with self.database.read() as connection:
            return connection.execute(select(erasures).where(erasures.c.id == erasure)).one()

    def _sealed(self, erasure: str, samples: Sequence[Sample]) -> bytes:
        plain = json.dumps([[sample.what, b64encode(sample.content).decode()] for sample in samples])
        return seal(self.keys.create("erasure", erasure), plain.encode(), context=erasure.encode())

    def _opened(self, erasure: str, sealed: bytes) -> list[Sample]:
        """The samples; none where their key is gone, as after a restore: then the receipt says that none was sought."""
        try:
            key = self.keys.get("erasure", erasure)
        except NotFound:
            return []
        plain = json.loads(open_sealed(key, sealed, context=erasure.encode()))
        return [Sample(what, b64decode(content)) for what, content in plain]

    def _sweep(self) -> None:
        """Destroys keys of erasures that ended, or never began, in the moment before."""
        running = set(self.unfinished())
        for kind, subject in list(self.keys.subjects()):
            if kind == "erasure" and subject not in running:
                self.keys.destroy("erasure", subject)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        folder = self.database.path.parent / "run"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder / "erasure.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            until = time.monotonic() + LOCK_WAIT_S
            while not _locked(descriptor):
                if time.monotonic() >= until:
                    raise ErasureUnfinished("Another erasure runs for a long time already.")
                time.sleep(_POLL_S)
            yield
        finally:
            os.close(descriptor)


def _copies_of(row: Any, made: Mapping[str, float], unreached: int, unseen: int) -> dict[str, Any]:
    """What the receipt says of backups: those that hold what has no key of its own, and how many folders nobody saw."""
    if row.kind in WITH_KEY:
        return {"backup_folders_not_reached": unreached}
    since = row.counts.get("existed_since", 0.0)
    holding = sorted(backup for backup, at in made.items() if at >= since)
    return {"backup_folders_not_reached": unseen, "in_backups": holding}


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
