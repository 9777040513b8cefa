"""Whose turn it is to compute: one at a time, in the order they asked.

Used by the modules that run models in the threads of `worker.http`. A request takes a turn for each of its batches, so
that a long one and a short one go on together. What asks whether the engine goes round takes a turn too.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LOOK_S = 0.05
"""How often somebody who waits looks whether its client is still there."""


class Turns:
    """A queue of those who want to compute."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queue: deque[threading.Event] = deque()

    @property
    def waiting(self) -> int:
        """How many compute or wait."""
        return len(self._queue)

    @contextmanager
    def taken(self, check: Callable[[], None]) -> Iterator[None]:
        """The turn, for as long as the body runs. While it waits it calls `check`, which may raise."""
        mine = threading.Event()
        with self._lock:
            self._queue.append(mine)
            self._queue[0].set()
        try:
            while not mine.wait(LOOK_S):
                check()
            yield
        finally:
            with self._lock:
                self._queue.remove(mine)
                if self._queue:
                    self._queue[0].set()
