"""A model server elsewhere, on a real socket: it answers as a test says, well or badly, and keeps what it was sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

Body = dict[str, Any]
Behaviour = Callable[["Call"], Awaitable[None]]
USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}


@dataclass
class Call:
    """One request, and the wire its answer goes out on."""

    method: str
    path: str
    headers: dict[str, str]
    body: Body
    writer: asyncio.StreamWriter

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def head(self, status: int = 200, kind: str = "text/event-stream", **headers: str) -> None:
        """The head of an answer that ends with the connection, unless a length is given."""
        lines = [f"HTTP/1.1 {status} Said", f"Content-Type: {kind}", "Connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        await self.write("\r\n".join(lines).encode() + b"\r\n\r\n")

    async def event(self, data: Any) -> None:
        await self.write(b"data: " + (data if isinstance(data, bytes) else json.dumps(data).encode()) + b"\n\n")

    async def say(self, text: str, **choice: Any) -> None:
        await self.event(chunk({"content": text}, model=self.body.get("model", "m"), **choice))

    async def json(self, value: Any, status: int = 200) -> None:
        data = json.dumps(value).encode()
        await self.head(status, "application/json", Content_Length=str(len(data)))
        await self.write(data)


def chunk(delta: Body, *, model: str = "m", finish: str | None = None, **more: Any) -> Body:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": model, "choices": [choice]} | more


def whole(text: str, *, model: str = "m", usage: Body = USAGE, **choice: Any) -> Body:
    """An answer that is not streamed."""
    message: Body = {"role": "assistant", "content": text, "refusal": None, "tool_calls": []}
    choices = [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"} | choice]
    return {"id": "1", "object": "chat.completion", "created": 1, "model": model, "choices": choices, "usage": usage}


def says(*words: str, usage: Body = USAGE) -> Behaviour:
    """Answers well, as vLLM does: the role, the words, the end, the usage; or all at once, as it was asked to."""

    async def behave(call: Call) -> None:
        if not call.body.get("stream"):
            await call.json(whole("".join(words), model=call.body.get("model", "m"), usage=usage))
            return
        await call.head()
        model = call.body.get("model", "m")
        await call.event(chunk({"role": "assistant", "content": ""}, model=model))
        for word in words:
            await call.say(word)
        await call.event(chunk({}, model=model, finish="stop"))
        await call.event(chunk({}, model=model, choices=[], usage=usage))
        await call.event(b"[DONE]")

    return behave


def answers(value: Any, status: int = 200) -> Behaviour:
    """Answers with one JSON value."""
    return lambda call: call.json(value, status)


@dataclass
class UpstreamServer:
    """A server; `behave` says how it answers the next requests, `calls` what it was asked."""

    behave: Behaviour
    port: int = 0
    calls: list[Call] = field(default_factory=list)
    models: Sequence[str] = ("big",)
    hangs: bool = False
    heard: Callable[[str], None] = lambda _path: None
    """Told the path of every request."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def chats(self) -> list[Body]:
        """What it was asked to complete."""
        return [call.body for call in self.calls if call.path.endswith("/completions")]

    @property
    def wire(self) -> str:
        """Everything that came in, as text."""
        return "\n".join(json.dumps(call.body, ensure_ascii=False) for call in self.calls)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            method, path, _ = head[0].split(" ")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
            raw = await reader.readexactly(int(headers.get("content-length", 0)))
            self.heard(path)
            if self.hangs:
                await reader.read()  # until the other side has gone
                return
            call = Call(method, path, headers, json.loads(raw) if raw else {}, writer)
            if path.endswith("/v1/models"):
                await call.json(
                    {"object": "list", "data": [{"id": name, "max_model_len": 4096} for name in self.models]}
                )
                return
            self.calls.append(call)
            await self.behave(call)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            with suppress(ConnectionError):
                writer.close()


@asynccontextmanager
async def upstream_server(behave: Behaviour | None = None) -> AsyncIterator[UpstreamServer]:
    """A running server on a port of its own."""
    server = UpstreamServer(behave or says("Bonjour", " ", "monde"))
    listening = await asyncio.start_server(server._serve, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
