"""A local worker's HTTP server reached over a port, as the servers elsewhere are: for the remote engine's contract."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from intramuros.engines.local import LocalEngine
from intramuros.engines.remote import RemoteEngine
from intramuros.engines.upstream import Upstream


class Bridged(RemoteEngine):
    """A remote engine, and the local one that does its work."""

    behind: LocalEngine


@asynccontextmanager
async def bridged(behind: LocalEngine) -> AsyncIterator[Bridged]:
    """Carries bytes between a port and the worker's socket, untouched."""
    assert behind._run is not None
    socket = behind._run.socket
    open_ones = set[asyncio.Task[None]]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_ones.add(task)
        task.add_done_callback(open_ones.discard)
        from_worker, to_worker = await asyncio.open_unix_connection(str(socket))
        with suppress(ConnectionError):
            await asyncio.wait(
                {asyncio.create_task(_carry(reader, to_worker)), asyncio.create_task(_carry(from_worker, writer))},
                return_when=asyncio.FIRST_COMPLETED,
            )
        for end in (writer, to_worker):
            end.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    engine = Bridged(Upstream("bridge", f"http://127.0.0.1:{port}/v1", is_outside=False), behind.model)
    engine.behind = behind
    try:
        yield engine
    finally:
        await engine.close()
        server.close()
        for task in tuple(open_ones):
            task.cancel()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
