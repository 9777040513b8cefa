"""The documents' parts put together on a folder, without the rest of the application."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select

from intramuros.accounts.caller import LOCAL
from intramuros.accounts.projects import Project, Projects
from intramuros.documents.erasing import DocumentsEraser
from intramuros.documents.ingest import Ingest
from intramuros.documents.library import Document, Library
from intramuros.documents.reader.supervisor import Reader
from intramuros.security.subject_keys import SubjectKeys
from intramuros.settings import Settings, load
from intramuros.storage import database as store
from intramuros.storage import fulltext
from intramuros.storage.blobs import Blobs
from intramuros.storage.database import Database
from intramuros.storage.erasable import Subject
from intramuros.storage.schema import chunks, pages

KEY = bytes(range(32))


@dataclass(slots=True)
class Shelf:
    """A library with one project."""

    settings: Settings
    database: Database
    blobs: Blobs
    projects: Projects
    library: Library
    reader: Reader
    ingest: Ingest
    project: Project

    def add(self, name: str, content: bytes) -> Document:
        """Receives a file."""
        return self.library.receive(self.project, name, io.BytesIO(content), by=LOCAL)

    async def ready(self, name: str, content: bytes) -> Document:
        """Receives a file and reads it."""
        document = self.add(name, content)
        return (await self.ingest.drain([document.id]))[0]

    def counts(self, document: Document | None = None) -> dict[str, int]:
        """Rows there are, of one document or of all; `words` counts the full-text rows of all."""
        with self.database.read() as connection:
            found = {}
            for name, table in (("pages", pages), ("chunks", chunks)):
                statement = select(func.count()).select_from(table)
                if document:
                    statement = statement.where(table.c.document_id == document.id)
                found[name] = connection.scalar(statement) or 0
            return found | {"words": fulltext.count(connection)}

    def chunk_rows(self, document: Document) -> list[dict[str, object]]:
        """The chunks of a document as stored, in order."""
        with self.database.read() as connection:
            rows = connection.execute(
                select(chunks).where(chunks.c.document_id == document.id).order_by(chunks.c.ordinal)
            )
            return [dict(row._mapping) for row in rows]

    def erase(self, document: Document) -> None:
        """Removes a document with everything made of it."""
        DocumentsEraser(self.database, self.blobs).erase(Subject("document", document.id))

    def blob_files(self) -> list[Path]:
        """The encrypted originals on the disk."""
        return [path for path in (self.settings.data / "blobs").rglob("*") if path.is_file()]

    def close(self) -> None:
        """Gives everything back."""
        self.reader.close()
        self.database.close()


def open_shelf(data: Path, **flags: object) -> Shelf:
    """The shelf in a folder, made if it isn't there."""
    settings = load({"data": data, **flags}, environ={})
    path = data / "intramuros.db"
    data.mkdir(exist_ok=True)
    database = store.open_database(path, KEY) if path.exists() else store.create(path, KEY)
    blobs = Blobs(data / "blobs")
    projects = Projects(database, SubjectKeys(data / "subjects", KEY))
    library, reader = Library(database, blobs, projects, settings), Reader(settings)
    known = projects.list(LOCAL)
    project = known[0] if known else projects.create("Atelier", LOCAL)
    return Shelf(
        settings, database, blobs, projects, library, reader, Ingest(database, library, reader, settings), project
    )
