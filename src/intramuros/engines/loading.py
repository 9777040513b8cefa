"""How far a model's load is: what `models load`, the pages and `models ps` show while somebody waits for it.

A `Load` is written by those who bring the model (the pool, its measures, the engine), each for its part, and read by
whoever shows it. Nothing here is estimated: bytes that were read, and the memory the kernel says the process holds.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any, Literal

Stage = Literal["waiting", "checking", "measuring", "decrypting", "loading"]
KEPT_TIMES = 5
STARTING = "starting"


@dataclass(frozen=True, slots=True)
class LoadProgress:
    """One moment of a load. Units: seconds, bytes; what is not known is None.

    Stages in order, each only where there is something to do: waiting (for its turn and the memory), checking (the hash
    of its files, at the first load), measuring (`step` of autotuning, with the `share` of the steps that is done),
    decrypting (a sealed model), loading (`done_bytes` of memory are taken, of `total_bytes` that it takes; with the
    step `starting` once that is all, while the engine tries the model out).
    `elapsed_s`: since the stage began, for loading with the decrypting before it; `usual_s`: what these two took on
    this machine, the median of the last times.
    """

    stage: Stage = "waiting"
    elapsed_s: float = 0.0
    done_bytes: int = 0
    total_bytes: int | None = None
    step: str = ""
    share: float | None = None
    usual_s: float | None = None

    @property
    def done_share(self) -> float | None:
        """The share of this stage that is done, from 0 to 1; None where it isn't known."""
        if self.step == STARTING:
            return None
        return min(1.0, self.done_bytes / self.total_bytes) if self.total_bytes else self.share

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        share = self.done_share
        return asdict(self) | {
            "elapsed_s": round(self.elapsed_s, 1),
            "share": None if share is None else round(share, 3),
        }


@dataclass(frozen=True, slots=True)
class Coming:
    """A model that somebody waits for: its name, what it is called, and how far its load is."""

    model: str
    title: str
    progress: LoadProgress


class Load:
    """The load of one model, as it goes on. Written by one at a time, read by any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._now = LoadProgress()
        self._pid = self._held_before = 0
        self.usual_s: float | None = None
        self.needs_bytes: int | None = None
        """The memory it will take where its process can be watched taking it; None where not, as on a GPU."""

    def begin(
        self, stage: Stage, *, total_bytes: int | None = None, step: str = "", share: float | None = None
    ) -> None:
        """Another stage, or another step of it."""
        if stage != self._now.stage and (stage, self._now.stage) != ("loading", "decrypting"):
            self._began = self._clock()
        usual_s = self.usual_s if stage in {"decrypting", "loading"} else None
        self._pid = 0
        self._now = LoadProgress(stage, total_bytes=total_bytes, step=step, share=share, usual_s=usual_s)

    def begin_worker(self) -> None:
        """A worker is being started: from here on counts what `usual_s` is compared with."""
        self._began = self._clock()
        self.begin("loading")

    def moved(self, size_bytes: int) -> None:
        """So many bytes more were read."""
        self._now = replace(self._now, done_bytes=self._now.done_bytes + size_bytes)

    def started(self, pid: int) -> None:
        """The process that is to hold the model runs, and holds nothing of it yet."""
        self.begin("loading", total_bytes=self.needs_bytes)
        held = held_bytes(pid)
        if held is None:
            self._now = replace(self._now, total_bytes=None)
        else:
            self._pid, self._held_before = pid, held

    @property
    def progress(self) -> LoadProgress:
        """How far it is now."""
        now, pid = self._now, self._pid
        if pid and now.total_bytes and (held := held_bytes(pid)) is not None:
            done_bytes = max(0, held - self._held_before)
            is_all = done_bytes >= now.total_bytes
            now = replace(now, done_bytes=min(done_bytes, now.total_bytes), step=STARTING if is_all else "")
        return replace(now, elapsed_s=self._clock() - self._began)


def held_bytes(pid: int, *, root: Path = Path("/")) -> int | None:
    """The memory a process holds, with what it mapped of files; None if that is not told. Source: proc(5), statm."""
    try:
        _, resident, *_ = (root / f"proc/{pid}/statm").read_text(encoding="ascii").split()
        return int(resident) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return None


def usual(times: object) -> float | None:
    """What loads usually take, of the times that were remembered. Units: seconds."""
    return median(times) if isinstance(times, list) and times and all(type(one) is float for one in times) else None


def with_one_more(times: object, took_s: float) -> list[float]:
    """The times to remember."""
    kept = times if usual(times) is not None and isinstance(times, list) else []
    return [*kept, round(took_s, 2)][-KEPT_TIMES:]
