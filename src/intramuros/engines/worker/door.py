"""What the modules that run models share: why one can't be run, and the end of making sockets."""

from __future__ import annotations

import os
from dataclasses import dataclass


class Failed(Exception):
    """The model can't be loaded or served; the text says why."""


@dataclass(frozen=True, slots=True)
class Door:
    """The process's way to its clients. `is_filtered`: the kernel granted the filter of its system calls."""

    is_filtered: bool

    def close(self) -> None:
        """It listens: from now on it takes connections and opens no socket, in any of its threads. Raises: Failed."""
        from intramuros.security import calls, sandbox

        if not sandbox.forbid_calls(calls.serving(os.getpid())) and self.is_filtered:
            raise Failed("the filter of its system calls could not be narrowed")
