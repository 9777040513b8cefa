"""The engines of this process, one for each model in use: loaded when first needed within a budget of memory, unloaded
when idle or when another needs the memory more.

Called by the tasks. It chooses each engine's options, with what `engines.measures` knows of the model. It knows models
and memory, no requests. One load at a time looks for room, first come, first served: it ends idle engines of least
worth, and where that is not enough it waits for engines in use. Those finish their requests; who asks for them
meanwhile, waits for their turn (`engines.making_room`).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from intramuros.background import begin, begin_always
from intramuros.engines import child
from intramuros.engines.engine import Engine
from intramuros.engines.loading import Coming
from intramuros.engines.local import LocalEngine
from intramuros.engines.making_room import MakingRoom
from intramuros.engines.measures import Measures, Remember
from intramuros.engines.options import choose
from intramuros.engines.pins import Pins
from intramuros.engines.published import Notices
from intramuros.engines.room import default_budget
from intramuros.engines.runners import runner_of
from intramuros.engines.seat import Loaded, Seat, other_process
from intramuros.errors import Conflict, EngineDied, IntramurosError
from intramuros.models.catalogue import Catalogue
from intramuros.models.installed import InstalledModel
from intramuros.models.machine import Machine
from intramuros.privacy.egress import Egress
from intramuros.security.isolation import Confinement
from intramuros.settings import Settings

log = logging.getLogger(__name__)

LONGEST_LOOK_S = 30.0
SHORTEST_LOOK_S = 0.05
RENEWAL_S = 20.0
"""How long an answer that is being written may delay the end of an engine that must forget."""
RENEWAL_POLL_S = 0.05
FIRST_TOLD_S, TOLD_EVERY_S = 1.0, 0.5
"""When who waits for a load first hears of it, and how often after that: a short one is not worth a word."""
WAIT_S = 120.0
"""How long a load waits for memory that other models hold which are in use."""
FOREVER_S = -1.0


class Models(Protocol):
    """The installed models."""

    def get(self, name: str) -> InstalledModel:
        """The model of this name. Raises: ModelNotFound."""
        ...


class EnginePool:
    """One engine for each model in use."""

    def __init__(
        self,
        models: Models,
        settings: Settings,
        *,
        egress: Egress,
        remember: Remember | None = None,
        catalogue: Catalogue | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`catalogue` names smaller models where one is too large; `clock` tells for how long a model was idle."""
        self.models, self.settings, self.egress, self.remember = models, settings, egress, remember
        self.catalogue, self.clock = catalogue, clock
        self.wait_s = WAIT_S
        self.folder = settings.run_folder / "engines"
        self.measures = Measures(remember, settings, self.folder, egress)
        self.seats: dict[str, Seat] = {}
        """The place of each model in use, by name."""
        self.pins = Pins(remember, settings.preloaded)
        self._janitor: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._going: dict[str, asyncio.Task[None]] = {}
        """The engine of a model that is being closed: the next one must not take it for one that is there."""
        self._renewing = asyncio.Lock()
        self._making_room = MakingRoom(self)
        self.moved = asyncio.Event()
        """Set when memory may have become free: an engine is not used any more, or is gone."""

    @asynccontextmanager
    async def engine(self, name: str, *, keep_alive_s: float | None = None) -> AsyncIterator[Engine]:
        """The engine that runs this model, loaded if need be; it is not unloaded while it is in use.

        `keep_alive_s`: how long it stays afterwards: 0 ends it at once, less than 0 keeps it; None: as before, at first
        `engine_idle_s`. Raises: ModelNotFound, ModelTooLarge, MemoryBusy, EngineLoadFailed.
        """
        seat = await self._taken(name, keep_alive_s)
        try:
            engine = await asyncio.shield(seat.loading)  # another request may wait for the same load
            yield engine
        except asyncio.CancelledError:
            if seat.loading.cancelled():
                raise EngineDied("The engine was stopped while it loaded.") from None
            raise
        finally:
            self._given_back(seat)

    def loading(self, name: str) -> AsyncGenerator[Coming] | None:
        """Says how far a model's load is until it has ended, for who is going to ask for its `engine`; None if it is
        there.

        The load is nobody's: who leaves closes this, which gives the model's place back, and the load goes on for those
        who wait for it too. Raises: ModelNotFound; while it runs, as `engine`.
        """
        seat = self.seats.get(name) or self.seats.get(self.models.get(name).name)  # the second for `default`
        return None if seat is not None and seat.engine is not None else self._coming(name)

    async def _coming(self, name: str) -> AsyncGenerator[Coming]:
        seat = await self._taken(name, None)
        wait_s = FIRST_TOLD_S
        try:
            while not seat.loading.done():
                await asyncio.wait({seat.loading}, timeout=wait_s)  # which cancels nothing when its time is up
                if not seat.loading.done():
                    wait_s = TOLD_EVERY_S
                    yield Coming(seat.model.name, seat.model.title, seat.load.progress)
            if seat.loading.cancelled():
                raise EngineDied("The engine was stopped while it loaded.")
            seat.loading.result()  # a load that failed is not begun once more by asking for the engine
        finally:
            self._given_back(seat)

    def check(self, name: str) -> None:
        """Raises: ModelNotFound if no model of this name is installed; ModelFileError if it is damaged."""
        self.models.get(name)

    async def load(self, name: str, *, keep_alive_s: float | None = None) -> Loaded:
        """Has a model ready before somebody asks. Raises: as `engine`."""
        async with self.engine(name, keep_alive_s=keep_alive_s) as engine:
            return self.states()[engine.model]

    async def unload(self, name: str, *, wait_s: float = 0.0) -> bool:
        """Ends the engine of a model; False if none is loaded. Requests that come meanwhile load it again.

        Raises: Conflict if it is pinned, or still in use after `wait_s`.
        """
        name = self.models.get(name).name
        if name in self.pinned:
            raise Conflict(f"{name} is pinned.", hint=f"Release it first: intramuros models unpin {name}")
        seat, until = self.seats.get(name), time.monotonic() + wait_s
        if seat is None:
            return False
        seat.is_leaving = True
        try:
            while seat.users or not await self._is_idle(seat):
                if time.monotonic() >= until:
                    raise Conflict(
                        f"{name} is in use: {max(seat.users, 1)} requests run on it.",
                        hint="Try again when they are done.",
                        users=seat.users,
                    )
                await asyncio.sleep(RENEWAL_POLL_S)
            await self._end(seat, "on request")
        finally:
            self.settle(seat)
        return True

    @property
    def pinned(self) -> frozenset[str]:
        """The models that are never unloaded to make room, and are loaded when the server starts."""
        return self.pins.names

    async def pin(self, name: str) -> Loaded:
        """Loads a model and keeps it: it leaves for no other, and is loaded again at the next start. Raises: as `load`,
        and then it is not pinned.
        """
        name = self.models.get(name).name
        shown = await self.load(name)
        self.note_pin(name, is_pinned=True)
        return replace(shown, is_pinned=True, expires_s=None)

    def note_pin(self, name: str, *, is_pinned: bool) -> bool:
        """Remembers that a model is pinned, or no longer, without loading it; whether that changed anything.

        Raises: Conflict for one that the settings pin.
        """
        has_changed = self.pins.note(name, is_pinned=is_pinned)
        self.moved.set()
        return has_changed

    async def preload(self) -> None:
        """Loads the default model, then what is pinned; a failure is told to whoever asks, and in the log."""
        for name in ("default", *sorted(self.pinned)):
            try:
                await self.load(name)
            except IntramurosError as error:
                if name != "default":  # who asks for that one is told
                    log.warning("%s was not loaded at the start: %s", name, error.message)

    def states(self) -> dict[str, Loaded]:
        """How each engine is, by model."""
        now, pinned = self.clock(), self.pinned
        return {name: seat.shown(now, is_pinned=name in pinned) for name, seat in self.seats.items()}

    def elsewhere(self) -> dict[str, Loaded]:
        """The engines that other processes of this user run, by model."""
        return {
            name: other_process(
                name, size_bytes=notice.size_bytes, context_tokens=notice.context_tokens, slots=notice.slots
            )
            for name, notice in Notices(self.folder).all().items()
            if name not in self.seats
        }

    def budget_bytes(self, machine: Machine) -> int:
        """The memory that loaded models may take together."""
        return self.settings.models_memory_mib << 20 or default_budget(machine)

    async def renew(self, *, wait_s: float = RENEWAL_S) -> int:
        """Ends every engine, with its caches, once nobody uses it or after `wait_s`; how many. Who asks then, loads it.

        Requests that come meanwhile wait.
        """
        async with self._renewing:
            until = time.monotonic() + wait_s
            while any(seat.users for seat in self.seats.values()) and time.monotonic() < until:  # noqa: ASYNC110
                await asyncio.sleep(RENEWAL_POLL_S)
            seats, self.seats = list(self.seats.values()), {}
            await asyncio.gather(*(_close(seat) for seat in seats))
        self.moved.set()
        return len(seats)

    def confinements(self) -> dict[str, Confinement]:
        """The walls around the process of each engine that runs, by model."""
        engines = {name: seat.engine for name, seat in self.seats.items()}
        return {name: walls for name, engine in engines.items() if engine and (walls := engine.confinement)}

    async def stop(self) -> None:
        """Ends all engines."""
        if self._janitor is not None:
            self._janitor.cancel()
            await asyncio.gather(self._janitor, return_exceptions=True)
            self._janitor = None
        seats, self.seats = list(self.seats.values()), {}
        for seat in seats:
            self._close_later(seat)
        await asyncio.gather(*self._closing, return_exceptions=True)  # what fails is in the log

    async def _taken(self, name: str, keep_alive_s: float | None) -> Seat:
        """A seat with one more user; waits while the memory of its engine is another's turn."""
        while True:
            async with self._renewing:  # held while engines end because of an erasure
                seat = self._seat(self.models.get(name))
                if not seat.is_leaving:
                    seat.users += 1
                    if keep_alive_s is not None:
                        seat.keep_alive_s = keep_alive_s
                    return seat
            await seat.settled.wait()

    def _given_back(self, seat: Seat) -> None:
        seat.users -= 1
        seat.last_used = self.clock()
        if seat.users:
            return
        self.moved.set()
        if seat.keep_alive_s == 0 and seat.engine is not None and seat.model.name not in self.pinned:
            self._later(self.end_if_free(seat), "unload at once")

    def _seat(self, model: InstalledModel) -> Seat:
        seat = self.seats.get(model.name)
        if seat is not None and seat.users and seat.model.sha256 == model.sha256 and seat.engine is not None:
            if seat.model.identity != model.identity and not seat.is_leaving:  # an adapter came or went
                seat.is_leaving = True
                self._later(self._end_after_users(seat), f"renew {model.name}")
            return seat
        if seat is None or seat.health.state == "failed" or seat.model.identity != model.identity:
            if seat is not None:
                self._close_later(seat)
            seat = Seat(model, self.settings.engine_idle_s or FOREVER_S, self.clock())
            seat.loading = asyncio.create_task(self._load(seat), name=f"load {model.name}")
            seat.loading.add_done_callback(self._ended_loading)
            self.seats[model.name] = seat
        if self._janitor is None:
            self._janitor = begin_always(self._unload_idle, name="unload idle engines")
        return seat

    async def _end_after_users(self, seat: Seat) -> None:
        """Ends an engine once its requests are done; those that come meanwhile wait for the next."""
        while seat.users:  # noqa: ASYNC110 - they end by themselves
            await asyncio.sleep(RENEWAL_POLL_S)
        await self._end(seat, "what stands beside it has changed")

    def _ended_loading(self, task: asyncio.Task[Any]) -> None:
        """A failed load is raised to whoever waits for it; nobody may. Its memory is free again."""
        self.moved.set()
        if not task.cancelled():
            task.exception()

    async def _load(self, seat: Seat) -> LocalEngine:
        model = seat.model
        if (going := self._going.get(model.name)) is not None:
            await asyncio.wait({going})
        await self.measures.verify(model, seat.load)
        runner = runner_of(model)
        runner.module_folders()  # what is not installed is said before others leave for it
        machine = Machine.detect(gpus=await child.gpus(runner))
        if Notices(self.folder).find(model.name, sha256=model.identity):  # another process has it in memory already
            machine = replace(machine, available_bytes=machine.memory_bytes)
            options = choose(model.header, machine, self.settings, size_of=partial(self.measures.size, model, machine))
            options = self.measures.remembered(model, options, machine)
        else:
            seat.load.begin("waiting")
            report, options = partial(self._report, model.name), await self._making_room.find(seat, machine)
            options = await self.measures.tuned(model, options, machine, report=report)
        seat.options, seat.taken = options, self.measures.size(model, machine, options)
        seat.load.usual_s = self.measures.usual_load_s(model, machine)
        seat.load.needs_bytes = None if options.gpu_layers else seat.taken.total_bytes
        started = time.monotonic()
        engine = await LocalEngine.start(model, options, self.folder, self.settings, egress=self.egress, load=seat.load)
        seat.load_s, seat.loaded_at = time.monotonic() - started, self.clock()
        seat.last_used = seat.loaded_at
        try:
            if engine.is_ours:
                await self.measures.note_load(model, machine, took_s=seat.load_s)
            if engine.footprint is not None:  # counts as its own log says, not as predicted
                seat.taken, seat.is_measured = engine.footprint, True
                await self.measures.note_size(model, machine, engine.options, took=engine.footprint)
        except BaseException:  # also where the load is given up only now
            await engine.close()
            raise
        return engine

    async def end_if_free(self, seat: Seat, *, why: str = "idle") -> bool:
        """Ends an engine unless somebody uses it; whether it is gone."""
        if seat.users or not await self._is_idle(seat) or seat.users:
            return False
        await self._end(seat, why)
        return True

    async def _is_idle(self, seat: Seat) -> bool:
        """Whether its engine has nothing to do, for another process either."""
        engine = seat.engine
        if engine is None:
            return seat.loading.done()
        if await engine.is_idle():
            return True
        seat.last_used = self.clock()
        return False

    async def _end(self, seat: Seat, why: str) -> None:
        if self.seats.get(seat.model.name) is seat:
            del self.seats[seat.model.name]
        try:
            await asyncio.shield(self._close_later(seat))
        finally:
            self.settle(seat)
            self.moved.set()
        log.info("engine of %s unloaded: %s", seat.model.name, why)

    def settle(self, seat: Seat) -> None:
        """Lets those go on who wait for a seat that was leaving: it is gone, or it stays after all."""
        seat.is_leaving = False
        seat.settled.set()
        seat.settled = asyncio.Event()

    def _report(self, name: str, step: str, share: float) -> None:
        if (seat := self.seats.get(name)) is not None:
            seat.load.begin("measuring", step=step, share=share)

    async def _unload_idle(self) -> None:
        while True:
            waits = [seat.keep_alive_s / 4 for seat in self.seats.values() if seat.keep_alive_s > 0]
            await asyncio.sleep(max(SHORTEST_LOOK_S, min([*waits, LONGEST_LOOK_S])))
            await self.unload_idle()

    async def unload_idle(self) -> int:
        """Ends the engines whose time is over; how many."""
        ended, now = 0, self.clock()
        for name, seat in list(self.seats.items()):
            expires = seat.expires_at()
            if seat.engine is None or name in self.pinned or expires is None or now < expires:
                continue
            ended += await self.end_if_free(seat)
        return ended

    def _close_later(self, seat: Seat) -> asyncio.Task[None]:
        """Closes an engine to the end, whoever is cancelled meanwhile; `stop` waits for it."""
        name = seat.model.name
        task = self._going[name] = self._later(_close(seat), f"close {name}")
        task.add_done_callback(lambda done: self._going.pop(name) if self._going.get(name) is done else None)
        return task

    def _later(self, what: Any, name: str) -> asyncio.Task[Any]:
        task = begin(what, name=name)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
        return task


async def _close(seat: Seat) -> None:
    seat.loading.cancel()
    await asyncio.wait({seat.loading})
    if seat.engine is not None:
        await seat.engine.close()
