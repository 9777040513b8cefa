"""Promises that must not be tried on people's data, tried on a small installation made for it and thrown away.

Called by `tasks.selftest`, and at a server's start to remove what a killed one left. It is of the real parts: an
encrypted database, keys of subjects, an audit and an erasure.
Each function does the worst it can and returns what it saw, or raises `Broken`.
"""

from __future__ import annotations

import fcntl
import io
import logging
import os
import secrets
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, insert, select

from intramuros.accounts.caller import LOCAL
from intramuros.accounts.projects import Projects
from intramuros.accounts.users import Users
from intramuros.audit.record import Audit
from intramuros.errors import AuditUnavailable, DetectorFailed, NotFound
from intramuros.privacy.erase.erasure import Erasure
from intramuros.privacy.redact.aliases import Aliases
from intramuros.privacy.redact.finding import Finding
from intramuros.privacy.redact.kept import KeptAliases
from intramuros.privacy.redact.organisation import OrganisationDirectory
from intramuros.privacy.redact.redactor import Redactor
from intramuros.security.crypto import KEY_BYTES
from intramuros.security.subject_keys import SubjectKeys
from intramuros.storage import facts, fulltext
from intramuros.storage.belongings import of_project
from intramuros.storage.blobs import BlobInfo, Blobs
from intramuros.storage.database import Database, create, open_database
from intramuros.storage.erasable import Subject
from intramuros.storage.schema import chunks, documents, new_id, now, pages
from intramuros.tasks.conversation import Conversations
from intramuros.tasks.erasers import erasers
from intramuros.tasks.seen import Broken, Seen, seen
from intramuros.tasks.stored_replies import StoredReplies, StoredReply

NAME = "intramuros.db"
PREFIX = "selftest-"
ROWS = 50


@contextmanager
def ground(run: Path) -> Iterator[Path]:
    """A new folder beside the data, so that it is on the same disk; removed whatever happens but a kill."""
    name = f"{PREFIX}{secrets.token_hex(4)}"
    folder = run / f".{name}"
    folder.mkdir(mode=0o700, parents=True)
    held = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        folder = folder.rename(run / name)  # only now may it be taken for one that a killed process left
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(held)


def sweep(run: Path) -> None:
    """Removes what killed self-tests left: the folders that no living process holds."""
    for folder in run.glob(f"{PREFIX}*"):
        try:
            held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            continue
        finally:
            os.close(held)


class _NoEngines:
    def forget(self) -> Mapping[str, int]:
        return {"ended": 0, "still_running": 0}


class _Failing:
    """A detector that fails on every text."""

    name = "a failing one"

    def analyse(self, text: str, language: str) -> Sequence[Finding]:
        raise RuntimeError("broken on purpose")


@dataclass(frozen=True, slots=True)
class _House:
    folder: Path
    database: Database
    audit: Audit


@contextmanager
def _house(folder: Path) -> Iterator[_House]:
    key = secrets.token_bytes(KEY_BYTES)
    database = create(folder / NAME, key)
    audit = Audit(database, key)
    try:
        yield _House(folder, database, audit)
    finally:
        audit.stop()
        database.close()


@contextmanager
def _unlogged() -> Iterator[None]:
    """Keeps what this thread breaks on purpose out of the log, where it would alarm somebody."""
    here, log = threading.get_ident(), logging.getLogger("intramuros.audit.ledger")

    def is_elsewhere(record: logging.LogRecord) -> bool:
        return record.thread != here

    log.addFilter(is_elsewhere)
    try:
        yield
    finally:
        log.removeFilter(is_elsewhere)


