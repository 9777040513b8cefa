"""The engines of this process, one for each model in use: loaded when first needed, unloaded when idle.

Called by the tasks. It chooses each engine's options, has them measured at a model's first load, and remembers them. It
knows models and memory, no requests.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import version
from typing import Any, Protocol

from intramuros.engines import child
from intramuros.engines.autotune import Tuned, tune
from intramuros.engines.engine import Engine, Health
from intramuros.engines.local import LocalEngine
from intramuros.engines.options import EngineOptions, choose
from intramuros.engines.published import Notices
from intramuros.errors import EngineDied, IntramurosError, ModelFileError, ModelTooLarge
from intramuros.models.installed import InstalledModel
from intramuros.models.machine import Machine
from intramuros.privacy.egress import Egress
from intramuros.security.isolation import Confinement
from intramuros.settings import Settings

log = logging.getLogger(__name__)

LONGEST_LOOK_S = 30.0
RENEWAL_S = 20.0
"""How long an answer that is being written may delay the end of an engine that must forget."""
RENEWAL_POLL_S = 0.05


class Models(Protocol):
    """The installed models."""

    def get(self, name: str) -> InstalledModel:
        """The model of this name. Raises: ModelNotFound."""
        ...


class Remember(Protocol):
    """Where measurements are kept from one run to the next."""

    def load(self, key: str) -> Any:
        """What was saved, or None."""
        ...

    def save(self, key: str, value: Any) -> None:
        """Keeps a JSON value."""
        ...


@dataclass(eq=False)
class Seat:
    """One model's place in the pool: its engine or the load that will bring it, and who uses it."""

    model: InstalledModel
    loading: asyncio.Task[LocalEngine]
    detail: str = ""
    users: int = 0
    last_used: float = field(default_factory=time.monotonic)

    @property
    def engine(self) -> LocalEngine | None:
        """The engine, once loaded."""
        done = self.loading.done() and not self.loading.cancelled() and self.loading.exception() is None
        return self.loading.result() if done else None

    @property
    def state(self) -> Health:
        """How it is now."""
        if (engine := self.engine) is not None:
            return engine.state
        if not self.loading.done():
            return Health("loading", self.detail)
        error = None if self.loading.cancelled() else self.loading.exception()
        return Health("failed", error.message if isinstance(error, IntramurosError) else "")


