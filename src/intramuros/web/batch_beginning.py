"""Beginning a batch from its page: with a file of one's computer, or one that was sent before. Called by the router.

A script sends a file as the plain body of its own request, as documents come; without one the form itself brings it,
and it is held in memory. What a door for programs would refuse is refused here too; what is in the lines is looked at
when the batch is read in, and each bad one is reported on its page.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import BinaryIO, cast
from urllib.parse import unquote

import anyio
import anyio.to_thread
import orjson
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from intramuros.app.uploads import Uploads
from intramuros.errors import BadRequest, IntramurosError
from intramuros.security.crypto import Readable
from intramuros.tasks.batch import Batch
from intramuros.tasks.batch_door import FIRST_LINES, HEAD_BYTES, endpoint_of
from intramuros.tasks.batch_output import Reading
from intramuros.web.batches import address_of, page
from intramuros.web.documents import Body
from intramuros.web.problems import problem
from intramuros.web.visit import Form, Visit, read_form, redirect

UPLOADS_AT_ONCE = 8
PIECE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Beginning:
    """What the form and its script send."""

    _limiter: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(UPLOADS_AT_ONCE))
    _uploads: Uploads = field(default_factory=Uploads)

    async def begin(self, visit: Visit) -> Response:
        """With the file that the form brings, or else with one that was sent before."""
        request = visit.request
        new: UploadFile | str | None = None
        texts: Form
        if request.headers.get("content-type", "").startswith("multipart/form-data"):
            form = await self._uploads.form(request)
            texts = {name: part for name, part in form.multi_items() if isinstance(part, str)}
            new = form.get("new")
        else:
            texts = await read_form(request)
        visit.check_token(texts.get("csrf"))
        endpoint = texts.get("endpoint", "")

        def begun() -> Batch:
            if isinstance(new, UploadFile) and new.filename:
                return _of_new(visit, new.filename, new.file, endpoint)
            return _of_sent(visit, texts.get("file", ""), endpoint)

        try:
            batch = await anyio.to_thread.run_sync(begun, limiter=self._limiter)
        except IntramurosError as error:
            visit.entry.note(error=error.code)
            said = problem(error, visit.words)
            return await run_in_threadpool(page, visit, said=said, status=error.status)
        return redirect(address_of(visit, batch))

    async def upload(self, visit: Visit) -> Response:
        """With a file that comes now; answered when both are safe on the disk."""
        visit.check_token(visit.request.headers.get("x-csrf-token"))
        name = unquote(visit.request.headers.get("x-file-name", ""))
        endpoint = visit.request.query_params.get("endpoint", "")
        body = cast(BinaryIO, Body(visit.request.stream()))
        try:
            batch = await anyio.to_thread.run_sync(lambda: _of_new(visit, name, body, endpoint), limiter=self._limiter)
        except ClientDisconnect:
            visit.entry.note(disconnected=True)
            return Response(status_code=400)
        return JSONResponse({"address": address_of(visit, batch)}, status_code=201)


def example(visit: Visit) -> Response:
    """Three requests to begin with, as a file."""
    lines = (
        {
            "custom_id": f"{number}",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {
                "model": "default",
                "messages": [{"role": "user", "content": visit.words(f"batches.example.{number}")}],
            },
        }
        for number in (1, 2, 3)
    )
    headers = {"content-disposition": f'attachment; filename="{visit.words("batches.example.file")}.jsonl"'}
    return Response(
        b"".join(orjson.dumps(line) + b"\n" for line in lines), media_type="application/jsonl", headers=headers
    )


def _of_sent(visit: Visit, file_id: str, endpoint: str) -> Batch:
    if not file_id:
        raise BadRequest("No file was chosen.", code="no_batch_file")
    files, batches = visit.app.files, visit.app.batches
    file = files.get(file_id, by=visit.caller)
    endpoint = _endpoint(visit, endpoint, b"".join(islice(files.lines(file), FIRST_LINES)))
    if visit.app.batch_runner.doors[endpoint].in_one_file:  # such a batch takes its input with it: this one stays
        batch = batches.send(file.name, Reading(files.lines(file)), endpoint, by=visit.caller)
    else:
        batch = batches.create(file.id, endpoint, by=visit.caller)
    visit.entry.about(batch.id)
    return batch


def _of_new(visit: Visit, name: str, source: Readable, endpoint: str) -> Batch:
    head, pieces = b"", _pieces(source)
    while len(head) < HEAD_BYTES and head.count(b"\n") < FIRST_LINES and (piece := next(pieces, b"")):
        head += piece
    endpoint = _endpoint(visit, endpoint, head)
    batch = visit.app.batches.send(name, Reading(chain((head,), pieces)), endpoint, by=visit.caller)
    visit.entry.about(batch.id)
    return batch


def _pieces(source: Readable) -> Iterator[bytes]:
    while piece := source.read(PIECE_BYTES):
        yield piece


def _endpoint(visit: Visit, chosen: str, head: bytes) -> str:
    """The endpoint that was chosen, else the one that the file says. Raises: BadRequest."""
    doors = visit.app.batch_runner.doors
    endpoint = chosen or endpoint_of(head, doors)
    if endpoint is None or endpoint not in doors:
        raise BadRequest("The file does not say which endpoint its requests are for.", code="no_batch_endpoint")
    return endpoint
