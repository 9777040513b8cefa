"""The local engine: a model in a supervised child process, or the one that another process of this user runs already.

Called by the pool. A worker that dies is started again, after a pause that doubles while it keeps dying; one that does
not answer for `engine_silence_s`, or computes without being asked, is ended and replaced. Requests that were running
get EngineDied or EngineTimeout, new ones wait for the next worker. It knows no routes, users or documents.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from intramuros.background import begin, begin_always, place_of
from intramuros.engines.child import cause_in
from intramuros.engines.engine import ChatRequest, Health, Reply, Vectors
from intramuros.engines.loading import Load
from intramuros.engines.openai_http import OpenAIHttp
from intramuros.engines.options import EngineOptions, seeing
from intramuros.engines.published import Notices, began
from intramuros.engines.run import END_GRACE_S, Run
from intramuros.engines.runners import runner_of
from intramuros.engines.starting import Starter
from intramuros.engines.unasked import patience_of
from intramuros.errors import (
    BadRequest,
    EngineDied,
    EngineError,
    EngineLoadFailed,
    EngineTimeout,
    IntramurosError,
    IsolationTooWeak,
)
from intramuros.models.installed import InstalledModel
from intramuros.models.memory import Footprint
from intramuros.privacy.egress import Egress
from intramuros.security.isolation import Confinement
from intramuros.settings import Settings

log = logging.getLogger(__name__)
T = TypeVar("T")

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 30.0
STEADY_S = 60.0
"""A worker that lived this long was well; the next pause starts from the beginning."""
MOST_FAILED_LOADS = 5
CAN = {"chat": "writes answers", "embed": "turns texts into vectors", "rerank": "ranks texts"}


class LocalEngine:
    """Runs one model on this machine; satisfies `engines.engine.Engine`. Make it with `start`."""

    def __init__(
        self,
        model: InstalledModel,
        options: EngineOptions,
        folder: Path,
        settings: Settings,
        *,
        egress: Egress,
        load: Load | None = None,
    ) -> None:
        options = seeing(options) if model.projector else options
        self.installed, self.options, self.settings = model, options, settings
        self._starter = Starter(model, options, settings, egress, Notices(folder), load or Load(), runner_of(model))
        self.restarts = 0
        self._run: Run | None = None
        self._failure: IntramurosError | None = None
        self._changed = asyncio.Condition()
        self._supervisor: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None
        self._is_closed = False

    @classmethod
    async def start(
        cls,
        model: InstalledModel,
        options: EngineOptions,
        folder: Path,
        settings: Settings,
        *,
        egress: Egress,
        load: Load | None = None,
    ) -> LocalEngine:
        """Loads the model, or finds the engine that has it. `folder` holds sockets and notices; `load` says how far.

        Raises: EngineLoadFailed with its cause.
        """
        engine = cls(model, options, folder, settings, egress=egress, load=load)
        engine._run = await engine._starter.run()
        engine._supervisor = begin(engine._supervise(), name=f"supervise the engine of {model.name}")
        return engine

    @property
    def model(self) -> str:
        """The name of the model."""
        return self.installed.name

    @property
    def state(self) -> Health:
        """How it is now."""
        run = self._run
        if self._is_closed:
            return Health("stopped", restarts=self.restarts)
        if run is None:
            failure = self._failure
            return Health(
                "failed" if failure else "loading", failure.message if failure else "", restarts=self.restarts
            )
        state = "busy" if run.active >= run.slots else "ready"
        return Health(state, "", context_tokens=run.context_tokens, slots=run.slots, restarts=self.restarts)

    @property
    def active(self) -> int:
        """Requests that are being answered or wait for a slot."""
        return self._run.active if self._run else 0

    @property
    def pid(self) -> int:
        """The worker's process, or 0 while there is none."""
        return self._run.pid if self._run else 0

    @property
    def confinement(self) -> Confinement | None:
        """The walls around its process, None while there is none."""
        return self._run.confinement if self._run else None

    @property
    def footprint(self) -> Footprint | None:
        """What it took when it loaded, by its own log; None while there is none, or another process supervises it."""
        return self._run.child.footprint if self._run and self._run.child else None

    @property
    def is_ours(self) -> bool:
        """Whether this process runs the worker, and its memory is ours."""
        return self._run is None or self._run.child is not None

    async def generate(self, request: ChatRequest) -> Reply:
        """Completes a chat."""
        return await self._asked(lambda http: http.generate(request), kind="chat")

    async def stream(self, request: ChatRequest) -> AsyncGenerator[bytes]:
        """Completes a chat, chunk by chunk."""
        self._check(kind="chat")
        run = await self._ready()
        with run.asked():
            try:
                async with aclosing(run.http.stream(request)) as chunks:
                    async for chunk in chunks:
                        yield chunk
            except EngineDied as error:
                raise await self._explained(run, error) from error

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector for each text."""
        return await self._asked(lambda http: http.embed(texts), kind="embed")

    async def vectors(self, inputs: Sequence[str | Sequence[int]]) -> Vectors:
        """One vector for each text or list of tokens, and what was read."""
        return await self._asked(lambda http: http.vectors(inputs), kind="embed")

    async def rerank(self, query: str, texts: Sequence[str]) -> list[float]:
        """One score for each text."""
        return await self._asked(lambda http: http.rerank(query, texts), kind="rerank")

    async def tokenise(self, text: str) -> list[int]:
        """The text's tokens."""
        return await self._asked(lambda http: http.tokenise(text), kind=self.options.kind)

    async def prompt_tokens(self, request: ChatRequest) -> int:
        """How long a chat's prompt is."""
        return await self._asked(lambda http: http.prompt_tokens(request), kind="chat")

    async def health(self) -> Health:
        """How it is now."""
        return self.state

    async def is_idle(self) -> bool:
        """Whether nobody uses it: no request from here, and no slot working for another process."""
        run = self._run
        if self.active or run is None:
            return not self.active
        try:
            async with asyncio.timeout(1):
                return not any(slot.get("is_processing") for slot in await run.http.slots())
        except (TimeoutError, EngineError):
            return False

    async def close(self) -> None:
        """Ends the worker, if it is ours, and gives its memory back."""
        self._is_closed = True
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.gather(self._supervisor, return_exceptions=True)
        if self._ending is not None:
            await asyncio.wait({self._ending})
        run, self._run = self._run, None
        async with self._changed:
            self._changed.notify_all()
        if run is not None:
            await self._starter.end(run)

    async def _asked(self, ask: Callable[[OpenAIHttp], Awaitable[T]], *, kind: str) -> T:
        """Asks the present worker; says what became of it if it goes meanwhile."""
        self._check(kind=kind)
        run = await self._ready()
        with run.asked():
            try:
                return await ask(run.http)
            except EngineDied as error:
                raise await self._explained(run, error) from error

    def _check(self, *, kind: str) -> None:
        if kind != self.options.kind:
            raise BadRequest(f"{self.model} {CAN[self.options.kind]}; it can't do what was asked.")

    async def _ready(self) -> Run:
        """The present run; waits while a worker is being replaced. Raises: EngineLoadFailed, EngineTimeout."""
        if (run := self._run) is not None and not run.ended.is_set():
            if began(run.pid):
                return run
            run.ended.set()
        try:
            async with asyncio.timeout(self.settings.engine_load_timeout_s), self._changed:
                await self._changed.wait_for(lambda: self._is_closed or self._failure or self._is_up)
        except TimeoutError as error:
            raise EngineTimeout("The model process did not come back in time.") from error
        if self._is_closed:
            raise EngineDied("The engine was stopped.")
        if self._run is None or self._run.ended.is_set():
            assert self._failure is not None
            raise self._failure
        return self._run

    @property
    def _is_up(self) -> bool:
        return self._run is not None and not self._run.ended.is_set()

    async def _explained(self, run: Run, error: EngineDied) -> EngineError:
        """Why a request lost its connection."""
        if run.hangs:
            return EngineTimeout()
        if run.child is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(END_GRACE_S):
                    await run.child.ended.wait()
            if cause := cause_in(run.child.lines):
                return EngineDied(f"The model process stopped: {cause}. It is being restarted.")
        return error

    async def _supervise(self) -> None:
        """Watches the worker and replaces it when it goes, until `close`."""
        pause_s, silence_s = FIRST_PAUSE_S, self.settings.engine_silence_s
        patience = patience_of(silence_s)
        while True:
            run = self._run
            assert run is not None
            async with (
                _cancelled_after(partial(run.end_if_it_hangs, silence_s)),
                _cancelled_after(partial(run.end_if_it_burns, patience)),
            ):
                await run.until_ended()
            log.warning("the engine of %s ended%s; starting it again", self.model, run.why)
            self._run = None
            self._ending = begin(self._starter.end(run), name=f"end the engine of {self.model}")
            await asyncio.wait({self._ending})  # however that goes, the next one is started
            self.restarts += 1
            pause_s = FIRST_PAUSE_S if time.monotonic() - run.started > STEADY_S else pause_s
            for attempt in range(MOST_FAILED_LOADS):
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
                if await self._loaded_again(last=attempt == MOST_FAILED_LOADS - 1):
                    break
            else:
                return

    async def _loaded_again(self, *, last: bool) -> bool:
        run: Run | None = None
        failure: IntramurosError | None = None
        try:
            run = await self._starter.run()
        except (EngineError, IsolationTooWeak) as error:
            log.warning("the engine of %s does not start: %s", self.model, error.message)
            failure = error
        except Exception as error:  # nobody foresaw it, such as a system that has no process left
            log.error("the engine of %s does not start: %s", self.model, place_of(error))  # noqa: TRY400 - no values
            failure = EngineLoadFailed("The engine can't be started again; the server's log says why.")
        self._run, self._failure = run, failure if last else None  # before anything can be cancelled
        async with self._changed:
            self._changed.notify_all()
        return run is not None


@asynccontextmanager
async def _cancelled_after(work: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Runs something beside the body, and ends it with the body."""
    task = begin_always(work, name="watch an engine")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
