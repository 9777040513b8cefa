"""What an engine takes of the processors with nothing to do, and who else gives it something to do.

Called by `engines.run`. A limit of processor time for a process's whole life would end an honest engine some day;
what bounds one is its work. One that goes on computing long after its last request is ended by whoever started it.
The time is the kernel's word. That another process of this user asks the same engine is known from a lock that this
process holds meanwhile, beside the socket, where the engine opens nothing: not from what the engine says.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

IDLE_SHARE = 0.05
"""Of one processor, for as long as it lives: looking at clocks and queues is no work."""
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Patience:
    """How much is let pass, in seconds.

    `finishing_s`: how long an engine may go on after a request ended, for one that was given up is left at the end of
    a batch; `unasked_s`: processor time it may use after that.
    """

    finishing_s: float = 120.0
    unasked_s: float = 5.0
    look_every_s: float = 10.0


def patience_of(silence_s: float) -> Patience:
    """That with an engine of which one step may take `silence_s`: given up in one, it is left to finish it."""
    return Patience(finishing_s=max(Patience().finishing_s, silence_s))


def processor_s(pid: int) -> float | None:
    """The processor time of a process and its threads, in seconds; None where the system has no /proc.

    Source: proc(5), /proc/PID/stat, fields 14 and 15.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except (OSError, ValueError):
        return None
    return (int(fields[11]) + int(fields[12])) / _TICKS


@dataclass(slots=True)
class Unasked:
    """Counts what one process uses since it has nothing to do. Times are of one clock, in seconds.

    `idle_since`: when it last had something to do.
    """

    pid: int
    idle_since: float
    patience: Patience
    _from: tuple[float, float] | None = None

    def used_s(self, now: float, *, asked_at: float) -> float:
        """Processor time it had no reason to use; 0 while it may be finishing. `asked_at`: `now` while it is asked."""
        if asked_at > self.idle_since:
            self.idle_since, self._from = asked_at, None
        spent = processor_s(self.pid)
        if spent is None or now - self.idle_since < self.patience.finishing_s:
            return 0.0
        if self._from is None:
            self._from = now, spent
        since, before = self._from
        return max(0.0, spent - before - IDLE_SHARE * (now - since))


async def burns(pid: int, *, last_asked: Callable[[], float], patience: Patience) -> None:
    """Returns once a process has used too much with nothing to do. `last_asked`: when it had, by `time.monotonic`."""
    unasked = Unasked(pid, last_asked(), patience)
    while unasked.used_s(time.monotonic(), asked_at=last_asked()) <= patience.unasked_s:  # noqa: ASYNC110 - no event tells
        await asyncio.sleep(patience.look_every_s)


class Use:
    """Says to the process that started an engine that this one asks it too."""

    def __init__(self, socket: Path) -> None:
        self._path, self._file = _beside(socket), -1

    def begin(self) -> None:
        """The engine is asked from here, until `end` or the end of this process; on a full disk nobody learns of it."""
        self.end()
        with contextlib.suppress(OSError):
            self._file = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_SH)

    def end(self) -> None:
        """It is not any more."""
        if self._file >= 0:
            with contextlib.suppress(OSError):
                os.utime(self._file)
            os.close(self._file)
            self._file = -1


def idle_elsewhere_s(socket: Path, *, wall_clock: float) -> float:
    """Seconds since another process last asked the engine of this socket: 0 while one does, infinite if none did."""
    try:
        file = os.open(_beside(socket), os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return float("inf")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return max(0.0, wall_clock - os.fstat(file).st_mtime)
    except BlockingIOError:
        return 0.0
    finally:
        os.close(file)


def forget(socket: Path) -> None:
    """Removes what was said of the use of an engine that is gone."""
    with contextlib.suppress(OSError):
        _beside(socket).unlink()


def _beside(socket: Path) -> Path:
    return socket.with_suffix(".asked")
