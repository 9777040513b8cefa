"""`/v1/vector_stores/{store}/files` and `…/file_batches`: files put into a project, where each becomes a document.

Called by the router. How far a file is comes from the queue of documents.
"""

from __future__ import annotations

import asyncio
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, NotRequired, TypedDict

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from intramuros.accounts.caller import Caller
from intramuros.accounts.projects import Project, Projects
from intramuros.api.body import only, read_object, text
from intramuros.api.openai.fields import inside, not_used_header, whole
from intramuros.api.openai.files import PREFIX as FILE
from intramuros.api.openai.listing import Deleted, bare, page
from intramuros.api.openai.notes import attributes
from intramuros.api.openai.store import PREFIX as STORE
from intramuros.api.openai.store import store_of
from intramuros.api.request import as_json, caller_of, entry_of
from intramuros.documents.attached import AttachedFile, AttachedFiles, Attributes, no_file
from intramuros.documents.chunk import Sizes
from intramuros.documents.library import Library
from intramuros.errors import BadRequest, NotFound
from intramuros.privacy.erase.erasure import Erasure
from intramuros.storage.erasable import Subject
from intramuros.storage.schema import new_id
from intramuros.tasks.files import Files, StoredFile
from intramuros.tasks.files import no_file as not_sent

BATCH = "vsfb_"
MOST_AT_ONCE = 500
STATES = ("in_progress", "completed", "failed", "cancelled")
MOST_TOKENS = 4096
_SIZES = {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 0}
"""The sizes of a chunking strategy, and the least of each. Source: OpenAI's API reference, vector stores."""
_UNSUPPORTED = frozenset({"unknown_format", "old_word", "password_protected", "no_text", "not_what_it_says"})
_OURS = frozenset({"reader_failed", "stopped_repeatedly", "original_missing"})


class Wanted(NamedTuple):
    """A file that is to be attached, by its id: with these attributes, its chunks cut in these sizes."""

    file_id: str
    attributes: Attributes
    sizes: Sizes | None


Sent = Sequence[tuple[StoredFile, Wanted]]


@dataclass(frozen=True, slots=True)
class Attaching:
    """Makes documents of files."""

    sent: Files
    files: AttachedFiles

    def mine(self, wanted: Sequence[Wanted], *, by: Caller) -> Sent:
        """The caller's files with these ids. Raises: NotFound for one that is not, before anything is attached."""
        return [(self.sent.get(bare(one.file_id, FILE, not_sent), by=by), one) for one in wanted]

    def attach(self, project: Project, some: Sent, *, by: Caller, file_batch: str | None = None) -> list[AttachedFile]:
        """Attaches them, one after another."""
        return [self._attach(project, file, wanted, by, file_batch) for file, wanted in some]

    def _attach(
        self, project: Project, file: StoredFile, wanted: Wanted, by: Caller, file_batch: str | None
    ) -> AttachedFile:
        with io.BytesIO(self.sent.content(file)) as content:
            return self.files.attach(
                project, file.id, file.name, content,
                by=by, attributes=wanted.attributes, file_batch=file_batch, sizes=wanted.sizes,
            )  # fmt: skip


class FileCounts(TypedDict):
    """How many files are in each state."""

    in_progress: int
    completed: int
    failed: int
    cancelled: int
    total: int


class StrategyObject(TypedDict):
    """How a file's chunks were cut: `static` in sizes that were asked for, else by pages and headings."""

    type: Literal["static", "other"]
    static: NotRequired[dict[str, int]]


class StoreFileError(TypedDict):
    """Why a file could not be read."""

    code: str
    message: str | None


class StoreFileObject(TypedDict):
    """A file in a vector store, and how far it is. `created_at`: seconds since 1970."""

    id: str
    object: Literal["vector_store.file"]
    created_at: int
    vector_store_id: str
    status: str
    usage_bytes: int
    attributes: dict[str, str | float | bool]
    chunking_strategy: StrategyObject
    last_error: StoreFileError | None


class TextPart(TypedDict):
    """A piece of text."""

    type: Literal["text"]
    text: str


