"""Sends what clients read: one JSON object, or server-sent events that end with `[DONE]` or an error.

Called by the routes of this folder that are plain ASGI applications, by Anthropic's with a framing of their own, and by
Ollama's for answers that are whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.types import Send

from intramuros.api.faults import cut, known
from intramuros.api.openai.errors import error_event
from intramuros.api.openai.fields import Headers
from intramuros.engines.loading import Coming
from intramuros.errors import IntramurosError
from intramuros.tasks.admission import OnWait
from intramuros.tasks.lane import Ahead

DONE = b"data: [DONE]\n\n"
UNDECIDED = frozenset({"waiting", "checking"})
"""Stages of a load after which it may still be found that the model is damaged, too large, or that memory is taken."""


def _event(chunk: bytes) -> bytes:
    return b"data: " + chunk + b"\n\n"


@dataclass(frozen=True, slots=True)
class Framing:
    """How a stream's chunks, its failure and its end are written."""

    event: Callable[[bytes], bytes] = _event
    failed: Callable[[IntramurosError], bytes] = error_event
    done: bytes = DONE


OPENAI = Framing()


async def send_json(send: Send, value: Any, *, headers: Headers | None = None) -> None:
    """One answer, whole."""
    body = orjson.dumps(value)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), *(headers or ())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class EventStream:
    """A stream of server-sent events that begins with its first event, so that errors until then have their own status.

    What has to wait for its turn is told so in comments, which clients of event streams pass over: then the answer has
    begun, and every error is an event.
    """

    def __init__(self, send: Send, headers: Headers) -> None:
        self._send, self._headers, self.has_begun = send, headers, False

    async def begin(self) -> None:
        """Answers, if it has not."""
        if not self.has_begun:
            self.has_begun = True
            more = [
                (b"content-type", b"text/event-stream; charset=utf-8"),
                (b"x-accel-buffering", b"no"),  # proxies must pass each event on at once
                *self._headers,
            ]
            await self._send({"type": "http.response.start", "status": 200, "headers": more})

    async def waits(self, told: Ahead | Coming) -> None:
        """Says what is before it, or how far its model's load is: of that only once its memory is found, since until
        then it may be refused with a status of its own.
        """
        if isinstance(told, Coming) and told.progress.stage in UNDECIDED and not self.has_begun:
            return
        await self.begin()
        comment = loading_comment(told) if isinstance(told, Coming) else waiting_comment(told)
        await self._send({"type": "http.response.body", "body": comment, "more_body": True})

    async def send(self, event: bytes) -> None:
        """Sends one."""
        if not self.has_begun:
            await self.begin()
        await self._send({"type": "http.response.body", "body": event, "more_body": True})

    async def end(self, last: bytes = b"") -> None:
        """Sends what is last, and ends."""
        await self.begin()
        await self._send({"type": "http.response.body", "body": last})


async def send_events(
    send: Send, stream: Callable[[OnWait], AsyncGenerator[bytes]], *, headers: Headers, framing: Framing = OPENAI
) -> None:
    """A stream of chunks, with its end or an error after them."""
    events = EventStream(send, headers)
    async with aclosing(stream(events.waits)) as chunks:
        try:
            async for chunk in chunks:
                await events.send(framing.event(chunk))
            await events.begin()
        except asyncio.CancelledError as cancelled:
            if events.has_begun:
                await events.end(framing.failed(cut(cancelled)))
            raise
        except Exception as raised:
            if not events.has_begun:
                raise
            error = known(raised)
            await events.end(framing.failed(error))
            raise error from None
    await events.end(framing.done)


def waiting_comment(ahead: Ahead) -> bytes:
    """What a stream says while it waits: how many are before it, and about how long that takes."""
    return b": queued position=%d expected_wait_s=%.1f\n\n" % (ahead.position, ahead.expected_wait_s)


def loading_comment(coming: Coming) -> bytes:
    """What a stream says while its model is loaded: the stage, how long it has lasted, and what is known besides."""
    now = coming.progress
    words = [f"model={coming.model}", f"stage={now.stage}", f"elapsed_s={now.elapsed_s:.1f}"]
    if now.done_share is not None:
        words.append(f"share={now.done_share:.2f}")
    if now.usual_s is not None:
        words.append(f"usual_s={now.usual_s:.1f}")
    return b": loading " + " ".join(words).encode() + b"\n\n"
