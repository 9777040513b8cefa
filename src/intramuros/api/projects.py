"""Projects and their documents for scripts: `/api/v1/projects…`, the same tasks as the page's.

Called by the router. Each route asks `accounts.projects` for the project first: what the caller may not see does
not exist.
"""

from __future__ import annotations

import asyncio
import re
from typing import TypedDict

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from intramuros.accounts.projects import Project, Projects, Role
from intramuros.api.errors import ErrorDetails, error_object
from intramuros.api.request import as_json, caller_of, entry_of
from intramuros.api.shapes import Shape, whole, words
from intramuros.app.uploads import Uploads
from intramuros.documents.document import Rect
from intramuros.documents.library import Document, Library
from intramuros.errors import DocumentError, TooLarge
from intramuros.privacy.erase.erasure import Erasure
from intramuros.retrieval.passage import Passage
from intramuros.retrieval.search import Search
from intramuros.storage.erasable import Subject

RESULTS, MAX_RESULTS = 10, 100
NEW = Shape({"name": words(100)}, required=("name",))
SEARCH = Shape({"query": words(2000), "limit": whole(RESULTS, 1, MAX_RESULTS)}, required=("query",))
DOCUMENT_ID = re.compile(r"[A-Za-z0-9_-]{16}")


class ProjectObject(TypedDict):
    """A project as the caller sees it: `role` is theirs."""

    id: str
    name: str
    role: str


class ProjectObjects(TypedDict):
    """The projects that the caller may see."""

    projects: list[ProjectObject]


class DocumentObject(TypedDict):
    """A document and how far it is: received, reading, indexed, ready, or failed with the reason in `error`."""

    id: str
    name: str
    media_type: str
    size_bytes: int
    state: str
    pages_read: int
    pages_total: int | None
    pages_without_text: list[int]
    language: str | None
    error_code: str | None
    error: str | None


class Documents(TypedDict):
    """The documents of a project."""

    documents: list[DocumentObject]


class RefusedFile(ErrorDetails):
    """A file that could not be stored, and why."""

    name: str


class Received(Documents):
    """The files that are stored, and those that are not."""

    refused: list[RefusedFile]


class PassageObject(TypedDict):
    """A passage of a document. `rects`: where it stands on its page, in points from the top left: x0, y0, x1, y1."""

    document: str
    document_id: str
    page: int
    headings: list[str]
    text: str
    score: float
    rects: list[Rect]


class Passages(TypedDict):
    """The passages that match, best first."""

    passages: list[PassageObject]


class FoundPassages(Passages):
    """The same. `lexical_only`: the embedder failed, so that they were found by words alone."""

    lexical_only: bool


