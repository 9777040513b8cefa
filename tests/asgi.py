"""Calls an ASGI application in this process, as a client that may send slowly, send too much or leave early."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from starlette.types import ASGIApp, Message

Result = TypeVar("Result")


async def soon(work: Coroutine[Any, Any, Result] | asyncio.Task[Result], *, seconds: float = 5) -> Result:
    """Its result, which must come soon. `asyncio.timeout` would cancel it, and some of what is tested swallows that."""
    task = asyncio.ensure_future(work)
    done, _ = await asyncio.wait({task}, timeout=seconds)
    if not done:
        task.cancel()
        raise AssertionError(f"not done after {seconds} s")
    return task.result()


@dataclass
class Answer:
    """What came back; `is_complete` whether to the end, `cookies` each that was set."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    cookies: list[str] = field(default_factory=list)
    parts: list[bytes] = field(default_factory=list)
    is_complete: bool = False

    @property
    def body(self) -> bytes:
        return b"".join(self.parts)

    def json(self) -> Any:
        return json.loads(self.body)

    def events(self) -> list[str]:
        """The `data:` of a stream's events."""
        return [line[6:] for line in self.body.decode().split("\n") if line.startswith("data: ")]


class Client:
    """One client of `app`. `sent` counts the bytes of the body that the application took."""

    def __init__(self, app: ASGIApp, **headers: str) -> None:
        self.app = app
        self.headers = {"host": "localhost:8777"} | {name.replace("_", "-"): value for name, value in headers.items()}
        self.sent = 0

    async def call(
        self,
        method: str,
        path: str,
        body: bytes | Iterable[bytes] = b"",
        *,
        headers: dict[str, str] | None = None,
        scheme: str = "http",
        leave_after: int | None = None,
        silent_after: int | None = None,
        gone: asyncio.Event | None = None,
    ) -> Answer:
        """Sends one request.

        The client disconnects after `leave_after` parts of the answer, or when `gone` is set. After `silent_after`
        parts of the body it sends nothing more.
        """
        answer, gone = Answer(), gone or asyncio.Event()
        parts = [body] if isinstance(body, bytes) else list(body)
        waiting = list(enumerate(parts))
        path, _, query = path.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": scheme,
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "client": ("127.0.0.1", 5000),
            "server": ("127.0.0.1", 8777),
            "state": {},
            "headers": [
                (name.lower().encode(), value.encode("latin-1"))
                for name, value in (self.headers | (headers or {})).items()
                if value is not None
            ],
        }

        async def receive() -> Message:
            if leave_after == 0:
                gone.set()
            if waiting and not gone.is_set():
                index, part = waiting.pop(0)
                if silent_after is not None and index >= silent_after:
                    await asyncio.Event().wait()
                self.sent += len(part)
                return {"type": "http.request", "body": part, "more_body": bool(waiting)}
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
                answer.cookies = [value.decode() for name, value in message["headers"] if name == b"set-cookie"]
                return
            answer.parts.append(message.get("body", b""))
            answer.is_complete = not message.get("more_body", False)
            if leave_after is not None and len(answer.parts) >= leave_after:
                gone.set()
            await asyncio.sleep(0)  # as a real server, it lets others run

        await self.app(scope, receive, send)
        return answer

    async def post(self, path: str, value: Any, **more: Any) -> Answer:
        """Sends JSON."""
        return await self.call("POST", path, json.dumps(value).encode(), **more)
