"""How long one exchange waits for its client: `asyncio.timeout`, with one timer for all that it awaits.

Used by `server.exchange`, which waits for a client at each part of a body and each chunk of an answer: a timer for each
cost as much as sending it.
"""

from __future__ import annotations

import asyncio
from types import TracebackType


class Patience:
    """`with patience.of(seconds):` around what may take so long, and `end()` when no more comes.

    Raises: TimeoutError from the block, as `asyncio.timeout` does.
    """

    __slots__ = ("_cancelling", "_due", "_handle", "_is_over", "_loop", "_seconds", "_task")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()  # which asks the system for the process each time
        self._handle: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[object] | None = None
        self._seconds = self._due = 0.0
        self._cancelling, self._is_over = 0, False

    @property
    def at(self) -> float:
        """Now, on the clock that it goes by."""
        return self._loop.time()

    def of(self, seconds: float) -> Patience:
        """How long the block that begins now may take. A second one at the same time gets a timer of its own."""
        if self._task is not None:
            return _Another(seconds)
        self._seconds = seconds
        return self

    def __enter__(self) -> None:
        loop = self._loop
        task = self._task = asyncio.current_task(loop)
        assert task is not None
        self._cancelling, self._is_over = task.cancelling(), False
        due = self._due = loop.time() + self._seconds
        if self._handle is not None and self._handle.when() > due:
            self._handle.cancel()
            self._handle = None
        if self._handle is None:
            self._handle = loop.call_at(due, self._look)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task, self._task = self._task, None
        assert task is not None
        if self._is_over and task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def end(self) -> None:
        """Nothing is awaited any more."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _look(self) -> None:
        """The timer: it may have been set for a block that has ended."""
        self._handle = None
        if self._task is None or self._is_over:
            return
        if self._loop.time() < self._due:
            self._handle = self._loop.call_at(self._due, self._look)
            return
        self._is_over = True
        self._task.cancel()


class _Another(Patience):
    """For one block."""

    __slots__ = ()

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()
        super().__exit__(kind, error, trace)