class EnginePool:
    """One engine for each model in use."""

    def __init__(self, models: Models, settings: Settings, *, egress: Egress, remember: Remember | None = None) -> None:
        self.models, self.settings, self.egress, self.remember = models, settings, egress, remember
        self.folder = settings.run_folder / "engines"
        self._seats: dict[str, Seat] = {}
        self._janitor: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._renewing = asyncio.Lock()

    @asynccontextmanager
    async def engine(self, name: str) -> AsyncIterator[Engine]:
        """The engine that runs this model, loaded if need be; it is not unloaded while it is in use.

        Raises: ModelNotFound, ModelTooLarge, EngineLoadFailed.
        """
        async with self._renewing:  # held while engines end because of an erasure
            seat = self._seat(self.models.get(name))
            seat.users += 1
        try:
            engine = await asyncio.shield(seat.loading)  # another request may wait for the same load
            yield engine
        except asyncio.CancelledError:
            if seat.loading.cancelled():
                raise EngineDied("The engine was stopped while it loaded.") from None
            raise
        finally:
            seat.users -= 1
            seat.last_used = time.monotonic()

    def states(self) -> dict[str, Health]:
        """How each engine is, by model."""
        return {name: seat.state for name, seat in self._seats.items()}

    async def renew(self, *, wait_s: float = RENEWAL_S) -> int:
        """Ends every engine, with its caches, once nobody uses it or after `wait_s`; how many. Who asks then, loads it.

        Requests that come meanwhile wait.
        """
        async with self._renewing:
            until = time.monotonic() + wait_s
            while any(seat.users for seat in self._seats.values()) and time.monotonic() < until:  # noqa: ASYNC110
                await asyncio.sleep(RENEWAL_POLL_S)
            seats, self._seats = list(self._seats.values()), {}
            await asyncio.gather(*(_close(seat) for seat in seats))
        return len(seats)

    def confinements(self) -> dict[str, Confinement]:
        """The walls around the process of each engine that runs, by model."""
        engines = {name: seat.engine for name, seat in self._seats.items()}
        return {name: walls for name, engine in engines.items() if engine and (walls := engine.confinement)}

    async def stop(self) -> None:
        """Ends all engines."""
        if self._janitor is not None:
            self._janitor.cancel()
            await asyncio.gather(self._janitor, return_exceptions=True)
            self._janitor = None
        seats, self._seats = list(self._seats.values()), {}
        await asyncio.gather(*(_close(seat) for seat in seats), *self._closing)

    def _seat(self, model: InstalledModel) -> Seat:
        seat = self._seats.get(model.name)
        if seat is None or seat.state.state == "failed" or seat.model.sha256 != model.sha256:
            if seat is not None:
                self._close_later(seat)
            seat = Seat(model, asyncio.create_task(self._load(model), name=f"load {model.name}"))
            seat.loading.add_done_callback(_seen)
            self._seats[model.name] = seat
        if self._janitor is None and self.settings.engine_idle_s:
            self._janitor = asyncio.create_task(self._unload_idle(), name="unload idle engines")
        return seat

    async def _load(self, model: InstalledModel) -> LocalEngine:
        await self._verify(model)
        options = await self._options(model, Machine.detect(gpus=await child.gpus()))
        return await LocalEngine.start(model, options, self.folder, self.settings, egress=self.egress)

    async def _options(self, model: InstalledModel, machine: Machine) -> EngineOptions:
        """What to load the model with; other engines make room for it if they are idle. Raises: ModelTooLarge."""
        if Notices(self.folder).find(model.name, sha256=model.sha256):  # another process has it in memory already
            machine = replace(machine, available_bytes=machine.memory_bytes)
            return self._remembered(model, choose(model.header, machine, self.settings), machine)
        try:
            options = choose(model.header, machine, self.settings)
        except ModelTooLarge:
            if not await self._unload(least_idle_s=0, others_than=model.name):
                raise
            options = choose(model.header, Machine.detect(gpus=machine.gpus), self.settings)
        return await self._tuned(model, options, machine)

    async def _verify(self, model: InstalledModel) -> None:
        """Reads a model's file through at its first load, and again when it was touched.

        Raises: ModelFileError if it isn't what was installed.
        """
        if self.remember is None:
            return
        try:
            found = model.path.stat()
        except OSError:
            return  # the engine says why it can't be read
        key, mark = f"verified:{model.name}", [model.sha256, found.st_ino, found.st_size, found.st_mtime_ns]
        if self.remember.load(key) == mark:
            return
        if await asyncio.to_thread(model.digest) != model.sha256:
            raise ModelFileError(
                f"The file of {model.name} has changed since it was installed: its hash is another one."
            )
        await asyncio.to_thread(self.remember.save, key, mark)

    async def _tuned(self, model: InstalledModel, options: EngineOptions, machine: Machine) -> EngineOptions:
        """The options with what was measured for this machine, model and engine; measures it if need be."""
        if self.remember is None or not self.settings.autotune:
            return options
        key = _key(model, machine)
        if self.remember.load(key) is not None:
            return self._remembered(model, options, machine)
        tuned = await tune(
            model,
            options,
            machine,
            folder=self.folder,
            egress=self.egress,
            report=partial(self._report, model.name),
            required=self.settings.isolation_required,
        )
        if tuned.complete:
            await asyncio.to_thread(self.remember.save, key, tuned.to_json())
        return tuned.applied(options)

    def _remembered(self, model: InstalledModel, options: EngineOptions, machine: Machine) -> EngineOptions:
        found = self.remember.load(_key(model, machine)) if self.remember and self.settings.autotune else None
        try:
            return Tuned(found["changes"]).applied(options) if found else options
        except (TypeError, ValueError, KeyError):
            return options

    def _report(self, name: str, step: str, share: float) -> None:
        if (seat := self._seats.get(name)) is not None:
            seat.detail = f"measuring {step}" if share < 1 else ""

    async def _unload_idle(self) -> None:
        idle_s = self.settings.engine_idle_s
        while True:
            await asyncio.sleep(min(idle_s / 4, LONGEST_LOOK_S))
            await self._unload(least_idle_s=idle_s)

    async def _unload(self, *, least_idle_s: float, others_than: str = "") -> int:
        """Ends engines that nobody has used for so long; how many."""
        ended = 0
        for name, seat in list(self._seats.items()):
            engine = seat.engine
            is_rested = seat.users == 0 and time.monotonic() - seat.last_used >= least_idle_s
            if name == others_than or engine is None or not is_rested or not await engine.is_idle() or seat.users:
                continue
            if self._seats.get(name) is seat:
                del self._seats[name]
            await asyncio.shield(self._close_later(seat))
            log.info("engine of %s unloaded: idle", name)
            ended += 1
        return ended

    def _close_later(self, seat: Seat) -> asyncio.Task[None]:
        """Closes an engine to the end, whoever is cancelled meanwhile; `stop` waits for it."""
        task = asyncio.create_task(_close(seat), name=f"close {seat.model.name}")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
        return task


def _seen(task: asyncio.Task[Any]) -> None:
    """A failed load is raised to whoever waits for it; nobody may."""
    if not task.cancelled():
        task.exception()


async def _close(seat: Seat) -> None:
    seat.loading.cancel()
    with contextlib.suppress(asyncio.CancelledError, IntramurosError):
        engine = await seat.loading
        await engine.close()


def _key(model: InstalledModel, machine: Machine) -> str:
    """What a measurement holds for: this machine, this file, this build of the engine."""
    return f"engine:{machine.fingerprint}:{model.sha256}:{version('xllamacpp')}"
