"""The local engine: a model in a supervised child process, or the one that another process of this user runs already.

Called by the pool. A worker that dies is started again, after a pause that doubles while it keeps dying; one that does
not answer for `engine_silence_s` is ended and replaced. Requests that were running get EngineDied or EngineTimeout, new
ones wait for the next worker. It knows no routes, users or documents.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from intramuros.engines.child import Child, cause_in
from intramuros.engines.decrypted import in_memory
from intramuros.engines.engine import ChatRequest, Health, Reply
from intramuros.engines.openai_http import OpenAIHttp
from intramuros.engines.options import EngineOptions
from intramuros.engines.parameters import parameters
from intramuros.engines.published import Notice, Notices, began, remove_socket
from intramuros.engines.rights import rights
from intramuros.errors import (
    BadRequest,
    EngineDied,
    EngineError,
    EngineLoadFailed,
    EngineTimeout,
    IntramurosError,
    IsolationTooWeak,
    ModelFileError,
)
from intramuros.models.installed import InstalledModel
from intramuros.privacy.egress import Egress
from intramuros.security.isolation import Confinement, confinement
from intramuros.settings import Settings

log = logging.getLogger(__name__)
T = TypeVar("T")

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 30.0
STEADY_S = 60.0
"""A worker that lived this long was well; the next pause starts from the beginning."""
MOST_FAILED_LOADS = 5
LONGEST_PROBE_INTERVAL_S = 10.0
CAN = {"chat": "writes answers", "embed": "turns texts into vectors", "rerank": "ranks texts"}
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
    active: int = 0
    started: float = field(default_factory=time.monotonic)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    told: asyncio.Event = field(default_factory=asyncio.Event)

    @contextlib.contextmanager
    def asked(self) -> Iterator[None]:
        """Counts a request while it is answered or waits for a slot."""
        self.active += 1
        try:
            yield
        finally:
            self.active -= 1
            if not self.active:
                self.told.set()

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


class LocalEngine:
    """Runs one model on this machine; satisfies `engines.engine.Engine`. Make it with `start`."""

    def __init__(
        self, model: InstalledModel, options: EngineOptions, folder: Path, settings: Settings, *, egress: Egress
    ) -> None:
        self.installed, self.options, self.settings, self.egress = model, options, settings, egress
        self.notices = Notices(folder)
        self.restarts = 0
        self._run: Run | None = None
        self._failure: IntramurosError | None = None
        self._changed = asyncio.Condition()
        self._supervisor: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None
        self._is_closed = False

    @classmethod
    async def start(
        cls, model: InstalledModel, options: EngineOptions, folder: Path, settings: Settings, *, egress: Egress
    ) -> LocalEngine:
        """Loads the model, or finds the engine that has it. `folder` holds sockets and notices.

        Raises: EngineLoadFailed with its cause.
        """
        engine = cls(model, options, folder, settings, egress=egress)
        engine._run = await engine._load()
        engine._supervisor = asyncio.create_task(engine._supervise(), name=f"engine {model.name}")
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

    async def rerank(self, query: str, texts: Sequence[str]) -> list[float]:
        """One score for each text."""
        return await self._asked(lambda http: http.rerank(query, texts), kind="rerank")

    async def tokenise(self, text: str) -> list[int]:
        """The text's tokens."""
        return await self._asked(lambda http: http.tokenise(text), kind=self.options.kind)

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
            await self._ending
        if (run := self._run) is not None:
            self._run = None
            await self._end(run)
        async with self._changed:
            self._changed.notify_all()

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
        pause_s = FIRST_PAUSE_S
        while True:
            run = self._run
            assert run is not None
            async with _cancelled_after(self._probe(run)):
                await self._until_ended(run)
            log.warning("the engine of %s ended%s; starting it again", self.model, " (it hung)" if run.hangs else "")
            self._run = None
            self._ending = asyncio.create_task(self._end(run))
            await asyncio.shield(self._ending)
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
        try:
            run = await self._load()
        except (EngineError, IsolationTooWeak) as error:
            log.warning("the engine of %s does not start: %s", self.model, error.message)
            failure: IntramurosError | None = error if last else None
            run = None
        else:
            failure = None
        self._run, self._failure = run, failure  # before anything can be cancelled
        async with self._changed:
            self._changed.notify_all()
        return run is not None

    async def _until_ended(self, run: Run) -> None:
        if run.child is not None:
            await run.child.ended.wait()
            run.ended.set()
            return
        while began(run.pid) and not run.ended.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ATTACHED_POLL_S):
                    await run.ended.wait()
        run.ended.set()

    async def _probe(self, run: Run) -> None:
        """While requests run, asks the engine now and then whether it still goes round; ends one that does not."""
        silence_s = self.settings.engine_silence_s
        interval_s = min(silence_s / 2, LONGEST_PROBE_INTERVAL_S)
        while True:
            await asyncio.sleep(interval_s)
            if not run.active:
                continue
            try:
                async with asyncio.timeout(silence_s - interval_s):
                    await run.http.slots()
            except TimeoutError:
                run.hangs = True
                run.kill()
                return
            except EngineDied:
                continue

    async def _load(self) -> Run:
        """Finds a running engine of this model, or starts a worker. Raises: EngineLoadFailed."""
        async with self.notices.loading(self.model):
            notice = self.notices.find(self.model, sha256=self.installed.sha256)
            if notice is not None and (attached := await self._attach(notice)):
                return attached
            return await self._start_worker()

    async def _attach(self, notice: Notice) -> Run | None:
        walls = confinement(notice.pid, notice.confined)
        walls.require(self.settings.isolation_required, what="the engine that another process started")
        socket = Path(notice.socket)
        run = Run(self._http(socket), socket, notice.pid, notice.context_tokens, notice.slots, confinement=walls)
        try:
            async with asyncio.timeout(min(self.settings.engine_silence_s, LONGEST_PROBE_INTERVAL_S)):
                await run.http.slots()
        except BaseException as error:
            await run.http.close()
            if isinstance(error, TimeoutError | EngineDied):
                return None
            raise
        return run

    async def _start_worker(self) -> Run:
        socket = self.notices.new_socket()
        try:
            async with in_memory(self.installed) as (path, inherits):
                child = await Child.start(
                    parameters(self.options, model=path, name=self.model, socket=socket),
                    socket=socket,
                    rights=rights(self.options, self.installed.header, model=path, socket=socket, inherits=inherits),
                    timeout_s=self.settings.engine_load_timeout_s,
                    required=self.settings.isolation_required,
                )
        except ModelFileError as error:
            remove_socket(socket)
            raise EngineLoadFailed(error.message, hint=error.hint) from error
        except BaseException:
            remove_socket(socket)
            raise
        http = self._http(socket)
        try:
            slots = await http.slots()
        except BaseException as error:
            await http.close()
            await child.stop()
            remove_socket(socket)
            if isinstance(error, EngineDied):
                raise EngineLoadFailed("The engine stopped right after it had loaded the model.") from error
            raise
        run = Run(http, socket, child.pid, int(slots[0]["n_ctx"]), len(slots), child, child.confinement)
        notice = Notice(
            socket=str(socket),
            pid=child.pid,
            began=began(child.pid),
            sha256=self.installed.sha256,
            context_tokens=run.context_tokens,
            slots=run.slots,
            confined=child.confinement.to_json(),
        )
        self.notices.publish(self.model, notice)
        return run

    async def _end(self, run: Run) -> None:
        run.ended.set()
        if run.child is not None:
            self.notices.withdraw(self.model, pid=run.pid)
            await run.child.stop()
            remove_socket(run.socket)
        await run.close()

    def _http(self, socket: Path) -> OpenAIHttp:
        return OpenAIHttp(self.egress.unix(socket), model=self.model)


@asynccontextmanager
async def _cancelled_after(coroutine: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Runs something beside the body, and ends it with the body."""
    task = asyncio.create_task(coroutine)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
