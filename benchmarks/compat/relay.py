"""A relay between a suite and the server: it adds a real key, and puts what is there in the place of made-up names.

The suites send keys and names that no server has ("My API Key", "gpt-…", "file_id"). The product must refuse those, so
the names are changed here, and nothing else is. Where a case names something that must have been stored, it is made
first.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import aiohttp
from aiohttp import web

from benchmarks.compat.names import THROWAWAY, Alias, Asked
from benchmarks.compat.prepared import Prepared

NOT_FORWARDED = {"host", "authorization", "x-api-key", "content-length", "transfer-encoding", "connection"}
LARGEST_BYTES = 64 * 2**20


class Relay:
    """Forwards to `target` with `key`; `before_delete` is called with the name of a model that is to be deleted."""

    def __init__(self, target: str, key: str, alias: Alias, *, before_delete: Callable[[str], Any]) -> None:
        self.target, self.key, self.alias, self.before_delete = target, key, alias, before_delete
        self._numbers: Iterator[int] = itertools.count()
        self._prepared: Prepared | None = None

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        """Listens on a free port: yields its address."""
        application = web.Application(client_max_size=LARGEST_BYTES)
        application.router.add_route("*", "/{rest:.*}", self._forward)
        runner = web.AppRunner(application)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self._session = aiohttp.ClientSession(auto_decompress=False, timeout=aiohttp.ClientTimeout(total=300))
        self._prepared = Prepared(self._session, self.target, self.key)
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await self._session.close()
            await runner.cleanup()

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        asked = self.alias(Asked(request.method, request.raw_path, await request.read(), next(self._numbers)))
        if asked.method == "DELETE" and THROWAWAY in asked.path:
            await self.before_delete(asked.path.rpartition("/")[2])
        headers = {name: value for name, value in request.headers.items() if name.lower() not in NOT_FORWARDED}
        headers["Authorization"] = f"Bearer {self.key}"
        if self._prepared is not None:
            asked = await self._prepared.openai(asked)
        async with self._session.request(
            asked.method, self.target + asked.path, data=asked.body, headers=headers, allow_redirects=False
        ) as answer:
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in NOT_FORWARDED}
            response = web.StreamResponse(status=answer.status, headers=kept)
            await response.prepare(request)
            with contextlib.suppress(ConnectionError):
                async for piece in answer.content.iter_any():
                    await response.write(piece)
                await response.write_eof()
            return response
