"""Starts the reader process and hands it documents: the gateway's side of reading.

One long-lived process forks a confined child for each document. Called by ingestion (`read`) and by the web's document
viewer (`render`, `draw`). Threads do the waiting, so that any event loop, and any number of them, can use one Reader.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import intramuros
from intramuros.documents.document import Page, Reading
from intramuros.documents.failures import CODES, failure
from intramuros.documents.parse.limits import unpacked_mib
from intramuros.documents.reader import wire
from intramuros.errors import DocumentError, IsolationTooWeak
from intramuros.security.attempts import ENDED, OPEN, Targets
from intramuros.security.isolation import Confinement, confinement
from intramuros.settings import Settings

_PROGRAM = "intramuros.documents.reader.process"
_GRACE_S = 5.0  # the reader process ends a child at its time limit; this much later the process itself counts as hung
_RENDER_TIME_S = 20.0
_START_S = 30.0
_BURNING_S = 0.5
_BYTES_PER_CHARACTER = 8  # of a message for a character of text, its places included
_SOME_BYTES = 64 << 20  # a picture, or the messages of a document of many empty pages

Progress = Callable[[int, int], None]
Result = TypeVar("Result")
_log = logging.getLogger(__name__)


class ReaderStopped(DocumentError):
    """The reader process was stopped from outside while it read; the document may be read again."""

    code, status, retry = "reader_failed", 503, True


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
        return await self._run(lambda job: _pages(job, progress), content, request)

    async def render(self, content: bytes | int, page: int, *, scale: float = 2.0) -> bytes:
        """The picture of one page of a PDF as PNG; `scale` is pixels a point (1/72 inch).

        Raises: DocumentError, as for `read`.
        """
        time_s = min(_RENDER_TIME_S, self._settings.reader_time_s)
        return await self._run(_picture, content, self._request("render", page=page, scale=scale, time_s=time_s))

    async def draw(self, sheet: bytes, *, scale: float = 2.0) -> bytes:
        """The picture of a page that was laid out (`layout.sheet.message`) as PNG; `scale` is pixels a point.

        Raises: DocumentError, as for `read`.
        """
        time_s = min(_RENDER_TIME_S, self._settings.reader_time_s)
        return await self._run(_picture, sheet, self._request("draw", scale=scale, time_s=time_s))

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
        return await self._run(_attempts, b"", self._request("try", targets=targets.to_json()))

    async def burnt(self) -> str:
        """Has a process as for a document use the processor without end: how that ended. Raises: DocumentError."""
        try:
            await self._run(_attempts, b"", self._request("burn", time_s=_BURNING_S))
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

    async def _run(self, receive: Callable[[_Job], Result], content: bytes | int, request: dict[str, Any]) -> Result:
        job = _Job(request)
        waiting = asyncio.get_running_loop().run_in_executor(self._threads, self._work, job, receive, content)
        try:
            return await waiting
        except asyncio.CancelledError:
            job.cancel()
            raise

    def _work(self, job: _Job, receive: Callable[[_Job], Result], content: bytes | int) -> Result:
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

    def _try(self, job: _Job, receive: Callable[[_Job], Result], content: int) -> Result:
        process = self._hand_over(job, content)
        try:
            return receive(job)
        except (_Ended, wire.BadFrame, OverflowError, OSError) as error:
            explained = job.explained(error)
            if not job.is_cancelled and (isinstance(error, TimeoutError) or isinstance(explained, ReaderStopped)):
                self._discard(process)
            raise explained from error

    def _hand_over(self, job: _Job, content: int) -> _Process:
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


class _Ended(Exception):
    """The child ended without having said all."""


class _Job:
    """One document with the reader process: `data` brings its frames, `status` how its child ended."""

    def __init__(self, request: dict[str, Any]) -> None:
        self.request = request
        self._lock = threading.Lock()
        self._ends: list[socket.socket] = []
        self.is_cancelled = False

    def start(self, control: socket.socket, content: int) -> None:
        """Sends the document over; the far ends of data and status go with it."""
        data, far_data = socket.socketpair()
        status, far_status = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with self._lock:
            self.close()
            self._ends = [data, status]
        for end in self._ends:
            end.settimeout(self.request["time_s"] + _GRACE_S)
        with far_data, far_status:
            descriptors = [content, far_data.fileno(), far_status.fileno()]
            socket.send_fds(control, [json.dumps(self.request).encode()], descriptors)
        if self.is_cancelled:
            self.cancel()

    def messages(self) -> Iterator[dict[str, Any] | bytes]:
        """What the child says, until it is done or gone.

        Raises: DocumentError for a failure it names.
        """
        max_bytes = self.request["characters"] * _BYTES_PER_CHARACTER + _SOME_BYTES
        for message in wire.frames(self._ends[0].recv, max_bytes=max_bytes):
            if isinstance(message, dict) and "error" in message:
                raise self._named(message)
            yield message

    def cancel(self) -> None:
        """Wakes whoever waits; the reader process sees the closed socket and ends the child."""
        with self._lock:
            self.is_cancelled = True
            for end in self._ends:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Gives the sockets back."""
        for end in self._ends:
            end.close()

    def explained(self, error: Exception) -> DocumentError:
        """Why there is no result: by how the child ended."""
        if isinstance(error, TimeoutError):
            return self._took_too_long()
        if isinstance(error, OverflowError):
            return failure("too_much_text", limit=self.request["characters"] >> 20)
        try:
            ended = json.loads(self._ends[1].recv(4096) or b"{}")
        except (OSError, ValueError):
            ended = {}
        if not ended:
            return ReaderStopped("The reading process was stopped.")
        _log.warning(
            "reading ended early: %s", {key: ended.get(key) for key in ("exit", "timed_out", "peak_bytes", "cpu_s")}
        )
        if ended["timed_out"] or ended["cpu_s"] >= self.request["time_s"]:
            return self._took_too_long()
        if ended["peak_bytes"] >= 0.9 * self.request["memory_bytes"]:
            return failure("too_much_memory", limit=self.request["memory_bytes"] >> 20)
        return failure("damaged")

    def _named(self, message: dict[str, Any]) -> DocumentError:
        code, numbers = message["error"], message.get("numbers")
        if "where" in message:
            _log.warning("a parser failed: %s", str(message["where"])[:120].encode("ascii", "replace").decode())
        if code == "too_much_memory":
            return failure(code, limit=self.request["memory_bytes"] >> 20)
        if code not in CODES or not isinstance(numbers, dict):
            return failure("damaged")
        known = {
            name: value for name, value in numbers.items() if name in {"pages", "limit"} and isinstance(value, int)
        }
        return failure(code, **known)

    def _took_too_long(self) -> DocumentError:
        return failure("took_too_long", limit=self.request["time_s"])


