"""The reader process: forks one confined child a document, watches its time, reports how it ended.

Started by `supervisor` with a socket; loads the parsers once, so that a child costs a fork. Holds no key, sees no
database and no file: a document's bytes come as an open descriptor, its text leaves over a socket.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import math
import os
import resource
import select
import signal
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intramuros.documents import media
from intramuros.documents.document import Reading
from intramuros.documents.failures import failure
from intramuros.documents.layout import draw
from intramuros.documents.layout.flow import laid_out
from intramuros.documents.parse import docx, html, markdown, pdf, text
from intramuros.documents.parse.limits import Limits
from intramuros.documents.reader.wire import bytes_frame, json_frame, page_message
from intramuros.errors import DocumentError
from intramuros.security import attempts, calls, sandbox

_FONTS = (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), Path("/etc/fonts"))
_LATER_IMPORTS = ("PIL.Image", "PIL.PngImagePlugin", "encodings.cp1252", "encodings.utf_16_le", "encodings.utf_16_be",
                  "encodings.idna", "encodings.latin_1", "encodings.utf_8_sig", "encodings.cp437")  # fmt: skip
_PROGRESS_S = 0.2
_CLOSED_TO_ALL = Path("/etc/passwd")
_OWN_CPU_S = 600
"""Processor time of the process that forks and parses nothing: many thousands of documents. Then another takes over."""
_PATIENCE = 10
"""How far reading steps back behind answers, as a nice value."""


@dataclass(slots=True)
class _Child:
    """A document being read."""

    pid: int
    status: socket.socket
    deadline: float
    timed_out: bool = False


def main(control_fd: int, folders: Sequence[str]) -> None:
    """Serves jobs until the gateway closes its end of the control socket.

    `folders`: where Python's modules are, the only files that can be opened.
    """
    control = socket.socket(fileno=control_fd)
    sandbox.close_descriptors(but=[control_fd])
    _step_back()
    for name in _LATER_IMPORTS:
        importlib.import_module(name)
    own_bytes = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    held = _confine(folders)
    control.send(json.dumps({"ready": True, "confined": held}).encode())
    gc.collect()
    gc.freeze()
    _serve(control, {"own_bytes": own_bytes, "is_filtered": held["calls"]})


def _step_back() -> None:
    """Where the kernel shares the processor among sessions first, this session counts for less."""
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(_PATIENCE))


def _confine(folders: Sequence[str]) -> dict[str, bool]:
    network = sandbox.leave_network()
    dropped = sandbox.drop_privileges()
    sandbox.limit(nofile=256, fsize=0, msgqueue=0)
    sandbox.limit_own_cpu(_OWN_CPU_S)
    files = sandbox.only_open([*map(Path, folders), *_FONTS], unlike=_CLOSED_TO_ALL)
    forbidden = _calls_can_be_forbidden() and sandbox.forbid_calls(calls.forking())
    return {"network": network, "files": files, "calls": forbidden, "rights": dropped}


def _calls_can_be_forbidden() -> bool:
    """Tried in a child, as each child does."""
    pid = os.fork()
    if pid == 0:
        os._exit(0 if sandbox.forbid_calls(calls.reading(os.getpid())) else 1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def _serve(control: socket.socket, facts: dict[str, Any]) -> None:
    children: dict[int, _Child] = {}  # by the descriptor of their process
    while True:
        poll = select.poll()
        poll.register(control, select.POLLIN)
        for pidfd, child in children.items():
            poll.register(pidfd, select.POLLIN)
            poll.register(child.status, select.POLLRDHUP | select.POLLHUP)
        next_deadline = min((child.deadline for child in children.values()), default=math.inf)
        wait_s = max(0.0, next_deadline - time.monotonic())
        ready = {fd for fd, _ in poll.poll(None if math.isinf(wait_s) else math.ceil(wait_s * 1000))}
        now = time.monotonic()
        for pidfd, child in list(children.items()):
            if pidfd in ready:
                _ended(child)
                os.close(pidfd)
                del children[pidfd]
            elif now >= child.deadline or child.status.fileno() in ready:
                child.timed_out = now >= child.deadline
                child.deadline = math.inf
                os.kill(child.pid, signal.SIGKILL)
        if control.fileno() in ready:
            request, descriptors, _, _ = socket.recv_fds(control, 1 << 16, 3)
            if not request:
                for child in children.values():
                    os.kill(child.pid, signal.SIGKILL)
                return
            pidfd, child = _start(json.loads(request) | facts, descriptors, control)
            children[pidfd] = child


def _start(job: dict[str, Any], descriptors: list[int], control: socket.socket) -> tuple[int, _Child]:
    content, data, status = descriptors
    pid = os.fork()
    if pid == 0:
        try:
            control.close()
            os.close(status)
            _child(job, content, data)
        finally:
            os._exit(1)
    os.close(content)
    os.close(data)
    child = _Child(pid, socket.socket(fileno=status), time.monotonic() + job["time_s"])
    return os.pidfd_open(pid), child


def _ended(child: _Child) -> None:
    _, code, usage = os.wait4(child.pid, 0)
    said = {
        "exit": os.waitstatus_to_exitcode(code),
        "timed_out": child.timed_out,
        "peak_bytes": usage.ru_maxrss * 1024,
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 3),
    }
    try:
        child.status.send(json.dumps(said).encode())
    except OSError:
        pass  # nobody waits for it any more
    child.status.close()


def _child(job: dict[str, Any], content_fd: int, data_fd: int) -> None:
    """Reads one document and ends. All of it runs under the job's limits."""
    sandbox.die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    content_fd, data_fd = os.dup2(content_fd, 101), os.dup2(data_fd, 100)
    os.closerange(3, 100)
    os.closerange(102, 256)
    content = os.pread(content_fd, os.fstat(content_fd).st_size, 0)
    os.close(content_fd)
    _limit(job)
    if not sandbox.forbid_calls(calls.reading(os.getpid())) and job["is_filtered"]:
        os._exit(1)  # what was said of this process does not hold
    reserve = bytearray(4 << 20)  # so that running out of memory can still be said
    try:
        _work(job, content, data_fd)
    except DocumentError as error:
        said = {"error": error.code, "numbers": error.details}
    except MemoryError:
        del content, reserve
        said = {"error": "too_much_memory", "numbers": {}}
    except Exception as error:  # whatever a broken document does to a parser: its kind and place, never its words
        frame = error.__traceback__
        while frame and frame.tb_next:
            frame = frame.tb_next
        place = f"{Path(frame.tb_frame.f_code.co_filename).name}:{frame.tb_lineno}" if frame else ""
        said = {"error": "damaged", "numbers": {}, "where": f"{type(error).__name__} {place}"}
    else:
        os._exit(0)
    _write(data_fd, json_frame(said))
    os._exit(0)


