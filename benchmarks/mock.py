"""A model that answers at once: as an engine in the gateway's own process, and as a server that speaks OpenAI's API."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
from starlette.types import Receive, Scope, Send

from intramuros.engines.engine import ChatRequest, Health, Reply, Usage
from intramuros.engines.loading import Coming

CHUNKS = 32
USAGE = {
    "prompt_tokens": 180,
    "completion_tokens": CHUNKS,
    "total_tokens": 180 + CHUNKS,
    "prompt_tokens_details": {"cached_tokens": 0},
}
HEAD = {"created": 1, "id": "chatcmpl-1", "model": "mock"}
REPLY = HEAD | {
    "choices": [{"finish_reason": "stop", "index": 0, "message": {"role": "assistant", "content": "mot " * CHUNKS}}],
    "object": "chat.completion",
    "usage": USAGE,
}
CHUNK = orjson.dumps(
    HEAD
    | {
        "choices": [{"finish_reason": None, "index": 0, "delta": {"content": "mot "}}],
        "object": "chat.completion.chunk",
    }
)
LAST = orjson.dumps(HEAD | {"choices": [], "object": "chat.completion.chunk", "usage": USAGE})
MODELS = {"object": "list", "data": [{"id": "mock", "object": "model", "created": 1, "owned_by": "mock"}]}
STREAMED = (b'"stream":true', b'"stream": true')


class MockEngine:
    """Answers at once."""

    model = "mock"

    async def generate(self, request: ChatRequest) -> Reply:
        return Reply("", "stop", Usage(180, CHUNKS), dict(REPLY))

    async def stream(self, request: ChatRequest) -> AsyncIterator[bytes]:
        for _ in range(CHUNKS):
            yield CHUNK
        yield LAST

    async def health(self) -> Health:
        return Health("ready", slots=64)


class MockPool:
    """Has the mock engine under every name."""

    @asynccontextmanager
    async def engine(self, name: str) -> AsyncIterator[Any]:
        yield MockEngine()

    def loading(self, name: str) -> AsyncGenerator[Coming] | None:
        return None

    def check(self, name: str) -> None:
        return None


async def bare(scope: Scope, receive: Receive, send: Send) -> None:
    """The same answers from the same server, without guards, meters and door."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    if not any(mark in body for mark in STREAMED):
        reply = orjson.dumps(REPLY if scope["method"] == "POST" else MODELS)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(reply))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": reply})
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    for chunk in (*[CHUNK] * CHUNKS, LAST):
        await send({"type": "http.response.body", "body": b"data: " + chunk + b"\n\n", "more_body": True})
    await send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})