class FileContent(TypedDict):
    """A file's text as it was read, page by page."""

    object: Literal["vector_store.file_content.page"]
    data: list[TextPart]
    has_more: bool
    next_page: None


class FileBatchObject(TypedDict):
    """Files that were put into a vector store together. `created_at`: seconds since 1970."""

    id: str
    object: Literal["vector_store.files_batch"]
    created_at: int
    vector_store_id: str
    status: str
    file_counts: FileCounts


class VectorStoreFileRoutes:
    """The routes of the files in a store."""

    def __init__(self, projects: Projects, library: Library, attaching: Attaching, erasure: Erasure) -> None:
        self.projects, self.library, self.attaching, self.erasure = projects, library, attaching, erasure
        self.files = attaching.files

    def routes(self) -> list[BaseRoute]:
        """What the server mounts."""
        files, batches = "/v1/vector_stores/{store}/files", "/v1/vector_stores/{store}/file_batches"
        return [
            Route(files, self.create, methods=["POST"]),
            Route(files, self.index, methods=["GET"]),
            Route(files + "/{file}", self.show, methods=["GET"]),
            Route(files + "/{file}", self.change, methods=["POST"]),
            Route(files + "/{file}", self.remove, methods=["DELETE"]),
            Route(files + "/{file}/content", self.content, methods=["GET"]),
            Route(batches, self.create_batch, methods=["POST"]),
            Route(batches + "/{batch}", self.show_batch, methods=["GET"]),
            Route(batches + "/{batch}/cancel", self.cancel_batch, methods=["POST"]),
            Route(batches + "/{batch}/files", self.index, methods=["GET"]),
        ]

    async def create(self, request: Request) -> Response:
        """Puts one file into the project; reading goes on behind."""
        values = await read_object(request.receive)
        only(values, {"file_id", "attributes", "chunking_strategy"})
        noted, sizes = attributes(values.get("attributes")), strategy(values)
        wanted = Wanted(text(values, "file_id", longest=100), noted, sizes)
        project, by = await store_of(request, self.projects, need="contributor"), caller_of(request)
        sent = await asyncio.to_thread(self.attaching.mine, [wanted], by=by)
        [made] = await asyncio.to_thread(self.attaching.attach, project, sent, by=by)
        self._note(request, [made])
        return as_json(self._shown(project, made), headers=not_used_header(cut_otherwise(sent, [made])))

    async def index(self, request: Request) -> Response:
        """The files of the project, or of one batch."""
        project = await store_of(request, self.projects, need="reader")
        found = await asyncio.to_thread(self.files.list, project)
        if "batch" in request.path_params:
            found = _of_batch(found, request)
        state = request.query_params.get("filter")
        if state and state not in STATES:
            raise BadRequest(f"'filter' must be one of {', '.join(STATES)}.", param="filter")
        shown = page(
            found,
            request.query_params,
            show=lambda file: self._shown(project, file),
            id_of=lambda file: FILE + file.id,
            known=frozenset({"filter"}),
            keep=lambda file: not state or file.state == state,
        )
        return as_json(shown)

    async def show(self, request: Request) -> Response:
        """One file and how far it is."""
        project = await store_of(request, self.projects, need="reader")
        return as_json(self._shown(project, await self._file(request, project)))

    async def change(self, request: Request) -> Response:
        """Replaces its attributes."""
        values = await read_object(request.receive)
        only(values, {"attributes"})
        noted = attributes(values.get("attributes"))
        project = await store_of(request, self.projects, need="contributor")
        file = await self._file(request, project)
        await asyncio.to_thread(self.files.describe, project, file, noted)
        return as_json(self._shown(project, await self._file(request, project)))

    async def remove(self, request: Request) -> Response:
        """Takes a file out of the project and erases what it became; the file itself stays its person's."""
        project = await store_of(request, self.projects, need="contributor")
        file = await self._file(request, project)
        document = await asyncio.to_thread(self.files.detach, project, file)
        if document is not None:
            subject, by = Subject("document", document), caller_of(request).user_id
            receipt = await asyncio.to_thread(self.erasure.run, subject, by=by)
            entry_of(request).note(erasure=receipt.id)
        return as_json(Deleted(id=FILE + file.id, object="vector_store.file.deleted", deleted=True))

    async def content(self, request: Request) -> Response:
        """Its text as it was read, page by page."""
        project = await store_of(request, self.projects, need="reader")
        file = await self._file(request, project)
        texts = await asyncio.to_thread(self._texts, file)
        data: list[TextPart] = [{"type": "text", "text": each} for each in texts]
        page: FileContent = {
            "object": "vector_store.file_content.page", "data": data, "has_more": False, "next_page": None,
        }  # fmt: skip
        return as_json(page)

    async def create_batch(self, request: Request) -> Response:
        """Puts several files into the project: a bad one is reported, the others are read."""
        values = await read_object(request.receive)
        only(values, {"file_ids", "files", "attributes", "chunking_strategy"})
        wanted = _wanted(values)
        project, by = await store_of(request, self.projects, need="contributor"), caller_of(request)
        batch = new_id()
        sent = await asyncio.to_thread(self.attaching.mine, wanted, by=by)
        made = await asyncio.to_thread(lambda: self.attaching.attach(project, sent, by=by, file_batch=batch))
        self._note(request, made)
        unused = cut_otherwise(sent, made)
        if values.get("files") is not None and strategy(values) is not None:
            unused = ["chunking_strategy"]  # of each file its own
        return as_json(batch_object(project, batch, made), headers=not_used_header(unused))

    async def show_batch(self, request: Request) -> Response:
        """How far its files are."""
        project = await store_of(request, self.projects, need="reader")
        return as_json(await self._batch(request, project))

    async def cancel_batch(self, request: Request) -> Response:
        """Has those not read whose reading has not begun."""
        project = await store_of(request, self.projects, need="contributor")
        await self._batch(request, project)
        await asyncio.to_thread(self.files.cancel, project, bare(request.path_params["batch"], BATCH, no_batch))
        return as_json(await self._batch(request, project))

    async def _batch(self, request: Request, project: Project) -> FileBatchObject:
        found = _of_batch(await asyncio.to_thread(self.files.list, project), request)
        return batch_object(project, bare(request.path_params["batch"], BATCH, no_batch), found)

    async def _file(self, request: Request, project: Project) -> AttachedFile:
        wanted = bare(request.path_params["file"], FILE, no_file)
        file = await asyncio.to_thread(self.files.get, project, wanted)
        if file.document is not None:
            entry_of(request).note(document=file.document.id)
        return file

    def _texts(self, file: AttachedFile) -> list[str]:
        if file.document is None or not file.document.is_read:
            return []
        pages = file.document.pages_total or 0
        return [self.library.page(file.document, number).text for number in range(1, pages + 1)]

    def _shown(self, project: Project, file: AttachedFile) -> StoreFileObject:
        error: StoreFileError | None = None
        if (code := file.code) is not None:
            said = self.library.explain(file.document) if file.document else self.library.explain_refusal(code)
            error = {"code": _kind(code), "message": said}
        return {
            "id": FILE + file.id,
            "object": "vector_store.file",
            "created_at": int(file.created_at),
            "vector_store_id": STORE + project.id,
            "status": file.state,
            "usage_bytes": file.document.size_bytes if file.document else 0,
            "attributes": dict(file.attributes),
            "chunking_strategy": _shown_strategy(file),
            "last_error": error,
        }

    @staticmethod
    def _note(request: Request, made: Sequence[AttachedFile]) -> None:
        found = [file.document for file in made if file.document is not None]
        entry_of(request).note(documents=[document.id for document in found][:1000], records=len(made))