def _limit(job: dict[str, Any]) -> None:
    memory = job["own_bytes"] + job["memory_bytes"]
    seconds = math.ceil(job["time_s"]) + 1
    sandbox.limit(**{"as": memory}, cpu=seconds, fsize=0, nofile=128)
    if job["kind"] == "read":  # nobody waits for it as for a picture
        _let_others_go_first()


def _let_others_go_first() -> None:
    os.nice(_PATIENCE)
    if sys.platform == "linux":
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def _work(job: dict[str, Any], content: bytes, data_fd: int) -> None:
    while job["kind"] == "burn":
        pass
    if job["kind"] == "try":
        _write(data_fd, json_frame({"attempts": attempts.run(attempts.Targets.from_json(job["targets"]))}))
        return
    limits = Limits(pages=job["pages"], characters=job["characters"], unpacked_bytes=job["unpacked_bytes"])
    if job["kind"] == "render":
        _write(data_fd, bytes_frame(pdf.render(content, job["page"], job["scale"])))
        return
    if job["kind"] == "draw":
        _write(data_fd, bytes_frame(draw.draw(content, job["scale"])))
        return
    reading = _parse(job["media_type"], content, limits, _Progress(data_fd))
    for page in reading.pages:
        _write(data_fd, json_frame({"page": page_message(page)}))
    done = {"pages": len(reading.pages), "title": reading.title[:500], "warnings": list(reading.warnings)}
    _write(data_fd, json_frame({"done": done}))


def _parse(media_type: str, content: bytes, limits: Limits, progress: _Progress) -> Reading:
    if not content.strip():
        raise failure("empty")
    match media_type:
        case media.PDF:
            return pdf.read(content, limits, progress)
        case media.DOCX:
            return laid_out(docx.read(content, limits))
        case media.HTML:
            return laid_out(html.read(content, limits))
        case media.MARKDOWN:
            return laid_out(markdown.read(content, limits))
        case media.TEXT:
            return laid_out(text.read(content, limits))
    raise failure("unknown_format")


class _Progress:
    """Tells the gateway how many pages are read, a few times a second."""

    def __init__(self, data_fd: int) -> None:
        self._data_fd, self._said = data_fd, time.monotonic()

    def __call__(self, read: int, total: int) -> None:
        if time.monotonic() - self._said >= _PROGRESS_S:
            self._said = time.monotonic()
            _write(self._data_fd, json_frame({"read": read, "total": total}))


def _write(data_fd: int, frame: bytes) -> None:
    view = memoryview(frame)
    while view:
        view = view[os.write(data_fd, view) :]
