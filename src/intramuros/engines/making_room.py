"""Finds the memory that a model needs before it is loaded: has others leave, or waits for those in use.

Called by the pool, one load after the other, first come, first served. It ends idle engines of least worth (`room`);
where that is not enough it asks those in use to leave once their requests are done.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol

from intramuros.engines import child
from intramuros.engines.measures import Measures
from intramuros.engines.options import EngineOptions, choose, is_roomy
from intramuros.engines.room import Held, Room
from intramuros.engines.runners import runner_of
from intramuros.engines.seat import Loaded, Seat
from intramuros.engines.too_large import explained
from intramuros.errors import MemoryBusy, ModelTooLarge
from intramuros.models.catalogue import Catalogue
from intramuros.models.machine import Machine
from intramuros.settings import Settings

LOOK_AGAIN_S, LOOK_AGAIN_GPU_S = 0.25, 2.0  # asking GPUs what they have free starts a process


class Seats(Protocol):
    """What is needed of the pool. `moved` is set when memory may have become free."""

    seats: dict[str, Seat]
    moved: asyncio.Event
    wait_s: float
    clock: Callable[[], float]
    measures: Measures
    settings: Settings
    catalogue: Catalogue | None

    @property
    def pinned(self) -> frozenset[str]:
        """The models that leave for no other."""
        ...

    def elsewhere(self) -> Mapping[str, Loaded]:
        """The engines of other processes, by model."""
        ...

    def budget_bytes(self, machine: Machine) -> int:
        """The memory that loaded models may take together."""
        ...

    async def end_if_free(self, seat: Seat, *, why: str) -> bool:
        """Ends an engine unless somebody uses it; whether it is gone."""
        ...

    def settle(self, seat: Seat) -> None:
        """Lets those go on who wait for a seat that was leaving."""
        ...


class MakingRoom:
    """The looking, for one pool."""

    def __init__(self, pool: Seats) -> None:
        self.pool = pool
        self._one_at_a_time = asyncio.Lock()

    async def find(self, seat: Seat, machine: Machine) -> EngineOptions:
        """Chooses what to load the model with, and has others leave if it needs their memory.

        Raises: ModelTooLarge, MemoryBusy when the others were in use for `wait_s`.
        """
        async with self._one_at_a_time:
            until, asked = time.monotonic() + self.pool.wait_s, set[Seat]()
            try:
                while seat.users and not await self._makes_room(seat, machine, asked):
                    if time.monotonic() >= until:
                        names = ", ".join(sorted(one.model.name for one in self.pool.seats.values() if one.users))
                        raise MemoryBusy(f"{seat.model.name} waits for memory that models in use hold: {names}.")
                    self.pool.moved.clear()
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(LOOK_AGAIN_GPU_S if machine.gpus else LOOK_AGAIN_S):
                            await self.pool.moved.wait()
                    machine = Machine.detect(gpus=await child.gpus(runner_of(seat.model)))
            finally:
                for one in asked:
                    self.pool.settle(one)
            if seat.options is None:
                raise MemoryBusy(f"Nobody waits for {seat.model.name} any more.")
            return seat.options

    async def _makes_room(self, seat: Seat, machine: Machine, asked: set[Seat]) -> bool:
        """One look: whether the model has its memory now. Notes in `asked` who has to leave for it.

        Raises: ModelTooLarge if it would not fit without all models that are not pinned.
        """
        room = self._room(seat, machine)

        def chosen(room_bytes: int) -> EngineOptions | None:
            size_of = partial(self.pool.measures.size, seat.model, machine)
            with contextlib.suppress(ModelTooLarge):
                return choose(seat.model.header, machine, self.pool.settings, room_bytes=room_bytes, size_of=size_of)
            return None

        def is_good(room_bytes: int) -> bool:
            options = chosen(room_bytes)
            return options is not None and is_roomy(options, seat.model.header, self.pool.settings)

        free = [one for one in room.held if one.may_leave]
        leaving = room.leaving(free, is_good)
        if leaving is None:
            leaving = room.leaving(free, lambda size: chosen(size) is not None)
        if leaving is not None:
            if not await self._all_left(leaving):
                return False
            seat.options = chosen(room.without(leaving))
            assert seat.options is not None
            seat.taken = self.pool.measures.size(seat.model, machine, seat.options)
            return True
        loose = [one for one in room.held if not one.is_pinned]
        leaving = room.leaving(loose, lambda size: chosen(size) is not None)
        if leaving is None:
            raise explained(
                seat.model,
                machine,
                self.pool.settings,
                room_bytes=room.without(loose),
                pinned={one.name: one.size_bytes for one in room.held if one.is_pinned},
                catalogue=self.pool.catalogue,
            )
        self._ask_to_leave([self.pool.seats[one.name] for one in leaving if one.name in self.pool.seats], asked)
        return False

    def _ask_to_leave(self, seats: list[Seat], asked: set[Seat]) -> None:
        for one in seats:
            if self.pool.clock() >= one.stays_until() and not one.is_leaving:
                one.is_leaving = True
                asked.add(one)

    def _room(self, seat: Seat, machine: Machine) -> Room:
        """The memory there is for this seat, and who else holds some: also engines of other processes."""
        now, pinned = self.pool.clock(), self.pool.pinned
        held = [
            one.held(now, is_pinned=one.model.name in pinned)
            for one in self.pool.seats.values()
            if one is not seat and one.size_bytes
        ]
        held += [
            Held(f"{loaded.model} (another process)", loaded.size_bytes, 0, may_leave=False, is_pinned=True)
            for loaded in self.pool.elsewhere().values()
        ]
        return Room(self.pool.budget_bytes(machine), machine.room_bytes, held)

    async def _all_left(self, leaving: list[Held]) -> bool:
        """Ends these engines; False if one of them was asked something meanwhile."""
        for one in leaving:
            seat = self.pool.seats.get(one.name)
            if seat is None:
                continue
            if not await self.pool.end_if_free(seat, why="another model needs its memory"):
                return False
        return True
