"""A response made of events, sent while they happen; it ends at once when the browser goes away.

Called by the pages that stream: an answer, the states of documents, a download. Closing the browser, or "stop",
cancels the generator, and so frees the engine's slot.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from intramuros.errors import IntramurosError

Event = tuple[str, dict[str, Any]]
"""A name and what the script gets with it."""


class EventStream(Response):
    """Sends each event of an iterator as it comes. The request's body must have been read."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncIterator[Event]) -> None:
        super().__init__(headers={"x-accel-buffering": "no"})
        del self.headers["content-length"]
        self.events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Runs the iterator until its end or the browser's."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        pump = asyncio.ensure_future(self._pump(send))
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            await asyncio.wait({pump, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            if not pump.done():
                pump.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await pump

    async def _pump(self, send: Send) -> None:
        try:
            async with contextlib.aclosing(self.events) as events:  # type: ignore[type-var]
                async for name, data in events:
                    body = b"event: %s\ndata: %s\n\n" % (name.encode(), orjson.dumps(data))
                    await send({"type": "http.response.body", "body": body, "more_body": True})
        except IntramurosError:  # the iterator has said it; the guard records it
            await send({"type": "http.response.body", "body": b""})
            raise
        await send({"type": "http.response.body", "body": b""})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