def erased(folder: Path) -> Seen:
    """A project with a document, a conversation and a reply is erased; its words are looked for on every page."""
    word = "canari" + secrets.token_hex(12)
    with _house(folder) as house:
        keys, blobs = SubjectKeys(folder / "subjects", secrets.token_bytes(KEY_BYTES)), Blobs(folder / "blobs")
        projects = Projects(house.database, keys)
        project = projects.create(word, by=LOCAL)
        talks = Conversations(house.database, keys)
        talk = talks.create(project, by=LOCAL)
        talks.append(talk, project=project, by=LOCAL, question=f"{word} ?", answer={"answer": word})
        _document(
            house.database, project.id, blobs.put(keys.get("project", project.id), io.BytesIO(word.encode())), word
        )
        reply = StoredReply("selftest", "response", "m", "completed", {"asked": word}, (project.id,))
        StoredReplies(house.database, keys, projects).add(reply, by=LOCAL)
        before = _standing(house.database, word)
        if not before:
            raise Broken("erased_blind")
        parts = erasers(
            house.database,
            blobs,
            keys,
            aliases=KeptAliases(house.database, keys),
            directory=OrganisationDirectory(house.database, Users(house.database)),
        )
        erasure = Erasure(house.database, keys, house.audit, erasers=parts, engines=_NoEngines())
        receipt = erasure.run(Subject("project", project.id), by=LOCAL.user_id)
        left = _standing(house.database, word) + _rows_of(house.database, project.id)
        files = [path for path in blobs.folder.rglob("*") if path.is_file()]
        if left or files or receipt.statement is None:
            raise Broken("erased_left", pages=left, files=len(files))
        try:
            keys.get("project", project.id)
        except NotFound:
            return seen("erased", pages=before)
    raise Broken("erased_key")


def _document(database: Database, project: str, info: BlobInfo, word: str) -> None:
    document = new_id()
    values = {
        "id": document, "project_id": project, "name": word, "media_type": "text/plain", "state": "ready",
        "sha256": info.sha256, "size_bytes": info.size_bytes, "blob_id": info.id,
        "pages_without_text": [], "created_at": now(), "updated_at": now(),
    }  # fmt: skip
    with database.write() as connection:
        connection.execute(insert(documents).values(values))
        connection.execute(insert(pages).values(document_id=document, number=1, text=word))
        chunk = connection.execute(
            insert(chunks).values(
                document_id=document, project_id=project, ordinal=0, page=1, headings=[], text=word, start=0, lines=[],
                tokens=1,
            )
        ).inserted_primary_key  # fmt: skip
        assert chunk is not None
        fulltext.add(connection, [(chunk[0], "", "", word, project)])


def _standing(database: Database, word: str) -> int:
    return sum(word.encode() in image.content for image in database.images())


def _rows_of(database: Database, project: str) -> int:
    with database.read() as connection:
        counts = [select(func.count()).select_from(table).where(which) for table, which in of_project(project)]
        return sum(connection.scalar(count) or 0 for count in counts)


def unrecorded(folder: Path) -> Seen:
    """Where the journal of requests can't be written, nothing runs."""
    with _house(folder) as house:
        with house.audit.entry_sync("selftest", by=LOCAL):
            journals = {path.parent for path in folder.rglob("*.journal")}
        house.audit.stop()
        if not journals:
            raise Broken("unrecorded_blind")
        for journal in journals:
            shutil.rmtree(journal)
            journal.write_bytes(b"")
        try:
            with _unlogged(), house.audit.entry_sync("selftest", by=LOCAL):
                pass
        except AuditUnavailable:
            return seen("unrecorded")
    raise Broken("unrecorded_ran")


def detector_fails() -> Seen:
    """A text is not let through when a detector fails on it."""
    try:
        Redactor().with_tiers(_Failing()).hide("Bonjour", Aliases())
    except DetectorFailed:
        return seen("detector")
    raise Broken("detector_passed")


def acknowledged(folder: Path) -> Seen:
    """What a process had acknowledged is there for the next one, from the files alone, as if it were killed here."""
    key, after = secrets.token_bytes(KEY_BYTES), folder / "after"
    database = create(folder / NAME, key)
    try:
        for number in range(ROWS):
            with database.write(durable=True) as connection:
                facts.put(connection, f"selftest {number}", "x")
        after.mkdir(mode=0o700)
        for path in [path for path in folder.iterdir() if path.is_file() and path.name.startswith(NAME)]:
            shutil.copyfile(path, after / path.name)
    finally:
        database.close()
    again = open_database(after / NAME, key)
    try:
        with again.read() as connection:
            there = sum(facts.get(connection, f"selftest {number}") == "x" for number in range(ROWS))
        if there < ROWS or again.check():
            raise Broken("acknowledged_lost", rows=ROWS, there=there)
    finally:
        again.close()
    return seen("acknowledged", rows=ROWS)
