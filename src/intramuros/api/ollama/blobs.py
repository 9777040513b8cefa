"""`HEAD` and `POST /api/blobs/sha256:…`: files on their way to `create`, kept by their hash once it was compared.

Called by the server's router; the guard lets administrators in, and a body as large as a model.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from intramuros.errors import NotFound
from intramuros.models.uploaded import Uploaded


@dataclass(frozen=True, slots=True)
class Blobs:
    """The routes."""

    uploaded: Uploaded

    async def show(self, request: Request) -> Response:
        """Whether a file is here, or an installed model is this file. Raises: NotFound."""
        if await asyncio.to_thread(self.uploaded.find, request.path_params["digest"]) is None:
            raise NotFound("No file of this hash is here.", hint="")
        return Response(status_code=200)

    async def add(self, request: Request) -> Response:
        """Takes a file in. Raises: BadRequest if it is not the one that its hash says; StorageFull."""
        size = request.headers.get("content-length", "")
        await self.uploaded.add(
            request.path_params["digest"], request.stream(), size_bytes=int(size) if size.isdecimal() else None
        )
        request.scope["state"]["entry"].note(size_bytes=int(size) if size.isdecimal() else None)
        return Response(status_code=201)