def counts(files: Sequence[AttachedFile]) -> FileCounts:
    """How many are in each state."""
    found = Counter(file.state for file in files)
    return {
        "in_progress": found["in_progress"],
        "completed": found["completed"],
        "failed": found["failed"],
        "cancelled": found["cancelled"],
        "total": len(files),
    }


def batch_object(project: Project, batch: str, files: Sequence[AttachedFile]) -> FileBatchObject:
    """Files added together, as OpenAI's clients know them."""
    counted = counts(files)
    status = "in_progress" if counted["in_progress"] else "cancelled" if counted["cancelled"] else "completed"
    return {
        "id": BATCH + batch,
        "object": "vector_store.files_batch",
        "created_at": int(min(file.created_at for file in files)),
        "vector_store_id": STORE + project.id,
        "status": "failed" if counted["failed"] == counted["total"] else status,
        "file_counts": counted,
    }


def strategy(values: Mapping[str, Any]) -> Sizes | None:
    """The sizes that `chunking_strategy` asks for; None where it leaves them to us. Raises: BadRequest."""
    path, asked = "chunking_strategy", values.get("chunking_strategy")
    if asked is None:
        return None
    if not isinstance(asked, dict) or asked.get("type") not in ("auto", "static"):
        raise BadRequest(f"'{path}.type' must be 'auto' or 'static'.", param=path)
    if asked["type"] == "auto":
        inside(asked, path, {"type"})
        return None
    sizes = inside(inside(asked, path, {"type", "static"}).get("static"), f"{path}.static", set(_SIZES))
    most, overlap = (whole(low, MOST_TOKENS)(sizes.get(name), f"{path}.static.{name}") for name, low in _SIZES.items())
    if overlap > most // 2:
        place = f"{path}.static.chunk_overlap_tokens"
        raise BadRequest(f"'{place}' must be at most half of 'max_chunk_size_tokens'.", param=place)
    return Sizes(most, overlap)


