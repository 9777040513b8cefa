"""The real server on a real socket: slow, large and leaving clients, and its end."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from intramuros.server import listen, serving
from intramuros.server.place import bound, place_for
from tests.installed import Installed

CHAT: dict[str, Any] = {"model": "default", "messages": [{"role": "user", "content": "Bonjour"}]}


@asynccontextmanager
async def listening(installed: Installed) -> AsyncIterator[tuple[int, serving.Listening]]:
    place = place_for(installed.app.settings)
    with bound(place) as at:
        port = at.getsockname()[1]
        server = serving.Listening(installed.guard, at)
        running = asyncio.create_task(server.serve())
        try:
            yield port, server
        finally:
            server.stop()
            await listen.finish(installed.guard, hurry=asyncio.Event(), grace_s=0.1)
            await asyncio.wait_for(running, 5)


def request(installed: Installed, port: int, body: bytes) -> bytes:
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost:{port}\r\n"
        f"Authorization: Bearer {installed.keys['alice']}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def until(condition: Any, *, seconds: float = 5) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


async def test_a_connection_that_closes_frees_the_engine_at_once(installed: Installed) -> None:
    installed.engine.hangs = True
    async with listening(installed) as (port, _):
        for stream in (True, False):
            installed.engine.cancelled = 0
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request(installed, port, json.dumps(CHAT | {"stream": stream}).encode()))
            if stream:
                await reader.readuntil(b"Bonjour")
            await until(lambda: installed.app.complete.admission.inside == 1)
            writer.close()
            await until(lambda: installed.engine.cancelled == 1, seconds=1)
            await until(lambda: installed.app.complete.admission.inside == 0)
    assert [record.outcome for record in installed.records("chat")] == ["interrupted", "interrupted"]


async def test_a_large_prompt_gets_to_read_why_it_is_refused(installed: Installed) -> None:
    prompt = CHAT | {"messages": [{"role": "user", "content": "mot " * 2_500_000}]}
    async with listening(installed) as (port, _), httpx.AsyncClient(base_url=f"http://localhost:{port}") as client:
        key = {"authorization": f"Bearer {installed.keys['alice']}"}
        declared = await client.post("/v1/chat/completions", json=prompt, headers=key, timeout=20)

        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(100):
                yield b"x" * 100_000

        counted = await client.post("/v1/chat/completions", content=pieces(), headers=key, timeout=20)
    for answer in (declared, counted):
        assert answer.status_code == 413
        assert answer.json()["error"]["code"] == "too_large"
    assert installed.engine.asked == []


async def test_headers_that_never_end_are_cut_off(installed: Installed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "HEADER_DEADLINE_MS", 300)
    async with listening(installed) as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\n")
        start = time.monotonic()
        assert await asyncio.wait_for(reader.read(100), 5) == b""
        assert time.monotonic() - start < 3
        writer.close()


async def test_what_is_not_http_is_answered_and_closed(installed: Installed) -> None:
    async with listening(installed) as (port, _):
        for bytes_sent in (
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"GARBAGE\r\n\r\n",
            b"GET /\xff HTTP/1.1\r\n\r\n",
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(bytes_sent)
            said = await asyncio.wait_for(reader.read(200), 5)
            assert said == b"" or said.startswith(b"HTTP/1.1 400")
            writer.close()


async def test_at_the_end_a_stream_gets_its_grace_and_then_says_why_it_ends(installed: Installed) -> None:
    installed.engine.hangs = True
    async with listening(installed) as (port, server):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request(installed, port, json.dumps(CHAT | {"stream": True}).encode()))
        await reader.readuntil(b"Bonjour")
        server.stop()
        start = time.monotonic()
        await listen.finish(installed.guard, hurry=asyncio.Event(), grace_s=0.3)
        assert 0.25 < time.monotonic() - start < 3
        assert b"server_stopping" in await asyncio.wait_for(reader.read(), 5)
        with pytest.raises(OSError):
            await asyncio.open_connection("127.0.0.1", port)
        writer.close()
    assert installed.records("chat")[-1].outcome == "interrupted"


async def test_hurried_it_does_not_wait(installed: Installed) -> None:
    installed.engine.hangs = True
    async with listening(installed) as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request(installed, port, json.dumps(CHAT | {"stream": True}).encode()))
        await reader.readuntil(b"Bonjour")
        hurry = asyncio.Event()
        hurry.set()
        await asyncio.wait_for(listen.finish(installed.guard, hurry=hurry, grace_s=60), 5)
        writer.close()
