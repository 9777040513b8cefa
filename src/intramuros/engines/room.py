"""Who has to leave so that another model fits: the memory of the loaded models, and what each is worth keeping.

Called by the pool, which does what is chosen here. Pure arithmetic: it knows neither engines nor clocks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from intramuros.models.machine import Machine

GIB = 1 << 30
RAM_SHARE = 0.75
RAM_KEPT_BYTES = 8 * GIB
VRAM_KEPT_BYTES = GIB
"""Of each graphics processor, for the screen and the driver: the engine's own margin.

Source: llama.cpp, common/common.h, `fit_params_target`.
"""
LEAST_IDLE_S, LEAST_RELOAD_S = 1.0, 0.1


def default_budget(machine: Machine) -> int:
    """Memory that loaded models may take together when nobody says: of the machine three quarters, or all but 8 GiB if
    that is more; with graphics processors theirs, less a gibibyte each, if that is more.
    """
    ram = max(round(machine.memory_bytes * RAM_SHARE), machine.memory_bytes - RAM_KEPT_BYTES)
    vram = sum(max(0, gpu.memory_bytes - VRAM_KEPT_BYTES) for gpu in machine.gpus)
    return max(ram, vram)


@dataclass(frozen=True, slots=True)
class Held:
    """The memory one model holds. `may_leave`: nobody uses it, and it is not pinned.

    `size_bytes` counts against the budget; `returns_bytes` is what the system has more of once it is gone: not the
    pages of a mapped file, which it could take back at any time.
    """

    name: str
    size_bytes: int
    returns_bytes: int
    idle_s: float = 0.0
    reload_s: float = 1.0
    may_leave: bool = True
    is_pinned: bool = False

    @property
    def worth(self) -> float:
        """What keeping it saves, for each byte it holds: more if it loads slowly, less the longer nobody asked for it.

        Source: P. Cao and S. Irani, Cost-Aware WWW Proxy Caching Algorithms (1997), GreedyDual-Size; the time since
        the last use stands for its ageing.
        """
        return max(self.reload_s, LEAST_RELOAD_S) / (max(self.idle_s, LEAST_IDLE_S) * max(self.size_bytes, 1))


@dataclass(frozen=True, slots=True)
class Room:
    """The memory there is: a budget for all models, and what the system has free for one more now."""

    budget_bytes: int
    free_bytes: int
    held: Sequence[Held] = field(default=())

    def without(self, gone: Sequence[Held]) -> int:
        """Bytes for a new model once these are gone."""
        names = {one.name for one in gone}
        left = self.budget_bytes - sum(one.size_bytes for one in self.held if one.name not in names)
        return max(0, min(left, self.free_bytes + sum(one.returns_bytes for one in gone)))

    def leaving(self, leavers: Sequence[Held], fits: Callable[[int], bool]) -> list[Held] | None:
        """Which of the leavers have to go until what comes fits: those of least worth, and none that needn't.

        None if it does not even fit without all of them.
        """
        gone: list[Held] = []
        waiting = sorted(leavers, key=lambda one: one.worth)
        while not fits(self.without(gone)):
            if not waiting:
                return None
            gone.append(waiting.pop(0))
        for one in reversed(gone[:]):  # the worthiest first: a later, larger one may have made it needless
            rest = [other for other in gone if other is not one]
            if fits(self.without(rest)):
                gone = rest
        return gone
