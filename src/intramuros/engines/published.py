"""Where a running engine can be found by the user's other processes, so that a model is loaded once.

Called by `engines.starting`. A command beside a running server reads the notice, finds the socket and uses the server's
engine. Notices and sockets are in a folder of mode 0700; whoever finds a notice of a process that is gone removes it.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from intramuros.engines.unasked import forget

LONGEST_SOCKET_PATH = 100
"""Bytes; the kernel takes 107 and the engine cuts longer ones silently. Source: unix(7), sun_path."""
LOCK_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Notice:
    """One running engine: its socket, the worker's process and when that began, in clock ticks since boot."""

    socket: str
    pid: int
    began: int
    sha256: str
    context_tokens: int
    slots: int
    size_bytes: int = 0
    """The memory it takes, by its own log; 0 where that doesn't say."""
    confined: dict[str, bool] = field(default_factory=dict)
    """What the worker said of its confinement."""

    @property
    def is_alive(self) -> bool:
        """Whether the worker still runs, and is not another process that got its number."""
        return began(self.pid) == self.began != 0


class Notices:
    """The notices in one folder; one for each model and owner of an engine."""

    def __init__(self, folder: Path) -> None:
        self.folder = private_folder(folder)

    def find(self, name: str, *, sha256: str) -> Notice | None:
        """An engine that runs this very model. Notices of engines that are gone are removed."""
        path = self._path(name)
        try:
            notice = Notice(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        if not notice.is_alive:
            path.unlink(missing_ok=True)
            remove_socket(Path(notice.socket))
            return None
        return notice if notice.sha256 == sha256 and _is_ours(Path(notice.socket)) else None

    def all(self) -> dict[str, Notice]:
        """Every engine that has a notice and still runs, by model."""
        found = {}
        for path in sorted(self.folder.glob("*.json")):
            with contextlib.suppress(OSError, ValueError, TypeError):
                notice = Notice(**json.loads(path.read_text(encoding="utf-8")))
                if notice.is_alive:
                    found[path.stem] = notice
        return found

    def running(self) -> set[tuple[int, int]]:
        """Every worker that has a notice and still runs: its process, and when that began."""
        return {(notice.pid, notice.began) for notice in self.all().values()}

    def publish(self, name: str, notice: Notice) -> None:
        """Puts a notice up, whole or not at all."""
        path = self._path(name)
        temporary = path.with_suffix(f".{secrets.token_hex(4)}")
        temporary.write_text(json.dumps(asdict(notice)), encoding="utf-8")
        temporary.replace(path)

    def withdraw(self, name: str, *, pid: int) -> None:
        """Takes a notice down, if it is still that of this worker."""
        path = self._path(name)
        with contextlib.suppress(OSError, ValueError, KeyError):
            if json.loads(path.read_text(encoding="utf-8"))["pid"] == pid:
                path.unlink()

    @asynccontextmanager
    async def loading(self, name: str) -> AsyncIterator[None]:
        """Only one process loads a model at a time; the next finds its notice."""
        descriptor = os.open(self.folder / f"{name}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    await asyncio.sleep(LOCK_POLL_S)
            yield
        finally:
            os.close(descriptor)

    def new_socket(self) -> Path:
        """A free path for a socket: here, or in a short private folder of its own where this one's path is too long."""
        path = self.folder / f"{secrets.token_hex(4)}.sock"
        if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH:
            return path
        for base in (os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir(), "/tmp"):  # noqa: S108 - mkdtemp in it
            if base and len(os.fsencode(base)) <= LONGEST_SOCKET_PATH - 30 and os.access(base, os.W_OK):
                return Path(tempfile.mkdtemp(prefix="intramuros-", dir=base)) / "engine.sock"
        return path

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.json"


def private_folder(folder: Path) -> Path:
    """Makes the folder, for this user only."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    return folder


def remove_socket(path: Path) -> None:
    """Removes a socket, and its folder if that was made for it."""
    with contextlib.suppress(OSError):
        path.unlink()
    forget(path)
    if path.parent.name.startswith("intramuros-"):
        shutil.rmtree(path.parent, ignore_errors=True)


def began(pid: int) -> int:
    """When a process began, in clock ticks since boot; 0 if it is gone. Source: proc(5), field 22.

    Without /proc, as on macOS: 1 while there is a process of this number.
    """
    if not Path("/proc/self/stat").exists():
        try:
            os.kill(pid, 0)
        except OSError:
            return 0
        return 1
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except (OSError, ValueError):
        return 0
    return 0 if fields[0] in "ZX" else int(fields[19])


def _is_ours(socket: Path) -> bool:
    try:
        folder, place = socket.parent.stat(), socket.stat()
    except OSError:
        return False
    return folder.st_uid == place.st_uid == os.getuid() and not folder.st_mode & 0o077
