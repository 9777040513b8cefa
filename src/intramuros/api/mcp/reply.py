"""The answer to one message: a JSON body, or a stream of events that begins when there is something to tell.

Made by the endpoint. A stream that has begun is kept alive by a comment now and then: clients and proxies give up on
silence, and a small machine may read for a minute before it writes.
"""

from __future__ import annotations

import asyncio

from starlette.types import Send

from intramuros.api.mcp.message import notification
from intramuros.background import begin

PING_EVERY_S = 15.0


class Reply:
    """Sends one answer. `takes_events`: whether the client takes a stream."""

    def __init__(self, send: Send, *, takes_events: bool) -> None:
        self._send, self._takes_events = send, takes_events
        self._sending = asyncio.Lock()
        self._pinging: asyncio.Task[None] | None = None
        self._told = 0

    @property
    def has_begun(self) -> bool:
        """Whether a stream has."""
        return self._pinging is not None

    async def tell(self, token: int | str | None, words: str) -> None:
        """Tells of progress, where the client takes a stream; without a token the stream only begins."""
        if not self._takes_events:
            return
        if not self.has_begun:
            await self._begin()
        if token is not None:
            self._told += 1
            params = {"progressToken": token, "progress": self._told, "message": words}
            await self._event(notification("notifications/progress", params))

    async def end(self, body: bytes, *, status: int = 200) -> None:
        """Sends the answer itself. `status` counts where no stream has begun."""
        if self.has_begun:
            self.close()
            await self._event(body, more=False)
            return
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})

    async def nothing(self, status: int, *, allow: bytes | None = None) -> None:
        """An answer without a body."""
        headers = [(b"content-length", b"0")] + ([(b"allow", allow)] if allow else [])
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": b""})

    def close(self) -> None:
        """Ends what keeps the stream alive."""
        if self._pinging is not None:
            self._pinging.cancel()

    async def _begin(self) -> None:
        headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"x-accel-buffering", b"no")]
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        self._pinging = begin(self._ping(), name="mcp ping")

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(PING_EVERY_S)
            await self._part(b": working\n\n")

    async def _event(self, body: bytes, *, more: bool = True) -> None:
        await self._part(b"event: message\ndata: " + body + b"\n\n", more=more)

    async def _part(self, part: bytes, *, more: bool = True) -> None:
        async with self._sending:
            await self._send({"type": "http.response.body", "body": part, "more_body": more})
