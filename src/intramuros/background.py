"""Work that nobody awaits: what of it fails is in the log, and what is to go on always is begun again.

Called by every part that starts such work. The log has the kind of a failure and its place in the source, none of the
values that were there. Knows no other part.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

log = logging.getLogger(__name__)
T = TypeVar("T")

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
"""Before failed work is begun again; doubled each time, and as at first once it has gone well for the longest."""


def begin(work: Coroutine[Any, Any, T], *, name: str) -> asyncio.Task[T]:
    """Starts work beside everything else. If it fails, the log says so, whoever awaits it or not."""
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_tell)
    return task


def begin_always(
    work: Callable[[], Awaitable[None]],
    *,
    name: str,
    stop: asyncio.Event | None = None,
    first_pause_s: float = FIRST_PAUSE_S,
) -> asyncio.Task[None]:
    """Starts work that is begun again whenever it fails, until it ends by itself, is cancelled or is to `stop`."""
    return asyncio.create_task(_again_and_again(work, name, stop or asyncio.Event(), first_pause_s), name=name)


async def _again_and_again(
    work: Callable[[], Awaitable[None]], name: str, stop: asyncio.Event, first_pause_s: float
) -> None:
    pause_s, loop = first_pause_s, asyncio.get_running_loop()
    while not stop.is_set():
        began = loop.time()
        try:
            await work()
        except Exception as error:
            pause_s = first_pause_s if loop.time() - began > LONGEST_PAUSE_S else pause_s
            log.error("%s failed (%s) and is begun again in %g s", name, place_of(error), pause_s)  # noqa: TRY400 - no values
        else:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await stop.wait()
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


def _tell(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("%s failed: %s", task.get_name(), place_of(error))


def place_of(error: BaseException) -> str:
    """The kind of an error and where it was raised, such as `KeyError at probing.py:131`."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "intramuros" in frame.filename] or frames
    return type(error).__name__ + (f" at {own[-1].filename.rpartition('/')[2]}:{own[-1].lineno}" if own else "")
