"""Files that programs attach to a project: which document each became, and the attributes the program wrote on it.

Called by the OpenAI door, where a project is a vector store. Every document of a project is in the list, those that
people added too: such a one goes by its document's id. A file that can't be a document stays in the list with the
reason, so that one bad file of many is reported and the others are read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from sqlalchemy import Connection, delete, func, select, update
from sqlalchemy.dialects.sqlite import insert

from intramuros.accounts.caller import Caller
from intramuros.accounts.projects import Project
from intramuros.documents import queue
from intramuros.documents.chunk import Sizes
from intramuros.documents.library import Document, Library
from intramuros.errors import DocumentError, NotFound, TooLarge
from intramuros.storage.database import Database
from intramuros.storage.schema import attached_files, documents, now

CANCELLED = "cancelled"

Attributes = Mapping[str, str | float | bool]


@dataclass(frozen=True, slots=True)
class AttachedFile:
    """A file in a project; `document` is what it became, None where it could not be one (`error_code`)."""

    id: str
    document: Document | None
    attributes: Attributes
    file_batch: str | None
    error_code: str | None
    created_at: float

    @property
    def state(self) -> str:
        """How far it is: in_progress | completed (its words can be found) | failed | cancelled."""
        if self.code == CANCELLED:
            return "cancelled"
        if self.code is not None:
            return "failed"
        return "completed" if self.document is not None and self.document.is_read else "in_progress"

    @property
    def code(self) -> str | None:
        """Why it is not to be found; None where it is, or will be."""
        if self.document is None:
            return self.error_code or "damaged"
        return self.document.error_code if self.document.state == "failed" else None


@dataclass(frozen=True, slots=True)
class AttachedFiles:
    """The files of all projects, as programs see them."""

    database: Database
    library: Library

    def list(self, project: Project) -> Sequence[AttachedFile]:
        """Everything in a project, oldest first."""
        with self.database.read() as connection:
            return self._list(connection, project)

    def get(self, project: Project, file_id: str) -> AttachedFile:
        """One of them. Raises: NotFound."""
        for file in self.list(project):
            if file.id == file_id:
                return file
        raise no_file()

    def attach(
        self,
        project: Project,
        file_id: str,
        name: str,
        source: BinaryIO,
        *,
        by: Caller,
        attributes: Attributes,
        file_batch: str | None = None,
        sizes: Sizes | None = None,
    ) -> AttachedFile:
        """Makes a document of a file, for reading; what the project has already is not stored twice, nor cut anew.

        Raises: NotAllowed, StorageFull. A file that can't be read is in the list, failed.
        """
        document: Document | None = None
        error_code = None
        try:
            document = self.library.receive(project, name, source, by=by, sizes=sizes)
        except (DocumentError, TooLarge) as error:
            error_code = error.code
        values = {
            "document_id": document.id if document else None,
            "attributes": dict(attributes),
            "file_batch": file_batch,
            "error_code": error_code,
            "created_at": now(),
        }
        statement = insert(attached_files).values(project_id=project.id, file_id=file_id, **values)
        with self.database.write(durable=True) as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=["project_id", "file_id"], set_=values))
        return AttachedFile(file_id, document, attributes, file_batch, error_code, now())

    def describe(self, project: Project, file: AttachedFile, attributes: Attributes) -> None:
        """Replaces the attributes of a file."""
        document_id = file.document.id if file.document else None
        statement = insert(attached_files).values(
            project_id=project.id,
            file_id=file.id,
            document_id=document_id,
            attributes=dict(attributes),
            created_at=file.created_at,
        )
        with self.database.write(durable=True) as connection:
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["project_id", "file_id"], set_={"attributes": dict(attributes)}
                )
            )

    def detach(self, project: Project, file: AttachedFile) -> str | None:
        """Takes a file out of the list. Returns the document that is to be erased then, if no other file became it."""
        with self.database.write(durable=True, erasing=True) as connection:
            mine = attached_files.c.project_id == project.id
            if file.document is None:
                connection.execute(delete(attached_files).where(mine, attached_files.c.file_id == file.id))
                return None
            same = attached_files.c.document_id == file.document.id
            others = select(func.count()).where(mine, same, attached_files.c.file_id != file.id)
            if not connection.scalar(others):
                return file.document.id  # its row goes with it
            connection.execute(delete(attached_files).where(mine, attached_files.c.file_id == file.id))
            return None

    def cancel(self, project: Project, file_batch: str) -> None:
        """Stops what was added together: documents whose reading has not begun are not read."""
        with self.database.write(durable=True) as connection:
            ids = select(attached_files.c.document_id).where(
                attached_files.c.project_id == project.id, attached_files.c.file_batch == file_batch
            )
            waiting = documents.c.id.in_(ids), documents.c.state == "received"
            values = queue.failed(CANCELLED) | {"updated_at": now()}
            connection.execute(update(documents).where(*waiting).values(values))

    def _list(self, connection: Connection, project: Project) -> Sequence[AttachedFile]:
        rows = connection.execute(select(attached_files).where(attached_files.c.project_id == project.id)).all()
        by_id = {document.id: document for document in self.library.list(project)}
        found = [
            AttachedFile(
                row.file_id, by_id.get(row.document_id), row.attributes, row.file_batch, row.error_code, row.created_at
            )
            for row in rows
            if row.document_id is None or row.document_id in by_id
        ]
        known = {row.document_id for row in rows}
        found += [
            AttachedFile(document.id, document, {}, None, None, document.created_at)
            for document in by_id.values()
            if document.id not in known
        ]
        return sorted(found, key=lambda file: (file.created_at, file.id))


def no_file() -> NotFound:
    """There is none in this project."""
    return NotFound(
        "There is no such file in this vector store.",
        hint="List them: GET /v1/vector_stores/ID/files",
        code="file_not_found",
    )
