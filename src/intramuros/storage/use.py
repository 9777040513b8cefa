"""Who uses a data folder: many processes at once, or one alone that changes what all of them rely on.

Called by `app` for as long as it has the folder open, and by restore and rotation, which need it alone. The system lets
go of the lock when its process ends, however it ends.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from intramuros.errors import AlreadyRunning, Conflict

LOCK = "use.lock"


class Use:
    """One process's share in a folder, held until `close`."""

    def __init__(self, folder: Path) -> None:
        """Raises: Conflict while another process has the folder for itself."""
        self._descriptor = _opened(folder)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.close()
            raise Conflict(
                "A restore or a change of keys is at work on this data folder.",
                code="data_busy",
                hint="Wait until it has ended.",
            ) from error

    def close(self) -> None:
        """Lets go."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


@contextmanager
def alone(folder: Path, *, lock: str = LOCK) -> Iterator[None]:
    """Has the folder for this process alone. Raises: AlreadyRunning if a server or a command has it open.

    With another `lock`: one process at a time does what that is for.
    """
    descriptor = _opened(folder, lock)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise AlreadyRunning(
            "A server or another command is using this data folder.",
            code="data_in_use",
            hint="Stop the server and wait for other commands to end, then try again.",
        ) from error
    finally:
        os.close(descriptor)


def _opened(folder: Path, lock: str = LOCK) -> int:
    run = folder / "run"
    run.mkdir(mode=0o700, parents=True, exist_ok=True)
    return os.open(run / lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
