"""Starts the reader process and hands it documents: the gateway's side of reading.

One long-lived process forks a confined child for each document. Called by ingestion (`read`) and by the web's document
viewer (`render`, `draw`). Threads do the waiting, so that any event loop, and any number of them, can use one Reader.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import intramuros
from intramuros.documents.document import Reading
from intramuros.documents.failures import failure
from intramuros.documents.parse.limits import unpacked_mib
from intramuros.documents.reader import wire
from intramuros.documents.reader.job import Ended, Job, Progress, ReaderStopped, attempts, pages, picture
from intramuros.errors import DocumentError, IsolationTooWeak
from intramuros.security.attempts import ENDED, OPEN, Targets
from intramuros.security.isolation import Confinement, confinement
from intramuros.settings import Settings

_PROGRAM = "intramuros.documents.reader.process"
_RENDER_TIME_S = 20.0
_START_S = 30.0
_BURNING_S = 0.5

Result = TypeVar("Result")


class Reader:
    """Reads documents in confined processes."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._process: _Process | None = None
        self._threads = ThreadPoolExecutor(max_workers=settings.workers + 2, thread_name_prefix="reader")

    async def read(self, content: bytes | int, media_type: str, *, progress: Progress | None = None) -> Reading:
        """The pages of a document, given its bytes or an open descriptor of them (which stays the caller's).

        `progress(read, total)` is called now and then, in another thread.
        Raises: DocumentError for what is wrong with the document; ReaderStopped when it may be tried again.
        """
        request = self._request("read", media_type=media_type)
        return await self._run(lambda job: pages(job, progress), content, request)

    async def render(self, content: bytes | int, page: int, *, scale: float = 2.0) -> bytes:
        """The picture of one page of a PDF as PNG; `scale` is pixels a point (1/72 inch).

        Raises: DocumentError, as for `read`.
        """
        time_s = min(_RENDER_TIME_S, self._settings.reader_time_s)
        return await self._run(picture, content, self._request("render", page=page, scale=scale, time_s=time_s))

    async def draw(self, sheet: bytes, *, scale: float = 2.0) -> bytes:
        """The picture of a page that was laid out (`layout.sheet.message`) as PNG; `scale` is pixels a point.

        Raises: DocumentError, as for `read`.
        """
        time_s = min(_RENDER_TIME_S, self._settings.reader_time_s)
        return await self._run(picture, sheet, self._request("draw", scale=scale, time_s=time_s))

    async def confinement(self) -> Confinement:
        """The walls around the reader's process, started if need be. Raises: IsolationTooWeak, DocumentError."""
        return (await asyncio.get_running_loop().run_in_executor(self._threads, self._running)).confinement

    @property
    def known_confinement(self) -> Confinement | None:
        """The walls around the process that runs; None while none does."""
        process = self._process
        return process.confinement if process and not process.has_ended else None

    async def tried(self, targets: Targets) -> dict[str, str]:
        """Has a process as for a document try every way out in place of reading one; how each attempt ended.

        Raises: DocumentError.
        """
        return await self._run(attempts, b"", self._request("try", targets=targets.to_json()))

    async def burnt(self) -> str:
        """Has a process as for a document use the processor without end: how that ended. Raises: DocumentError."""
        try:
            await self._run(attempts, b"", self._request("burn", time_s=_BURNING_S))
        except DocumentError as error:
            if error.code != "took_too_long":
                raise
            return ENDED
        return OPEN

    def close(self) -> None:
        """Ends the reader process and whatever it reads."""
        with self._lock:
            process, self._process = self._process, None
        if process:
            process.stop()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _request(self, kind: str, **more: Any) -> dict[str, Any]:
        settings = self._settings
        return {
            "kind": kind,
            "time_s": settings.reader_time_s,
            "memory_bytes": settings.reader_memory_mib << 20,
            "pages": settings.reader_pages,
            "characters": settings.reader_output_mib << 20,
            "unpacked_bytes": unpacked_mib(settings) << 20,
        } | more

    async def _run(self, receive: Callable[[Job], Result], content: bytes | int, request: dict[str, Any]) -> Result:
        job = Job(request)
        waiting = asyncio.get_running_loop().run_in_executor(self._threads, self._work, job, receive, content)
        try:
            return await waiting
        except asyncio.CancelledError:
            job.cancel()
            raise

    def _work(self, job: Job, receive: Callable[[Job], Result], content: bytes | int) -> Result:
        """Has a job done; once more if the reader process turns out to be gone."""
        owned = _in_memory(content) if isinstance(content, bytes) else None
        descriptor = content if owned is None else owned
        assert isinstance(descriptor, int)
        try:
            try:
                return self._try(job, receive, descriptor)
            except ReaderStopped:
                if job.is_cancelled:
                    raise
                return self._try(job, receive, descriptor)
        finally:
            job.close()
            if owned is not None:
                os.close(owned)

    def _try(self, job: Job, receive: Callable[[Job], Result], content: int) -> Result:
        process = self._hand_over(job, content)
        try:
            return receive(job)
        except (Ended, wire.BadFrame, OverflowError, OSError) as error:
            explained = job.explained(error)
            if not job.is_cancelled and (isinstance(error, TimeoutError) or isinstance(explained, ReaderStopped)):
                self._discard(process)
            raise explained from error

    def _hand_over(self, job: Job, content: int) -> _Process:
        for last_try in (False, True):
            process = self._running()
            try:
                job.start(process.control, content)
                return process
            except OSError as error:
                self._discard(process)
                if last_try:
                    raise failure("reader_failed") from error
        raise AssertionError  # the loop returns or raises

    def _running(self) -> _Process:
        with self._lock:
            if self._process is None or self._process.has_ended:
                self._process = _Process.started(required=self._settings.isolation_required)
            return self._process

    def _discard(self, process: _Process) -> None:
        """Ends a process that hangs or is gone; the next document gets a new one."""
        with self._lock:
            if self._process is process:
                self._process = None
        process.stop()


