"""The documents of a project: received, listed, shown. Erasing them is in `documents.erasing`.

Called by every door (command line, API, web) with a Project that the caller may see; ingestion reads what is received
here. What `receive` returned is stored: the encrypted original and its row are on the disk.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any, BinaryIO

from sqlalchemy import Connection, Row, delete, insert, select, update

from intramuros.accounts.caller import Caller
from intramuros.accounts.projects import Project, Projects, Role
from intramuros.documents.chunk import Sizes
from intramuros.documents.failures import failure, words
from intramuros.documents.media import HEAD_BYTES, sniff
from intramuros.documents.parse.limits import unpacked_mib
from intramuros.errors import NotAllowed, NotFound, TooLarge
from intramuros.security.crypto import Writable
from intramuros.settings import Settings
from intramuros.storage import fulltext
from intramuros.storage.belongings import stored_files
from intramuros.storage.blobs import BlobInfo, Blobs
from intramuros.storage.database import Database
from intramuros.storage.schema import chunks, documents, new_id, now, pages

_MAX_NAME = 200  # characters
_MAX_PAGE = 1 << 31  # above any document's, and a number that the database takes


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A document and how far it is.

    `state`: received (stored, waiting), reading (`pages_read` of `pages_total`), indexed (its words can be found, more
    is being made of it), ready, or failed (`error_code`, in words by `Library.explain`).
    """

    id: str
    project_id: str
    name: str
    media_type: str
    size_bytes: int
    blob_id: str
    state: str
    pages_total: int | None
    pages_read: int
    pages_without_text: tuple[int, ...]
    error_code: str | None
    title: str | None
    language: str | None
    added_by: str | None
    created_at: float
    updated_at: float
    attempts: int
    chunk_tokens: int | None = None
    chunk_overlap_tokens: int | None = None

    @property
    def sizes(self) -> Sizes | None:
        """How its chunks are to be cut, where its program said so."""
        if self.chunk_tokens is None:
            return None
        return Sizes(self.chunk_tokens, self.chunk_overlap_tokens or 0)

    @property
    def is_finished(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in {"ready", "failed"}

    @property
    def is_read(self) -> bool:
        """Whether its words can be found, or never will be."""
        return self.is_finished or self.state == "indexed"


@dataclass(frozen=True, slots=True)
class PageText:
    """One page as stored: its text, and its size in points where it has a picture.

    `sheet`: where its lines stand (`layout.sheet`), for a format without pages of its own.
    """

    number: int
    text: str
    width: float | None
    height: float | None
    sheet: Sequence[Any] | None = None


COLUMNS = [documents.c[name] for name in Document.__dataclass_fields__]


def from_row(row: Row[Any]) -> Document:
    """The document of a row of `COLUMNS`."""
    values = dict(row._mapping)
    return Document(**values | {"pages_without_text": tuple(values["pages_without_text"])})


class Library:
    """The documents of this installation, project by project."""

    def __init__(self, database: Database, blobs: Blobs, projects: Projects, settings: Settings) -> None:
        self._database, self._blobs, self._projects, self._settings = database, blobs, projects, settings

    def receive(
        self, project: Project, name: str, source: BinaryIO, *, by: Caller, sizes: Sizes | None = None
    ) -> Document:
        """Stores a file for reading. One the project has already is not stored twice; one that failed is tried again.

        `sizes`: how its chunks are to be cut; one that is there already stays as it is.

        Raises: DocumentError for a format that can't be read, TooLarge, NotAllowed, StorageFull; nothing is stored.
        """
        _require(project, "contributor")
        name = file_name(name)
        head = _head(source)
        media_type = sniff(name, head)
        limited = _Limited(head, source, self._settings.upload_mib << 20)
        info = self._blobs.put(self._projects.key(project), limited)
        try:
            document = self._record(project, name, media_type, info, by=by, sizes=sizes)
        except BaseException:
            self._blobs.remove(info.id)
            raise
        if document.blob_id != info.id:
            self._blobs.remove(info.id)
        return document

    def list(self, project: Project) -> Sequence[Document]:
        """All documents of a project, oldest first."""
        with self._database.read() as connection:
            return _selected(connection, documents.c.project_id == project.id)

    def changed_since(self, project: Project, since: float) -> Sequence[Document]:
        """The documents of a project that changed after a time (`updated_at` of the last one known), in that order."""
        with self._database.read() as connection:
            found = _selected(connection, documents.c.project_id == project.id, documents.c.updated_at > since)
        return sorted(found, key=lambda document: document.updated_at)

    def get(self, project: Project, document_id: str) -> Document:
        """One document of a project. Raises: NotFound."""
        with self._database.read() as connection:
            return _one(connection, project, document_id)

    def page(self, document: Document, number: int) -> PageText:
        """The text of one page, from 1. Raises: NotFound."""
        if not 0 < number <= _MAX_PAGE:
            raise _no_page()
        statement = select(pages).where(pages.c.document_id == document.id, pages.c.number == number)
        with self._database.read() as connection:
            row = connection.execute(statement).first()
        if row is None:
            raise _no_page()
        return PageText(row.number, row.text, row.width, row.height, row.sheet)

    def original(self, project: Project, document: Document) -> bytes:
        """The file as it was received. Raises: NotFound, StorageCorrupt."""
        return self._blobs.open(self._projects.key(project), document.blob_id)

    def copy_original(self, document: Document, writer: Writable) -> None:
        """Writes the file as it was received into `writer`, for ingestion. Raises: NotFound, StorageCorrupt."""
        project = Project(document.project_id, name="", role="reader", created_at=0)
        self._blobs.read_to(writer, self._projects.key(project), document.blob_id)

    def explain(self, document: Document, *, language: str = "en") -> str | None:
        """Why a document failed and what to do, in plain words; None when it did not."""
        if document.state != "failed":
            return None
        said = words(document.error_code or "damaged", language, numbers=self._numbers(document))
        return f"{said.message} {said.hint}"

    def explain_refusal(self, code: str, *, language: str = "en") -> str:
        """The same for a file that never became a document."""
        said = words(code, language, numbers={"limit": self._settings.upload_mib})
        return f"{said.message} {said.hint}"

    def sweep(self) -> int:
        """Removes stored files that no row knows: what a crash between file and row left. Returns how many."""
        with self._database.read() as connection:
            known = stored_files(connection)
        removed = 0
        for path in self._blobs.orphans(known):
            path.unlink(missing_ok=True)
            removed += 1
        return removed

    def _record(
        self, project: Project, name: str, media_type: str, info: BlobInfo, *, by: Caller, sizes: Sizes | None
    ) -> Document:
        with self._database.write(durable=True) as connection:
            known = _selected(connection, documents.c.project_id == project.id, documents.c.sha256 == info.sha256)
            if known and known[0].state != "failed":
                return known[0]
            time = now()
            fresh: dict[str, Any] = {
                "state": "received", "name": name, "media_type": media_type, "pages_read": 0, "pages_total": None,
                "error_code": None, "error_message": None, "attempts": 0, "updated_at": time,
                "chunk_tokens": sizes.most if sizes else None, "chunk_overlap_tokens": sizes.overlap if sizes else None,
            }  # fmt: skip
            if known:
                document_id = known[0].id
                connection.execute(update(documents).where(documents.c.id == document_id).values(fresh))
            else:
                document_id = new_id()
                fresh |= {
                    "id": document_id, "project_id": project.id, "sha256": info.sha256, "size_bytes": info.size_bytes,
                    "blob_id": info.id, "pages_without_text": [], "added_by": by.user_id, "created_at": time,
                }  # fmt: skip
                connection.execute(insert(documents).values(fresh))
            return _one(connection, project, document_id)

    def _numbers(self, document: Document) -> dict[str, object]:
        """The numbers in the words of a failure, from the settings in force."""
        settings = self._settings
        limits: dict[str, object] = {
            "too_many_pages": settings.reader_pages,
            "too_much_text": settings.reader_output_mib,
            "too_large_unpacked": unpacked_mib(settings),
            "took_too_long": settings.reader_time_s,
            "too_much_memory": settings.reader_memory_mib,
            "stopped_repeatedly": document.attempts,
        }
        return {"pages": document.pages_total, "limit": limits.get(document.error_code or "", "…")}


def remove_index(connection: Connection, document_id: str) -> None:
    """Takes everything made of a document out of the index and the tables; its own row and original stay."""
    ids = list(connection.scalars(select(chunks.c.id).where(chunks.c.document_id == document_id)))
    fulltext.remove(connection, ids)
    connection.execute(delete(chunks).where(chunks.c.document_id == document_id))
    connection.execute(delete(pages).where(pages.c.document_id == document_id))


def file_name(name: str) -> str:
    """The last part of a path from any system, without control characters, at most 200 characters."""
    last = PureWindowsPath(PurePosixPath(name).name).name or "document"
    clean = "".join(letter for letter in unicodedata.normalize("NFC", last) if unicodedata.category(letter)[0] != "C")
    clean = re.sub(r"\s+", " ", clean).strip()
    if not clean.strip("."):  # `..` is a place, and no name
        return "document"
    if len(clean) <= _MAX_NAME:
        return clean
    suffix = PurePosixPath(clean).suffix[:10]
    return clean[: _MAX_NAME - len(suffix)] + suffix


def _no_page() -> NotFound:
    return NotFound("There is no such page.", hint="The document says how many pages it has.")


def _require(project: Project, role: Role) -> None:
    if not project.allows(role):
        raise NotAllowed(
            f"This takes the role '{role}' in the project; yours is '{project.role}'.",
            hint="Ask an owner of the project for that role.",
        )


def _selected(connection: Connection, *conditions: Any) -> list[Document]:
    statement = select(*COLUMNS).where(*conditions).order_by(documents.c.created_at, documents.c.id)
    return [from_row(row) for row in connection.execute(statement)]


def _one(connection: Connection, project: Project, document_id: str) -> Document:
    found = _selected(connection, documents.c.id == document_id, documents.c.project_id == project.id)
    if not found:
        raise NotFound(
            "There is no such document, or you may not see it.",
            hint="List the project's documents to see their ids.",
            code="document_not_found",
        )
    return found[0]


def _head(source: BinaryIO) -> bytes:
    head = b""
    while len(head) < HEAD_BYTES and (more := source.read(HEAD_BYTES - len(head))):
        head += more
    return head


class _Limited:
    """A source that gives its head once more and fails when it is larger than allowed."""

    def __init__(self, head: bytes, source: BinaryIO, limit_bytes: int) -> None:
        self._head, self._source, self._left, self._limit = head, source, limit_bytes, limit_bytes

    def read(self, size: int, /) -> bytes:
        data, self._head = (self._head[:size], self._head[size:]) if self._head else (self._source.read(size), b"")
        self._left -= len(data)
        if self._left < 0:
            said = failure("too_large", limit=self._limit >> 20)
            raise TooLarge(said.message, hint=said.hint)
        return data
