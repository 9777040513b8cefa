"""Adding and removing documents, and following how they are read. Called by the router.

A file comes as the plain body of its own request: parsing a multipart form writes large parts to a temporary file,
and a plain copy of a document must never touch the disk. Its name comes in a header.
"""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import AsyncIterator
from typing import BinaryIO, cast
from urllib.parse import unquote

import anyio
import anyio.from_thread
import anyio.to_thread
import orjson
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from intramuros.accounts.projects import Project, Role
from intramuros.errors import IntramurosError
from intramuros.storage.erasable import Subject
from intramuros.web.shelf import Shelf, shelf_of
from intramuros.web.stream import Event, EventStream
from intramuros.web.visit import Form, Visit, redirect

LOOK_EVERY_S = 0.4
LONGEST_S = 600.0
"""A stream ends after this; the page opens the next one, and each is a record in the audit."""
UPLOADS_AT_ONCE = 8


class Documents:
    """The routes of a project's documents."""

    def __init__(self) -> None:
        self._limiter = anyio.CapacityLimiter(UPLOADS_AT_ONCE)

    async def add(self, visit: Visit) -> Response:
        """Stores one file and puts it in the queue; answered when it is safe on the disk."""
        visit.check_token(visit.request.headers.get("x-csrf-token"))
        name = unquote(visit.request.headers.get("x-file-name", ""))
        project = await anyio.to_thread.run_sync(lambda: project_of(visit, need="contributor"))
        body = cast(BinaryIO, Body(visit.request.stream()))
        try:
            document = await anyio.to_thread.run_sync(
                lambda: visit.app.library.receive(project, name, body, by=visit.caller), limiter=self._limiter
            )
        except ClientDisconnect:
            visit.entry.note(disconnected=True)
            return Response(status_code=400)
        visit.entry.note(document=document.id, size_bytes=document.size_bytes)
        return Response(orjson.dumps({"id": document.id}), status_code=201, media_type="application/json")

    def remove(self, visit: Visit, form: Form) -> Response:
        """Erases a document with everything made of it."""
        project = project_of(visit, need="contributor")
        document = visit.app.library.get(project, visit.path("document")).id
        visit.entry.note(erasure=visit.app.erasure.remove(Subject("document", document), by=visit.caller.user_id))
        visit.entry.note(document=visit.path("document"))
        return redirect(f"/projects/{project.id}")

    async def live(self, visit: Visit) -> Response:
        """The rows that change, until every document is ready or has failed."""
        project = await anyio.to_thread.run_sync(lambda: project_of(visit))
        return EventStream(self._changes(visit, project))

    async def _changes(self, visit: Visit, project: Project) -> AsyncIterator[Event]:
        known: dict[str, str] = {}
        seen, until = -1, time.monotonic() + LONGEST_S
        while time.monotonic() < until:
            version = await anyio.to_thread.run_sync(visit.app.database.data_version)
            if version != seen:
                seen = version
                # Looked at again each time: whoever loses access, or signs out, stops seeing at once.
                shelf = await anyio.to_thread.run_sync(lambda: _shelf_again(visit))
                if shelf is None:
                    return
                if change := _change(visit, project, shelf, known):
                    yield "shelf", change
                if not shelf.waiting:
                    yield "rest", {}
                    return
            await asyncio.sleep(LOOK_EVERY_S)


class Body(io.RawIOBase):
    """The body of a request as a file, read from a worker thread; the sender waits while nobody reads."""

    def __init__(self, parts: AsyncIterator[bytes]) -> None:
        self._parts = parts
        self._rest = b""

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: object) -> int:
        """Fills the buffer with what has come, waiting for more if nothing has. Raises: ClientDisconnect, TooLarge."""
        target = memoryview(cast(bytearray, buffer))
        while not self._rest:
            part = anyio.from_thread.run(self._next)
            if part is None:
                return 0
            self._rest = part
        taken, self._rest = self._rest[: len(target)], self._rest[len(target) :]
        target[: len(taken)] = taken
        return len(taken)

    async def _next(self) -> bytes | None:
        return await anext(self._parts, None)


def project_of(visit: Visit, *, need: Role = "reader") -> Project:
    """The project of the address, if the caller has this role in it. Raises: NotFound, NotAllowed."""
    project = visit.app.projects.get(visit.path("project"), by=visit.caller, need=need)
    if visit.entry.object is None:
        visit.entry.about(project.id)
    return project


def _shelf_again(visit: Visit) -> Shelf | None:
    headers = {name.lower(): value for name, value in visit.request.headers.items()}
    caller = visit.app.identity.caller(headers)
    if caller is None or caller.user_id != visit.caller.user_id:
        return None
    try:
        return shelf_of(visit, project_of(visit))
    except IntramurosError:
        return None


def _change(visit: Visit, project: Project, shelf: Shelf, known: dict[str, str]) -> dict[str, object] | None:
    """What is to be replaced on the page; None when it shows all that already."""
    now = {item.id: item.version for item in shelf.documents}
    changed = [item for item in shelf.documents if known.get(item.id) != item.version]
    gone = [id for id in known if id not in now]
    if not changed and not gone and known:
        return None
    known.clear()
    known.update(now)
    values = {"project": project, "may_add": project.allows("contributor")}
    return {
        "summary": visit.part("shelf_summary.html", shelf=shelf),
        "rows": [{"id": item.id, "html": visit.part("shelf_row.html", document=item, **values)} for item in changed],
        "gone": gone,
    }
