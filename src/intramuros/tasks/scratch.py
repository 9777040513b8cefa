"""Promises that must not be tried on people's data, tried on a small installation made for it and thrown away.

Called by `tasks.selftest`. It is of the real parts: an encrypted database, keys of subjects, an audit and an erasure.
Each function does the worst it can and returns what it saw, or raises `Broken`.
"""

from __future__ import annotations

import io
import logging
import secrets
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import insert

from intramuros.accounts.caller import LOCAL
from intramuros.accounts.erasing import AccessEraser
from intramuros.accounts.projects import Projects
from intramuros.audit.record import Audit
from intramuros.documents.erasing import DocumentsEraser
from intramuros.errors import AuditUnavailable, DetectorFailed, NotFound
from intramuros.privacy.erase.erasure import Erasure
from intramuros.privacy.redact.aliases import Aliases
from intramuros.privacy.redact.finding import Finding
from intramuros.privacy.redact.redactor import Redactor
from intramuros.security.crypto import KEY_BYTES
from intramuros.security.subject_keys import SubjectKeys
from intramuros.storage import facts, fulltext
from intramuros.storage.blobs import BlobInfo, Blobs
from intramuros.storage.database import Database, create, open_database
from intramuros.storage.erasable import Subject
from intramuros.storage.schema import chunks, documents, new_id, now, pages
from intramuros.tasks.conversation import Conversations
from intramuros.tasks.erasing import ConversationsEraser

NAME = "intramuros.db"


class Broken(Exception):  # a finding of the self-test, not an error of the program
    """A promise did not hold; the message says what was seen."""


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


def erased(folder: Path) -> str:
    """A project with a document and a conversation is erased, and its words are looked for on every page."""
    word = "canari" + secrets.token_hex(12)
    with _house(folder) as house:
        keys, blobs = SubjectKeys(folder / "subjects", secrets.token_bytes(KEY_BYTES)), Blobs(folder / "blobs")
        project = Projects(house.database, keys).create(word, by=LOCAL)
        talks = Conversations(house.database, keys)
        talk = talks.create(project, by=LOCAL)
        talks.append(talk, project=project, by=LOCAL, question=f"{word} ?", answer={"answer": word})
        _document(
            house.database, project.id, blobs.put(keys.get("project", project.id), io.BytesIO(word.encode())), word
        )
        before = _standing(house.database, word)
        if not before:
            raise Broken("The search for a word that is stored did not find it.")
        erasers = (
            AccessEraser(house.database),
            DocumentsEraser(house.database, blobs),
            ConversationsEraser(house.database, keys),
        )
        erasure = Erasure(house.database, keys, house.audit, erasers=erasers, engines=_NoEngines())
        receipt = erasure.run(Subject("project", project.id), by=LOCAL.user_id)
        left, files = _standing(house.database, word), [path for path in blobs.folder.rglob("*") if path.is_file()]
        if left or files or receipt.statement is None:
            raise Broken(f"After an erasure {left} pages and {len(files)} files were left.")
        try:
            keys.get("project", project.id)
        except NotFound:
            return (
                f"a word on {before} pages is on none after the erasure; file and key are gone, the receipt is signed"
            )
    raise Broken("The key of an erased project still opens.")


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


def unrecorded(folder: Path) -> str:
    """Where the journal of requests can't be written, nothing runs."""
    with _house(folder) as house:
        with house.audit.entry_sync("selftest", by=LOCAL):
            journals = {path.parent for path in folder.rglob("*.journal")}
        house.audit.stop()
        if not journals:
            raise Broken("No journal was found where one was written.")
        for journal in journals:
            shutil.rmtree(journal)
            journal.write_bytes(b"")
        try:
            with _unlogged(), house.audit.entry_sync("selftest", by=LOCAL):
                pass
        except AuditUnavailable:
            return "with a journal that can't be written, a request was refused before it ran"
    raise Broken("A request ran whose record could not be written.")


def detector_fails() -> str:
    """A text is not let through when a detector fails on it."""
    try:
        Redactor().with_tiers(_Failing()).hide("Bonjour", Aliases())
    except DetectorFailed:
        return "a detector that fails let nothing through"
    raise Broken("A text passed a detector that failed.")


def acknowledged(folder: Path) -> str:
    """What a process had acknowledged is there for the next one, from the files alone, as if it were killed here."""
    key, after = secrets.token_bytes(KEY_BYTES), folder / "after"
    database = create(folder / NAME, key)
    try:
        for number in range(50):
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
            there = sum(facts.get(connection, f"selftest {number}") == "x" for number in range(50))
        if there < 50 or again.check():
            raise Broken(f"Of 50 acknowledged rows {there} are there.")
    finally:
        again.close()
    return "50 acknowledged rows are there, in order, in the files a kill would have left"