def _pages(job: _Job, progress: Progress | None) -> Reading:
    pages: list[Page] = []
    for message in job.messages():
        if not isinstance(message, dict):
            raise wire.BadFrame
        if "page" in message:
            if len(pages) >= job.request["pages"]:
                raise wire.BadFrame
            pages.append(wire.page_from(message["page"], number=len(pages) + 1))
        elif progress and "read" in message:
            progress(min(int(message["read"]), job.request["pages"]), min(int(message["total"]), job.request["pages"]))
        elif "done" in message:
            done = message["done"]
            if done.get("pages") != len(pages) or not isinstance(done.get("title"), str):
                raise wire.BadFrame
            return Reading(
                tuple(pages), done["title"], tuple(str(warning)[:40] for warning in done.get("warnings", ())[:10])
            )
    raise _Ended


def _attempts(job: _Job) -> dict[str, str]:
    for message in job.messages():
        if isinstance(message, dict) and isinstance(message.get("attempts"), dict):
            return {str(name): str(outcome) for name, outcome in message["attempts"].items()}
        raise wire.BadFrame
    raise _Ended


def _libraries() -> list[str]:
    """Where Python and installed packages are: what the reader may open. Not wherever else modules were found."""
    prefixes = (Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve())
    places = [Path(path).resolve() for path in sys.path if Path(path).is_absolute()]
    inside = [path for path in places if any(prefix == path or prefix in path.parents for prefix in prefixes)]
    ours = Path(intramuros.__file__).resolve().parent.parent
    return [str(path) for path in dict.fromkeys([*inside, Path(sys.base_prefix) / "lib", ours])]


def _picture(job: _Job) -> bytes:
    for message in job.messages():
        if isinstance(message, bytes) and message.startswith(b"\x89PNG"):
            return message
        raise wire.BadFrame
    raise _Ended


def _in_memory(content: bytes) -> int:
    """An anonymous file of these bytes: nothing of a document touches a disk."""
    fd = os.memfd_create("document", os.MFD_CLOEXEC)
    with os.fdopen(os.dup(fd), "wb") as file:
        file.write(content)
    return fd
