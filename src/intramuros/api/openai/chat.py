"""`POST /v1/chat/completions`: checks the request, calls the completion task, writes the reply or the stream.

Called by the server's router as a plain ASGI application, because this is the path whose latency counts. Errors before
the first byte go up to the guard; a stream that fails after it ends with one error event.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import orjson
from starlette.types import Receive, Scope, Send

from intramuros.accounts.caller import Caller
from intramuros.api.body import read_object
from intramuros.api.connected import while_connected
from intramuros.api.faults import cut, known
from intramuros.api.openai.errors import error_event
from intramuros.api.openai.schemas import ChatCall, chat_call
from intramuros.audit.entry import Entry
from intramuros.tasks.complete import CompleteTask

DONE = b"data: [DONE]\n\n"


class ChatCompletions:
    """The route. `scope["state"]` holds the audit `entry` that the guard opened."""

    def __init__(self, task: CompleteTask) -> None:
        self.task = task

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        call = chat_call(await read_object(receive))
        entry: Entry = scope["state"]["entry"]
        by: Caller = scope["state"]["caller"]
        async with while_connected(receive):
            if call.stream:
                await self._stream(call, by, entry, send)
            else:
                await self._whole(call, by, entry, send)

    async def _whole(self, call: ChatCall, by: Caller, entry: Entry, send: Send) -> None:
        reply = orjson.dumps(await self.task.run(call.request, by=by, entry=entry))
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(reply)), *_not_used(call)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": reply})

    async def _stream(self, call: ChatCall, by: Caller, entry: Entry, send: Send) -> None:
        """Waits for the first chunk before it answers, so that errors until then have their own status."""
        async with aclosing(self.task.stream(call.request, by=by, entry=entry, with_usage=call.with_usage)) as chunks:
            chunk = await anext(chunks, b"")
            headers = [
                (b"content-type", b"text/event-stream; charset=utf-8"),
                (b"x-accel-buffering", b"no"),  # proxies must pass each event on at once
                *_not_used(call),
            ]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            try:
                if chunk:
                    await _send_event(send, chunk)
                async for chunk in chunks:
                    await _send_event(send, chunk)
            except asyncio.CancelledError as cancelled:
                await _send_end(send, error_event(cut(cancelled)))
                raise
            except Exception as raised:
                error = known(raised)
                await _send_end(send, error_event(error))
                raise error from None
        await _send_end(send, DONE)


async def _send_event(send: Send, chunk: bytes) -> None:
    await send({"type": "http.response.body", "body": b"data: " + chunk + b"\n\n", "more_body": True})


async def _send_end(send: Send, event: bytes) -> None:
    await send({"type": "http.response.body", "body": event})


def _not_used(call: ChatCall) -> list[tuple[bytes, bytes]]:
    return [(b"x-intramuros-not-used", ", ".join(call.not_used).encode())] if call.not_used else []
