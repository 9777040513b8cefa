"""A model hub for the tests: Hugging Face's resolve protocol on one port, the store it redirects to on another.

It can drop a connection half way, cut a body short, send wrong bytes, change a file, ignore ranges and redirect
elsewhere.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from aiohttp import web

COMMIT = "0123456789abcdef0123456789abcdef01234567"
PIECE = 64 << 10


@dataclass
class Hub:
    """What the hub has, how it misbehaves, and what it was asked."""

    content: bytes = b""
    announced: str | None = None  # the SHA-256 in X-Linked-ETag; None: the true one
    drop_after: int | None = None  # bytes after which the store breaks the connection, once
    cut_to: int | None = None  # bytes the store really sends, though it announces all
    sent: bytes | None = None  # what the store sends instead
    ignores_ranges: bool = False
    gated: bool = False
    redirect_to: str | None = None
    slow_s: float = 0.0
    hub_url: str = ""
    store_url: str = ""
    asked: list[str] = field(default_factory=list)
    ranges: list[tuple[str | None, str | None]] = field(default_factory=list)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def etag(self) -> str:
        return f'"{hashlib.md5(self.sent or self.content).hexdigest()}"'

    async def resolve(self, request: web.Request) -> web.Response:
        self.asked.append(f"{request.method} {request.path}")
        if self.gated:
            return web.Response(status=401, headers={"X-Error-Code": "GatedRepo"})
        if "/missing" in request.path:
            return web.Response(status=404, headers={"X-Error-Code": "EntryNotFound"})
        headers = {
            "X-Repo-Commit": COMMIT,
            "X-Linked-ETag": f'"{self.announced or self.sha256}"',
            "X-Linked-Size": str(len(self.content)),
            "Location": self.redirect_to or f"{self.store_url}/blob?signature=1",
        }
        return web.Response(status=302, headers=headers)

    async def blob(self, request: web.Request) -> web.StreamResponse:
        data, ranged = self.sent or self.content, request.headers.get("Range")
        self.ranges.append((ranged, request.headers.get("If-Range")))
        start = 0
        if ranged and not self.ignores_ranges and request.headers.get("If-Range") == self.etag:
            start = int(ranged.removeprefix("bytes=").rstrip("-"))
        headers = {"ETag": self.etag, "Content-Length": str(len(data) - start)}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        response = web.StreamResponse(status=206 if start else 200, headers=headers)
        await response.prepare(request)
        end = len(data) if self.cut_to is None else self.cut_to
        for at in range(start, end, PIECE):
            if self.drop_after is not None and at >= self.drop_after:
                self.drop_after = None
                await asyncio.sleep(0.1)  # what was sent arrives; a break throws away what is under way
                assert request.transport is not None
                request.transport.abort()
                return response
            await response.write(data[at : min(at + PIECE, end)])
            await asyncio.sleep(self.slow_s)
        if end < len(data) and request.transport is not None:
            request.transport.close()
        return response


@dataclass
class Repository:
    """A repository of several files: lists them, and has those that are no text in its store."""

    files: dict[str, bytes]
    broken: str = ""  # the name of a file whose connection breaks
    sent: dict[str, bytes] = field(default_factory=dict)  # what the store sends instead
    hub_url: str = ""
    store_url: str = ""
    asked: list[str] = field(default_factory=list)

    async def resolve(self, request: web.Request) -> web.Response:
        self.asked.append(f"{request.method} {request.path}")
        if request.path.startswith("/api/models/") and self.files:
            return web.json_response({"sha": COMMIT, "siblings": [{"rfilename": name} for name in self.files]})
        name = request.path.partition(f"/resolve/{COMMIT}/")[2]
        if name not in self.files:
            return web.Response(status=404, headers={"X-Error-Code": "EntryNotFound"})
        headers = {"X-Repo-Commit": COMMIT}
        if name.endswith(".json"):
            return web.Response(body=self.files[name], headers=headers | {"ETag": '"0123"'})
        digest = hashlib.sha256(self.files[name]).hexdigest()
        headers |= {"X-Linked-ETag": f'"{digest}"', "Location": f"{self.store_url}/blob/{name}"}
        return web.Response(status=302, headers=headers)

    async def blob(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.path}")
        name = request.path.removeprefix("/blob/")
        if name == self.broken and request.transport is not None:
            request.transport.abort()
        return web.Response(body=self.sent.get(name, self.files[name]))


S = TypeVar("S", Hub, Repository)


@asynccontextmanager
async def served(hub: S) -> AsyncIterator[S]:
    """Runs the hub and its store on free ports of this machine."""
    runners = []
    for name, path, handler in (("hub", "/{path:.*}", hub.resolve), ("store", "/blob{path:.*}", hub.blob)):
        app = web.Application()
        app.router.add_route("*", path, handler)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        setattr(hub, f"{name}_url", f"http://127.0.0.1:{runner.addresses[0][1]}")
        runners.append(runner)
    try:
        yield hub
    finally:
        for runner in runners:
            await runner.cleanup()