class ProjectRoutes:
    """The routes below `/api/v1/projects`, except asking."""

    def __init__(
        self, projects: Projects, library: Library, search: Search, erasure: Erasure, uploads: Uploads
    ) -> None:
        self.projects, self.library, self.passages, self.erasure = projects, library, search, erasure
        self.uploads = uploads

    def routes(self) -> list[BaseRoute]:
        """What the server mounts."""
        documents = "/api/v1/projects/{project}/documents"
        return [
            Route("/api/v1/projects", self.index, methods=["GET"]),
            Route("/api/v1/projects", self.create, methods=["POST"]),
            Route(documents, self.documents, methods=["GET"]),
            Route(documents, self.add, methods=["POST"]),
            Route(documents + "/{document}", self.document, methods=["GET"]),
            Route(documents + "/{document}", self.remove, methods=["DELETE"]),
            Route("/api/v1/projects/{project}/search", self.search, methods=["POST"]),
        ]

    async def index(self, request: Request) -> Response:
        """The projects the caller may see."""
        found = await asyncio.to_thread(self.projects.list, caller_of(request))
        return as_json(ProjectObjects(projects=[project_object(project) for project in found]))

    async def create(self, request: Request) -> Response:
        """Makes a project that the caller owns. Raises: Conflict when the name is taken."""
        name = (await NEW.of(request.receive))["name"].strip()
        project = await asyncio.to_thread(self.projects.create, name, by=caller_of(request))
        entry_of(request).about(project.id)
        return as_json(project_object(project), status=201)

    async def documents(self, request: Request) -> Response:
        """The project's documents and how far each is."""
        project = await project_of(request, self.projects, need="reader")
        found = await asyncio.to_thread(self.library.list, project)
        return as_json(Documents(documents=[self._document(document) for document in found]))

    async def document(self, request: Request) -> Response:
        """One document and how far it is."""
        tried = _tried(request)
        project = await project_of(request, self.projects, need="reader")
        document = await asyncio.to_thread(self.library.get, project, tried)
        return as_json(self._document(document))

    async def add(self, request: Request) -> Response:
        """Receives files. Answered with 202 once they are stored; reading goes on behind: ask for their state.

        Raises: why the first was refused, when none could be stored.
        """
        project = await project_of(request, self.projects, need="contributor")
        received, refused = [], []
        for name, content in await self.uploads.files(request):
            with content:
                try:
                    document = await asyncio.to_thread(
                        self.library.receive, project, name, content, by=caller_of(request)
                    )
                except (DocumentError, TooLarge) as error:
                    refused.append((name, error))
                else:
                    received.append(document)
        if not received:
            raise refused[0][1]
        entry_of(request).note(
            documents=[document.id for document in received], size_bytes=sum(d.size_bytes for d in received)
        )
        documents = [self._document(document) for document in received]
        why: list[RefusedFile] = [{"name": name, **error_object(error)["error"]} for name, error in refused]
        return as_json(Received(documents=documents, refused=why), status=202)

    async def remove(self, request: Request) -> Response:
        """Erases a document with everything made of it; the answer is the receipt."""
        project = await project_of(request, self.projects, need="contributor")
        document = (await asyncio.to_thread(self.library.get, project, request.path_params["document"])).id
        entry_of(request).note(document=document)
        subject, by = Subject("document", document), caller_of(request).user_id
        done = await asyncio.to_thread(self.erasure.run, subject, by=by)
        entry_of(request).note(erasure=done.id)
        return as_json(done.to_json())

    async def search(self, request: Request) -> Response:
        """The passages that match. The query is in the body, because addresses end up in logs."""
        values = await SEARCH.of(request.receive)
        query, limit = values["query"], values.get("limit", RESULTS)
        project = await project_of(request, self.projects, need="reader")
        found = await self.passages.ask(query, projects=[project.id], limit=limit)
        entry_of(request).note(results=len(found.passages), lexical_only=found.lexical_only or None)
        passages = [passage_object(passage) for passage in found.passages]
        return as_json(FoundPassages(passages=passages, lexical_only=found.lexical_only))

    def _document(self, document: Document) -> DocumentObject:
        return {
            "id": document.id,
            "name": document.name,
            "media_type": document.media_type,
            "size_bytes": document.size_bytes,
            "state": document.state,
            "pages_read": document.pages_read,
            "pages_total": document.pages_total,
            "pages_without_text": list(document.pages_without_text),
            "language": document.language,
            "error_code": document.error_code,
            "error": self.library.explain(document),
        }


async def project_of(request: Request, projects: Projects, *, need: Role) -> Project:
    """The project of the address, if the caller has that role in it. Raises: NotFound, NotAllowed."""
    name = request.path_params["project"]
    project = await asyncio.to_thread(projects.get, name, by=caller_of(request), need=need)
    if entry_of(request).object is None:
        entry_of(request).about(project.id)
    return project


def _tried(request: Request) -> str:
    """The document of the address. The record is about it, also where it is refused, if it can be one's id at all."""
    document: str = request.path_params["document"]
    if DOCUMENT_ID.fullmatch(document):
        entry_of(request).note(document=document)
        entry_of(request).about(document)
    return document


def project_object(project: Project) -> ProjectObject:
    """A project as the API shows it."""
    return {"id": project.id, "name": project.name, "role": project.role}


def passage_object(passage: Passage) -> PassageObject:
    """A passage as the API shows it."""
    return {
        "document": passage.document,
        "document_id": passage.document_id,
        "page": passage.page,
        "headings": list(passage.headings),
        "text": passage.text,
        "score": passage.score,
        "rects": list(passage.rects),
    }
