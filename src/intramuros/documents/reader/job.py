"""One document with the reader process: it is sent over, its messages are read, and its end is explained.

Used by `supervisor`. `pages`, `attempts` and `picture` are what may be received.
"""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

from intramuros.documents.document import Page, Reading
from intramuros.documents.failures import CODES, failure
from intramuros.documents.reader import wire
from intramuros.errors import DocumentError

_GRACE_S = 5.0  # the reader process ends a child at its time limit; this much later the process itself counts as hung
_BYTES_PER_CHARACTER = 8  # of a message for a character of text, its places included
_SOME_BYTES = 64 << 20  # a picture, or the messages of a document of many empty pages

Progress = Callable[[int, int], None]
_log = logging.getLogger(__name__)


class ReaderStopped(DocumentError):
    """The reader process was stopped from outside while it read; the document may be read again."""

    code, status, retry = "reader_failed", 503, True


class Ended(Exception):
    """The child ended without having said all."""


class Job:
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


def pages(job: Job, progress: Progress | None) -> Reading:
    """What was read. Raises: as `Job.messages`; BadFrame for what is no reading, Ended."""
    found: list[Page] = []
    for message in job.messages():
        if not isinstance(message, dict):
            raise wire.BadFrame
        if "page" in message:
            if len(found) >= job.request["pages"]:
                raise wire.BadFrame
            found.append(wire.page_from(message["page"], number=len(found) + 1))
        elif progress and "read" in message:
            progress(min(int(message["read"]), job.request["pages"]), min(int(message["total"]), job.request["pages"]))
        elif "done" in message:
            done = message["done"]
            if done.get("pages") != len(found) or not isinstance(done.get("title"), str):
                raise wire.BadFrame
            return Reading(
                tuple(found), done["title"], tuple(str(warning)[:40] for warning in done.get("warnings", ())[:10])
            )
    raise Ended


def attempts(job: Job) -> dict[str, str]:
    """How each way out that was tried ended. Raises: as `pages`."""
    for message in job.messages():
        if isinstance(message, dict) and isinstance(message.get("attempts"), dict):
            return {str(name): str(outcome) for name, outcome in message["attempts"].items()}
        raise wire.BadFrame
    raise Ended


def picture(job: Job) -> bytes:
    """A PNG. Raises: as `pages`."""
    for message in job.messages():
        if isinstance(message, bytes) and message.startswith(b"\x89PNG"):
            return message
        raise wire.BadFrame
    raise Ended
