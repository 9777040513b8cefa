"""A line to one target: its breaker, how it went last, and for a remote one its engine. Kept by the router."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypedDict

from intramuros.engines.breaker import Breaker
from intramuros.engines.engine import Engine
from intramuros.engines.remote import RemoteEngine
from intramuros.engines.route import Target
from intramuros.engines.upstream import Upstream
from intramuros.errors import BadRequest, DetectorFailed, IntramurosError, NotAllowed

OF_THE_REQUEST = (BadRequest, NotAllowed, DetectorFailed)
"""Errors that say nothing of the target: another one would give the same, or must not be tried."""


class LineObject(TypedDict):
    """How a target is. `last_ok_at`: seconds since 1970."""

    target: str
    breaker: str
    failures: int
    retry_in_s: float
    last_error: str
    last_ok_at: float | None


@dataclass(slots=True)
class Line:
    """The line to `target`, over `upstream` as it was described when the line was made; None for this machine."""

    target: Target
    upstream: Upstream | None
    breaker: Breaker
    engine: RemoteEngine | None = None
    users: int = 0
    is_over: bool = False
    last_error: str = ""
    last_ok_at: float | None = None

    @asynccontextmanager
    async def remote(self) -> AsyncIterator[Engine]:
        """The engine of the upstream; it is not closed while it is in use."""
        assert self.upstream is not None
        if self.engine is None:
            self.engine = RemoteEngine(self.upstream, self.target.model)
        self.users += 1
        try:
            yield self.engine
        finally:
            self.users -= 1
            if self.is_over and not self.users:
                await self.close()

    @asynccontextmanager
    async def judged(self) -> AsyncIterator[None]:
        """Tells the breaker how what runs inside went."""
        try:
            yield
        except OF_THE_REQUEST:
            self.breaker.left()
            raise
        except IntramurosError as error:
            self.last_error = error.code
            self.breaker.failed()
            raise
        except BaseException:
            self.breaker.left()
            raise
        self.last_error, self.last_ok_at = "", time.time()
        self.breaker.succeeded()

    async def end(self) -> None:
        """No new request uses it; it closes when the last one has gone."""
        self.is_over = True
        if not self.users:
            await self.close()

    async def close(self) -> None:
        """Breaks its connections."""
        if self.engine is not None:
            engine, self.engine = self.engine, None
            await engine.close()

    def to_json(self) -> LineObject:
        """How it is, in numbers and words."""
        return {
            "target": self.target.name,
            "breaker": self.breaker.state,
            "failures": self.breaker.failures,
            "retry_in_s": round(self.breaker.retry_in_s, 1),
            "last_error": self.last_error,
            "last_ok_at": self.last_ok_at,
        }
