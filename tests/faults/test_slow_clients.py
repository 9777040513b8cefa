"""A thousand slow connections from one address: everybody else is answered, and what is slow comes to its end."""

from __future__ import annotations

import asyncio
import resource
import socket
import ssl
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from intramuros.server import connections as module
from intramuros.server import exchange, listen, serving
from intramuros.server.connections import Connections
from intramuros.server.place import bound, place_for
from intramuros.server.tls import OwnAuthority, Shown
from tests.installed import Installed, installation

SLOW = "127.0.0.2"
CAP = 64


@pytest.fixture
async def installed(tmp_path: Path) -> AsyncIterator[Installed]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, hard), hard))
    with installation(tmp_path) as made:
        async with made.app.running():
            yield made
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@asynccontextmanager
async def listening(
    installed: Installed, *, cap: int = CAP, shown: Shown | None = None
) -> AsyncIterator[tuple[int, Connections]]:
    with bound(place_for(installed.app.settings, tls=shown is not None)) as at:
        port = at.getsockname()[1]
        server = serving.Serving(installed.guard, at, shown)
        with Connections(port, installed.guard.clients, per_address=cap).watched() as connections:
            try:
                yield port, connections
            finally:
                server.stop()
                await listen.finish(installed.guard, hurry=asyncio.Event(), grace_s=0.1)
                await asyncio.wait_for(server.ended(), 10)


async def connected(port: int, address: str = SLOW) -> socket.socket:
    opened = socket.socket()
    opened.setblocking(False)
    opened.bind((address, 0))
    await asyncio.get_running_loop().sock_connect(opened, ("127.0.0.1", port))
    return opened


def is_open(opened: socket.socket) -> bool:
    try:
        return opened.recv(4096) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


async def answered_s(port: int) -> float:
    """One whole request of somebody else, on a connection of its own."""
    begun = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    said = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    assert said.startswith(b"HTTP/1.1 200")
    return time.perf_counter() - begun


def memory_mib() -> float:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize() / 2**20


def beginnings(installed: Installed) -> list[bytes]:
    head = b"POST /api/v1/projects HTTP/1.1\r\nHost: localhost\r\n"
    body = head + f"Authorization: Bearer {installed.keys['alice']}\r\nContent-Length: 1000\r\n\r\n".encode()
    return [b"", head, body]  # nothing at all, headers without end, a body without end


async def test_a_thousand_of_one_address_don_t_keep_others_out(installed: Installed) -> None:
    async with listening(installed) as (port, connections):
        alone = statistics.median([await answered_s(port) for _ in range(20)])
        before_mib = memory_mib()
        slow: list[socket.socket] = []
        kinds = beginnings(installed)
        for number in range(1000):
            opened = await connected(port)
            if kind := kinds[number % 3]:
                opened.send(kind)
            slow.append(opened)
        times = []
        for _ in range(40):
            times.append(await answered_s(port))
            for opened in slow[::10]:  # a byte now and then
                try:
                    opened.send(b"x")
                except OSError:
                    continue
        async with asyncio.timeout(5):
            while sum(map(is_open, slow)) > CAP:
                await asyncio.sleep(0.05)
        assert connections.ended >= 1000 - CAP
        assert statistics.median(times) < max(20 * alone, 0.1), "others are answered as if nothing were"
        assert memory_mib() - before_mib < 50
        for opened in slow:
            opened.close()
    assert installed.guard.clients.open == {}


async def test_without_a_cap_for_an_address_they_would_all_stay(installed: Installed) -> None:
    """The same attack against a cap that is out of reach: what the test above sees is the cap's doing."""
    async with listening(installed, cap=4096) as (port, connections):
        slow = [await connected(port) for _ in range(200)]
        await asyncio.sleep(3 * module.LOOK_EVERY_S)
        assert sum(map(is_open, slow)) == 200 and connections.ended == 0
        for opened in slow:
            opened.close()


async def test_who_is_being_answered_stays_when_idle_ones_must_go(installed: Installed) -> None:
    installed.engine.hangs = True
    async with listening(installed, cap=8) as (port, _):
        working = await connected(port)
        body = b'{"model": "default", "messages": [{"role": "user", "content": "Bonjour"}], "stream": true}'
        key = installed.keys["alice"]
        working.send(
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        async with asyncio.timeout(5):
            while installed.app.complete.admission.inside == 0:
                await asyncio.sleep(0.01)
        idle = [await connected(port) for _ in range(30)]
        async with asyncio.timeout(5):
            while sum(map(is_open, idle)) > 7:
                await asyncio.sleep(0.05)
        assert is_open(working) and is_open(idle[-1]), "the newest stay: one of them may be about to ask"
        assert not is_open(idle[0])
        for opened in (working, *idle):
            opened.close()


async def test_what_never_asks_is_ended(installed: Installed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_REQUEST_S", 0.5)
    monkeypatch.setattr(module, "IDLE_S", 1.0)
    async with listening(installed) as (port, _):
        silent = await connected(port)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(4):  # one that asks now and then stays, for longer than the first may be silent
            writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200")
            await asyncio.sleep(0.3)
        assert not is_open(silent)
        async with asyncio.timeout(5):  # and ends when it has had nothing to say for long
            while await reader.read(4096):
                continue
        writer.close()


async def test_a_body_that_trickles_comes_to_its_end(installed: Installed, monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte before each silence would end: only the rate on the whole can end that."""
    monkeypatch.setattr(exchange, "BODY_SILENCE_S", 0.4)
    async with listening(installed) as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(beginnings(installed)[2])
        begun = time.monotonic()
        said = asyncio.ensure_future(reader.readuntil(b"}}"))
        while not said.done() and time.monotonic() - begun < 5:
            writer.write(b" ")
            await asyncio.sleep(0.1)
        assert b"body_too_slow" in await said
        assert time.monotonic() - begun < 2
        writer.close()


def client_hello() -> bytes:
    """How a TLS client begins."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname="localhost").do_handshake()
    return outgoing.read()


async def test_a_tls_handshake_that_never_completes_is_dropped(
    installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Silent, half a greeting, a whole one and nothing after it, a byte now and then: none holds a place for long."""
    monkeypatch.setattr(module, "FIRST_REQUEST_S", 0.6)
    authority = OwnAuthority(installed.app.database, installed.app.keys.data)
    hello = client_hello()
    async with listening(installed, cap=4096, shown=authority.current()) as (port, _):
        silent, half, whole, trickling = [await connected(port) for _ in range(4)]
        half.send(hello[:50])
        whole.send(hello)
        for byte in hello[:-1]:
            try:
                trickling.send(bytes([byte]))
            except OSError:
                break
            await asyncio.sleep(0.05)
        else:
            pytest.fail("the one that trickles was not cut off in between")
        async with asyncio.timeout(5):
            while any(map(is_open, (silent, half, whole))):
                await asyncio.sleep(0.05)
        context = ssl.create_default_context(cadata=authority.authority())
        reader, writer = await asyncio.open_connection("localhost", port, ssl=context)
        writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert (await asyncio.wait_for(reader.read(), 5)).startswith(b"HTTP/1.1 200"), "who completes it is answered"
        writer.close()
        for opened in (silent, half, whole, trickling):
            opened.close()
