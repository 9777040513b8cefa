"""Sends the streams that Ollama's clients read: one JSON object on each line.

Called by the routes of this folder. Errors before the first line go up to the guard; a stream that fails after it ends
with a line that has the error.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any, NotRequired, TypedDict

import orjson
from starlette.types import Receive, Scope, Send

from intramuros.api.faults import cut, known
from intramuros.api.ollama.errors import error_line
from intramuros.api.openai.fields import Headers

LINES = (b"content-type", b"application/x-ndjson")


async def send_lines(
    send: Send, pieces: AsyncGenerator[Mapping[str, Any]], *, headers: Callable[[], Headers] = list
) -> None:
    """A stream. Waits for the first piece before it answers, so that errors until then have their own status."""
    async with aclosing(pieces):
        piece = await anext(pieces, None)
        # Proxies must pass each line on at once.
        own = [LINES, (b"x-accel-buffering", b"no"), *headers()]
        await send({"type": "http.response.start", "status": 200, "headers": own})
        try:
            while piece is not None:
                await send({"type": "http.response.body", "body": orjson.dumps(piece) + b"\n", "more_body": True})
                piece = await anext(pieces, None)
        except asyncio.CancelledError as cancelled:
            await _end(send, error_line(cut(cancelled)))
            raise
        except Exception as raised:
            error = known(raised)
            await _end(send, error_line(error))
            raise error from None
    await _end(send, b"")


class Step(TypedDict):
    """How far something long is: in bytes where something is fetched."""

    status: str
    digest: NotRequired[str]
    total: NotRequired[int]
    completed: NotRequired[int]


class Asgi:
    """A method as a plain ASGI application, which the router calls without reading the request first."""

    def __init__(self, handle: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self._handle = handle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        await self._handle(scope, receive, send)


async def _end(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body})