@dataclass(slots=True)
class _Process:
    """The running reader process."""

    process: subprocess.Popen[bytes]
    control: socket.socket
    confinement: Confinement

    @classmethod
    def started(cls, *, required: str = "none") -> _Process:
        """`required`: the level of isolation below which it gets no document.

        Raises: DocumentError `reader_failed`, IsolationTooWeak.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        paths = [path for path in sys.path if Path(path).is_absolute()]  # isolated mode knows no PYTHONPATH
        start = f"main({theirs.fileno()}, {_libraries()!r})"
        program = f"import sys; sys.path[:] = {paths!r}; from {_PROGRAM} import main; {start}"
        command = [sys.executable, "-I", "-B", "-c", program]
        environment = {"LANG": "C.UTF-8", "PATH": "/usr/bin:/bin"}
        try:
            with theirs:
                process = subprocess.Popen(
                    command,
                    pass_fds=(theirs.fileno(),),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,  # a parser's complaints may quote the document
                    env=environment,
                    cwd="/",
                    start_new_session=True,
                )
            ours.settimeout(_START_S)
            hello = json.loads(ours.recv(4096) or b"{}")
            ours.settimeout(None)
        except (OSError, ValueError) as error:
            ours.close()
            raise failure("reader_failed") from error
        if not hello.get("ready"):
            ours.close()
            process.kill()
            process.wait()
            raise failure("reader_failed")
        started = cls(process, ours, confinement(process.pid, hello.get("confined")))
        try:
            started.confinement.require(required, what="the reader")
        except IsolationTooWeak:
            started.stop()
            raise
        return started

    @property
    def has_ended(self) -> bool:
        return self.process.poll() is not None

    def stop(self) -> None:
        """Closing the control socket ends it with its children; one that does not listen is killed."""
        self.control.close()
        try:
            self.process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def _libraries() -> list[str]:
    """Where Python and installed packages are: what the reader may open. Not wherever else modules were found."""
    prefixes = (Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve())
    places = [Path(path).resolve() for path in sys.path if Path(path).is_absolute()]
    inside = [path for path in places if any(prefix == path or prefix in path.parents for prefix in prefixes)]
    ours = Path(intramuros.__file__).resolve().parent.parent
    return [str(path) for path in dict.fromkeys([*inside, Path(sys.base_prefix) / "lib", ours])]


def _in_memory(content: bytes) -> int:
    """An anonymous file of these bytes: nothing of a document touches a disk."""
    fd = os.memfd_create("document", os.MFD_CLOEXEC)
    with os.fdopen(os.dup(fd), "wb") as file:
        file.write(content)
    return fd
