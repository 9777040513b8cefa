"""A stream of events ends with its iterator, and with the browser."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from starlette.types import Receive, Scope, Send

from intramuros.web.stream import Event, EventStream
from tests.asgi import Client


class Served:
    """An application that answers with these events, and remembers whether they were let go."""

    def __init__(self, *, forever: bool = False, error: Exception | None = None) -> None:
        self.forever, self.error, self.closed = forever, error, False

    async def events(self) -> AsyncIterator[Event]:
        try:
            yield "step", {"text": "Je cherche…\nligne"}
            if self.error:
                raise self.error
            while self.forever:
                yield "blocks", {"from": 0}
                await asyncio.sleep(0.001)
            yield "done", {}
        finally:
            self.closed = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await EventStream(self.events())(scope, receive, send)


async def test_events_are_sent_one_by_one() -> None:
    answer = await Client(Served()).call("GET", "/")
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.parts[0] == 'event: step\ndata: {"text":"Je cherche…\\nligne"}\n\n'.encode()
    assert answer.parts[1:] == [b"event: done\ndata: {}\n\n", b""]
    assert answer.is_complete


async def test_when_the_browser_leaves_the_work_stops() -> None:
    served = Served(forever=True)
    async with asyncio.timeout(5):
        answer = await Client(served).call("GET", "/", leave_after=3)
    assert served.closed
    assert not answer.is_complete


async def test_when_the_server_stops_the_work_stops() -> None:
    served = Served(forever=True)
    task = asyncio.create_task(Client(served).call("GET", "/"))
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert served.closed


async def test_an_error_is_not_lost() -> None:
    served = Served(error=ValueError("x"))
    with pytest.raises(ValueError, match="x"):
        await Client(served).call("GET", "/")
    assert served.closed
