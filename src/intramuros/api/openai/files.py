"""`/v1/files`: files of programs, each its person's own. Called by the router. What differs is in README.md."""

from __future__ import annotations

import asyncio
from typing import Any, Literal, TypedDict
from urllib.parse import quote

from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from intramuros.api.openai.listing import Deleted, bare, page
from intramuros.api.request import as_json, caller_of, entry_of
from intramuros.app.uploads import Uploads
from intramuros.errors import BadRequest
from intramuros.tasks.files import LONGEST_S, SHORTEST_S, Files, StoredFile, no_file

PREFIX = "file-"
_FIELDS = {"file", "purpose", "expires_after[anchor]", "expires_after[seconds]"}


class FileObject(TypedDict):
    """A file. Times: seconds since 1970."""

    id: str
    object: Literal["file"]
    bytes: int
    created_at: int
    expires_at: int | None
    filename: str
    purpose: str
    status: Literal["processed"]
    status_details: None


class FileRoutes:
    """The routes below `/v1/files`."""

    def __init__(self, files: Files, uploads: Uploads) -> None:
        self.files, self.uploads = files, uploads

    def routes(self) -> list[BaseRoute]:
        """What the server mounts."""
        return [
            Route("/v1/files", self.create, methods=["POST"]),
            Route("/v1/files", self.index, methods=["GET"]),
            Route("/v1/files/{file}", self.show, methods=["GET"]),
            Route("/v1/files/{file}", self.remove, methods=["DELETE"]),
            Route("/v1/files/{file}/content", self.content, methods=["GET"]),
        ]

    async def create(self, request: Request) -> Response:
        """Stores one file."""
        form = await self.uploads.form(request)
        upload = _upload(form)
        purpose, keep_s = _text(form, "purpose") or "", _keep_s(form)
        if not purpose:
            raise BadRequest("'purpose' is missing.", code="missing_parameter", param="purpose")
        with upload.file:
            file = await asyncio.to_thread(
                lambda: self.files.add(
                    upload.filename or "", purpose, upload.file, by=caller_of(request), keep_s=keep_s
                )
            )
        entry_of(request).about(file.id)
        entry_of(request).note(size_bytes=file.size_bytes)
        return as_json(file_object(file))

    async def index(self, request: Request) -> Response:
        """The caller's files."""
        query = request.query_params
        found = await asyncio.to_thread(
            lambda: self.files.list(by=caller_of(request), purpose=query.get("purpose") or None)
        )
        known = frozenset({"purpose"})
        shown = page(
            found,
            query,
            show=file_object,
            id_of=lambda file: PREFIX + file.id,
            most=10_000,
            default=10_000,
            known=known,
        )
        return as_json(shown)

    async def show(self, request: Request) -> Response:
        """One file."""
        return as_json(file_object(await self._file(request)))

    async def content(self, request: Request) -> Response:
        """What is in it. Never shown as a page: it is somebody's file, and may say it is one."""
        file = await self._file(request)
        content = await asyncio.to_thread(self.files.content, file)
        named = f"attachment; filename*=UTF-8''{quote(file.name, safe='')}"
        return Response(content, media_type="application/octet-stream", headers={"content-disposition": named})

    async def remove(self, request: Request) -> Response:
        """Removes a file for good."""
        file = await self._file(request)
        await asyncio.to_thread(self.files.remove, file)
        return as_json(Deleted(id=PREFIX + file.id, object="file", deleted=True))

    async def _file(self, request: Request) -> StoredFile:
        wanted = bare(request.path_params["file"], PREFIX, no_file)
        file = await asyncio.to_thread(lambda: self.files.get(wanted, by=caller_of(request)))
        entry_of(request).about(file.id)
        return file


def file_object(file: StoredFile) -> FileObject:
    """A file as OpenAI's clients know it."""
    return {
        "id": PREFIX + file.id,
        "object": "file",
        "bytes": file.size_bytes,
        "created_at": int(file.created_at),
        "expires_at": None if file.expires_at is None else int(file.expires_at),
        "filename": file.name,
        "purpose": file.purpose,
        "status": "processed",
        "status_details": None,
    }


def _upload(form: FormData) -> UploadFile:
    for name, _ in form.multi_items():
        if name not in _FIELDS:
            raise BadRequest(f"Unknown field '{name[:64]}'.", code="unknown_parameter", param=name[:64])
    found = form.getlist("file")
    if len(found) != 1 or not isinstance(found[0], UploadFile):
        raise BadRequest("Send exactly one file, in the field 'file'.", code="missing_parameter", param="file")
    return found[0]


def _text(form: FormData, name: str) -> str | None:
    found = form.getlist(name)
    if any(not isinstance(value, str) for value in found) or len(found) > 1:
        raise BadRequest(f"'{name}' must be one text.", param=name)
    return str(found[0]) if found else None


def _keep_s(form: FormData) -> int | None:
    anchor, seconds = _text(form, "expires_after[anchor]"), _text(form, "expires_after[seconds]")
    return keep_s({"anchor": anchor, "seconds": _number(seconds)} if anchor or seconds else None, "expires_after")


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else None


def keep_s(value: Any, path: str) -> int | None:
    """How long something is to be kept, from `{"anchor": "created_at", "seconds": …}`. Raises: BadRequest."""
    if value is None:
        return None
    if not isinstance(value, dict) or value.get("anchor") != "created_at":
        raise BadRequest(f"'{path}.anchor' must be 'created_at'.", param=f"{path}.anchor")
    seconds = value.get("seconds")
    if type(seconds) is not int or not SHORTEST_S <= seconds <= LONGEST_S or set(value) != {"anchor", "seconds"}:
        raise BadRequest(
            f"'{path}.seconds' must be a whole number between {SHORTEST_S} and {LONGEST_S}.", param=f"{path}.seconds"
        )
    return seconds
