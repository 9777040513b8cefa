"""One model's place in the pool: its engine or the load that will bring it, who uses it, and how long it stays.

Made and changed by the pool; `Loaded` is what others see of it.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace
from typing import Any

from intramuros.engines.engine import Health
from intramuros.engines.loading import Load, LoadProgress
from intramuros.engines.local import LocalEngine
from intramuros.engines.options import EngineOptions
from intramuros.engines.room import Held
from intramuros.errors import IntramurosError
from intramuros.models.gguf import GGUF
from intramuros.models.installed import InstalledModel
from intramuros.models.memory import Footprint

GRACE_S = 0.5
"""How long nobody must have asked for a model before another may take its memory: whoever asks again at once keeps it
for its stay."""
LEAST_STAY_S, STAY_LOADS = 2.0, 4.0
"""A model that was loaded stays at least this long, and so many times as long as its load took: two models that don't
fit together, both asked for all the time, then spend at most a fifth of it on loading."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """One model in the pool, as `models ps` and the pages show it. Units: `_s` since the epoch, `_bytes`.

    `expires_s`: when it is unloaded if nobody asks for it; None: it stays. `progress`: how far its load is, while it
    runs.
    """

    model: str
    health: Health
    size_bytes: int
    users: int = 0
    is_pinned: bool = False
    expires_s: float | None = None
    is_measured: bool = False
    progress: LoadProgress | None = None

    @property
    def state(self) -> str:
        """loading, ready, busy, failed or stopped."""
        return self.health.state

    @property
    def detail(self) -> str:
        """Why it failed, or what it does while it loads."""
        return self.health.detail

    @property
    def minutes_left(self) -> int:
        """Until it is unloaded if nobody asks for it; 0 where that is not to be."""
        return 0 if self.expires_s is None else max(0, round((self.expires_s - time.time()) / 60))

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "name": self.model,
            "state": self.health.state,
            "detail": self.health.detail,
            "size_bytes": self.size_bytes,
            "measured": self.is_measured,
            "context_tokens": self.health.context_tokens,
            "slots": self.health.slots,
            "users": self.users,
            "pinned": self.is_pinned,
            "expires_s": self.expires_s,
            "progress": self.progress.to_json() if self.progress else None,
        }


@dataclass(eq=False)
class Seat:
    """One model's place. Times are those of the pool's clock; `keep_alive_s` below 0: it stays."""

    model: InstalledModel
    keep_alive_s: float
    last_used: float
    loading: asyncio.Task[LocalEngine] = field(init=False)
    load: Load = field(default_factory=Load)
    users: int = 0
    options: EngineOptions | None = None
    taken: Footprint | None = None
    """What it takes or is going to take; None before its memory was chosen."""
    is_measured: bool = False
    loaded_at: float | None = None
    load_s: float = 1.0
    is_leaving: bool = False
    """Its memory is wanted: who asks for the model now, waits until another had its turn."""
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a seat that was leaving is gone, or stays after all."""

    @property
    def engine(self) -> LocalEngine | None:
        """The engine, once loaded."""
        done = self.loading.done() and not self.loading.cancelled() and self.loading.exception() is None
        return self.loading.result() if done else None

    @property
    def health(self) -> Health:
        """How it is now."""
        if (engine := self.engine) is not None:
            return engine.state
        if not self.loading.done():
            now = self.load.progress
            return Health("loading", f"measuring {now.step}" if now.stage == "measuring" else "")
        error = None if self.loading.cancelled() else self.loading.exception()
        return Health("failed", error.message if isinstance(error, IntramurosError) else "")

    @property
    def size_bytes(self) -> int:
        """The memory it holds or is going to hold; 0 if it failed, or if another process holds it."""
        engine = self.engine
        if self.taken is None or (engine is not None and not engine.is_ours) or self.health.state == "failed":
            return 0
        return self.taken.total_bytes

    def stays_until(self) -> float:
        """Until when it keeps its place though another waits for it; it has one from when it is loaded."""
        if self.loaded_at is None:
            return float("inf")
        return self.loaded_at + max(LEAST_STAY_S, STAY_LOADS * self.load_s)

    def expires_at(self) -> float | None:
        """When it is unloaded if nobody asks for it any more."""
        return None if self.keep_alive_s < 0 else self.last_used + self.keep_alive_s

    def held(self, now: float, *, is_pinned: bool) -> Held:
        """Its memory, as the choice of who leaves sees it."""
        idle_s = now - self.last_used
        is_free = self.users == 0 and self.loaded_at is not None and not is_pinned
        size = self.size_bytes
        on_gpu = self.options is not None and self.options.gpu_layers != 0
        is_mapped = self.model.format == GGUF and not (self.model.is_sealed or on_gpu)
        mapped = self.taken.weights_bytes if self.taken and size and is_mapped else 0
        return Held(
            name=self.model.name,
            size_bytes=size,
            returns_bytes=max(0, size - mapped),
            idle_s=idle_s,
            reload_s=self.load_s,
            may_leave=is_free and (idle_s >= GRACE_S or now >= self.stays_until()),
            is_pinned=is_pinned,
        )

    def shown(self, now: float, *, is_pinned: bool) -> Loaded:
        """As others see it."""
        expires = None if is_pinned or self.users else self.expires_at()
        health = self.health
        return Loaded(
            model=self.model.name,
            health=health,
            size_bytes=self.taken.total_bytes if self.taken else 0,
            users=self.users,
            is_pinned=is_pinned,
            expires_s=None if expires is None else time.time() + expires - now,
            is_measured=self.is_measured,
            progress=self.load.progress if health.state == "loading" else None,
        )


def other_process(model: str, *, size_bytes: int, context_tokens: int, slots: int) -> Loaded:
    """An engine that another process of this user runs."""
    return replace(
        Loaded(model, Health("ready", context_tokens=context_tokens, slots=slots), size_bytes), is_measured=True
    )
