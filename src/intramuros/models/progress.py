"""How far a download is: what the command line's bar and the web page show.

Made by `models.download` and the sources; knows nothing of them.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Stage = Literal["waiting", "connecting", "downloading", "unpacking", "checking", "installing", "ready"]
WINDOW_S = 5.0


@dataclass(frozen=True, slots=True)
class Progress:
    """One moment of a download. Units: bytes, bytes a second, seconds; what is not known yet is None.

    Stages in order: waiting (another one fetches the same model), connecting, downloading, unpacking (a package only),
    checking (the hash of what was there already), installing, ready.
    """

    stage: Stage
    done_bytes: int = 0
    total_bytes: int | None = None
    bytes_per_s: float | None = None
    eta_s: float | None = None


Report = Callable[[Progress], None]


class Meter:
    """Turns byte counts into progress with speed and remaining time, at most ten times a second."""

    def __init__(self, report: Report, *, clock: Callable[[], float] = time.monotonic, every_s: float = 0.1) -> None:
        self._report, self._clock, self._every_s = report, clock, every_s
        self._seen: deque[tuple[float, int]] = deque()
        self._last = float("-inf")

    def show(self, stage: Stage, done_bytes: int = 0, total_bytes: int | None = None) -> None:
        """Reports a stage at once, without speed."""
        self._seen.clear()
        self._report(Progress(stage, done_bytes, total_bytes))

    def moved(self, stage: Stage, done_bytes: int, total_bytes: int | None) -> None:
        """Reports more bytes of a stage, with the speed of the last five seconds."""
        now = self._clock()
        self._seen.append((now, done_bytes))
        while self._seen[0][0] < now - WINDOW_S and len(self._seen) > 2:
            self._seen.popleft()
        if now - self._last < self._every_s and done_bytes != total_bytes:
            return
        self._last = now
        since, before = self._seen[0]
        elapsed = now - since
        speed = (done_bytes - before) / elapsed if elapsed > 0 and done_bytes > before else None
        remaining = (total_bytes - done_bytes) / speed if speed and total_bytes is not None else None
        self._report(Progress(stage, done_bytes, total_bytes, speed, remaining))
