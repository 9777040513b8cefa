"""Whether a computation goes on: it beats where it gets on, and who asks waits for the next beat.

Used by the modules that run models in the threads of `worker.http`. A computation that hangs no longer beats, so the
question whether the engine goes round finds no answer, and the gateway replaces it. One that is only slow beats all the
same, however long its prompt is.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

LOOK_S = 0.05
"""How often somebody who waits looks whether its client is still there, and whether there is something to wait for."""


class Heart:
    """Beats of whatever computes, in whichever thread."""

    def __init__(self) -> None:
        self._asking: deque[threading.Event] = deque()

    def beat(self, *_of: Any) -> None:
        """Something was computed. Takes whatever a hook of torch is given."""
        while self._asking:
            with suppress(IndexError):  # another thread beat, too
                self._asking.popleft().set()

    def listen(self, rests: Callable[[], bool], check: Callable[[], None]) -> None:
        """Waits for the next beat, unless `rests` says that nothing is to be computed. Raises: what `check` raises."""
        felt = threading.Event()
        self._asking.append(felt)
        try:
            while not rests() and not felt.wait(LOOK_S):
                check()
        finally:  # nothing may beat for days, and somebody ask every second
            with suppress(ValueError, IndexError):
                self._asking.remove(felt)
