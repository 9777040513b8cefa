"""Runs a function in a forked child, to be killed or to work at the same time; what it says comes back line by line."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable

Say = Callable[[str], None]


class Child:
    """A child process that runs `work`, which may `say` lines; each is complete in the pipe before it goes on."""

    def __init__(self, work: Callable[[Say], None]) -> None:
        self._reading, writing = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._reading)
            _run(work, writing)
        os.close(writing)
        self._out = os.fdopen(self._reading, "r")

    def line(self) -> str:
        """The next thing it says."""
        return self._out.readline().rstrip("\n")

    def kill(self) -> None:
        """`kill -9`, from which nothing can be saved."""
        os.kill(self.pid, signal.SIGKILL)

    def rest(self) -> list[str]:
        """Everything else it says until it ends, whole lines only."""
        text = self._out.read()
        self._out.close()
        os.waitpid(self.pid, 0)
        return text.split("\n")[:-1]


def _run(work: Callable[[Say], None], writing: int) -> None:
    try:
        work(lambda line: _write(writing, line))
        os._exit(0)
    except BaseException:
        traceback.print_exc(file=sys.__stderr__)
        os._exit(1)


def _write(descriptor: int, line: str) -> None:
    os.write(descriptor, f"{line}\n".encode())
