"""Stops the work of a request at once when its client goes away.

Called by the routes that generate: a closed connection must free the engine's slot, not wait for the answer's end.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any

from starlette.types import Receive


class ClientGone(Exception):
    """The client closed the connection before it had its answer; nobody is there to be told."""


class while_connected:  # noqa: N801 - reads as what it does, like the functions of contextlib
    """Cancels what runs inside when the client disconnects. The request's body must have been read.

    Raises: ClientGone in place of that cancellation.
    """

    __slots__ = ("_beginning", "_is_gone", "_receive", "_task", "_watcher")

    def __init__(self, receive: Receive) -> None:
        self._receive, self._is_gone = receive, False

    async def __aenter__(self) -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        assert task is not None
        self._task: asyncio.Task[Any] = task
        self._watcher: asyncio.Task[None] | None = None
        # Nothing can be heard of the client before the loop's next turn: what has its answer by then needs no watcher.
        self._beginning: asyncio.Handle | None = loop.call_soon(self._begin)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._beginning is not None
        self._beginning.cancel()
        if self._watcher is not None:
            self._watcher.cancel()
        self._beginning = self._watcher = None  # they know this: it must not be left to the garbage collector
        if kind is asyncio.CancelledError and self._is_gone and not self._task.uncancel():
            raise ClientGone from None

    def _begin(self) -> None:
        self._watcher = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        # The task waits for something inside the block, so the cancellation always arrives there.
        self._is_gone = True
        self._task.cancel()