def cut_otherwise(sent: Sent, made: Sequence[AttachedFile]) -> list[str]:
    """Names `chunking_strategy` where the project has a file's content already, cut in another way."""
    pairs = zip(sent, made, strict=True)
    is_other = any(file.document and wanted.sizes not in (None, file.document.sizes) for (_, wanted), file in pairs)
    return ["chunking_strategy"] if is_other else []


def file_ids(values: Mapping[str, Any]) -> list[str]:
    """The list `file_ids`. Raises: BadRequest."""
    found = values.get("file_ids")
    if not isinstance(found, list) or len(found) > MOST_AT_ONCE or not all(isinstance(one, str) for one in found):
        raise BadRequest(f"'file_ids' must be a list of at most {MOST_AT_ONCE} ids.", param="file_ids")
    return list(dict.fromkeys(found))


def no_batch() -> NotFound:
    """There is none in this project."""
    return NotFound("There is no such batch of files in this vector store.", code="file_batch_not_found")


def _wanted(values: Mapping[str, Any]) -> list[Wanted]:
    """The files of a batch: `file_ids` with the same attributes for all, or `files` with their own."""
    if (values.get("files") is None) == (values.get("file_ids") is None):
        raise BadRequest("Send either 'file_ids' or 'files'.", param="file_ids")
    if values.get("file_ids") is not None:
        noted, sizes = attributes(values.get("attributes")), strategy(values)
        found = [Wanted(one, noted, sizes) for one in file_ids(values)]
    else:
        files = values["files"]
        if not isinstance(files, list) or len(files) > MOST_AT_ONCE or not all(isinstance(one, dict) for one in files):
            raise BadRequest(f"'files' must be a list of at most {MOST_AT_ONCE} objects.", param="files")
        for one in files:
            only(one, {"file_id", "attributes", "chunking_strategy"})
        found = [
            Wanted(text(one, "file_id", longest=100), attributes(one.get("attributes")), strategy(one)) for one in files
        ]
    if not found:
        raise BadRequest("A batch needs one file at least.", param="file_ids")
    return found


def _of_batch(files: Sequence[AttachedFile], request: Request) -> list[AttachedFile]:
    batch = bare(request.path_params["batch"], BATCH, no_batch)
    found = [file for file in files if file.file_batch == batch]
    if not found:
        raise no_batch()
    return found


def _shown_strategy(file: AttachedFile) -> StrategyObject:
    """How its chunks were cut: ours follow pages and headings alone, which OpenAI has no name for."""
    sizes = file.document.sizes if file.document else None
    if sizes is None:
        return {"type": "other"}
    return {"type": "static", "static": dict(zip(_SIZES, (sizes.most, sizes.overlap), strict=True))}


def _kind(code: str) -> str:
    if code in _OURS:
        return "server_error"
    return "unsupported_file" if code in _UNSUPPORTED else "invalid_file"
