"""One life of an engine's worker: its connections, who uses it, and what ends it before its time.

Made by `engines.starting`, kept by `engines.local`. It knows no model.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from intramuros.engines.child import Child
from intramuros.engines.openai_http import OpenAIHttp
from intramuros.engines.published import began
from intramuros.engines.unasked import Patience, Use, burns, idle_elsewhere_s
from intramuros.errors import EngineDied
from intramuros.security.isolation import Confinement

LONGEST_PROBE_INTERVAL_S = 10.0
ATTACHED_POLL_S = 0.5
END_GRACE_S = 0.5


@dataclass(eq=False)
class Run:
    """One life of a worker. `child` is None when another process supervises it."""

    http: OpenAIHttp
    socket: Path
    pid: int
    context_tokens: int
    slots: int
    child: Child | None = None
    confinement: Confinement = field(default_factory=Confinement)
    hangs: bool = False
    burns: bool = False
    active: int = 0
    asked_at: float = field(default_factory=time.monotonic)
    use: Use | None = None
    started: float = field(default_factory=time.monotonic)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    told: asyncio.Event = field(default_factory=asyncio.Event)

    @contextlib.contextmanager
    def asked(self) -> Iterator[None]:
        """Counts a request while it is answered or waits for a slot."""
        self.active += 1
        if self.use and self.active == 1:
            self.use.begin()
        try:
            yield
        finally:
            self.active -= 1
            self.asked_at = time.monotonic()
            if not self.active:
                self.told.set()
                if self.use:
                    self.use.end()

    def last_asked(self) -> float:
        """When it last had something to do, from here or from another process; now, while it has."""
        now = time.monotonic()
        if self.active:
            return now
        return max(self.asked_at, now - idle_elsewhere_s(self.socket, wall_clock=time.time()))

    @property
    def why(self) -> str:
        """Why it was ended, for the log; empty if it ended by itself."""
        if self.burns:
            return " (it used the processor with nothing to do)"
        return " (it hung)" if self.hangs else ""

    def kill(self) -> None:
        """Ends a worker that hangs, also one of another process: that one will see it and start another."""
        self.ended.set()
        if began(self.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    async def close(self) -> None:
        """Closes the connections, after those that wait on a worker that is gone have been told."""
        self.told.clear()
        if self.active:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(END_GRACE_S):
                    await self.told.wait()
        await self.http.close()

    async def until_ended(self) -> None:
        """Waits for its end, whoever brings it about."""
        if self.child is not None:
            await self.child.ended.wait()
            self.ended.set()
            return
        while began(self.pid) and not self.ended.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ATTACHED_POLL_S):
                    await self.ended.wait()
        self.ended.set()

    async def end_if_it_hangs(self, silence_s: float) -> None:
        """While requests run, asks the engine now and then whether it still goes round; ends one that does not."""
        interval_s = min(silence_s / 2, LONGEST_PROBE_INTERVAL_S)
        while True:
            await asyncio.sleep(interval_s)
            if not self.active:
                continue
            try:
                async with asyncio.timeout(silence_s - interval_s):
                    await self.http.slots()
            except TimeoutError:
                self.hangs = True
                self.kill()
                return
            except EngineDied:
                continue

    async def end_if_it_burns(self, patience: Patience) -> None:
        """Ends a worker of ours that goes on computing with nothing to do."""
        if self.child is None:
            return
        await burns(self.pid, last_asked=self.last_asked, patience=patience)
        self.burns = True
        self.kill()
