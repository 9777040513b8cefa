"""Starts and ends the worker process of one model, and reads from its log why a load failed.

Called by `engines.starting`, by autotuning and by the detection of GPUs. Knows processes, no requests. The log stays in
memory: it is read for causes and never written anywhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from intramuros.background import begin
from intramuros.engines.buffers import footprint_in
from intramuros.engines.rights import Rights
from intramuros.engines.runners import LLAMA, Runner
from intramuros.engines.unasked import Patience, burns
from intramuros.errors import EngineError, EngineLoadFailed
from intramuros.models.machine import Gpu
from intramuros.models.memory import Footprint
from intramuros.security.attempts import ENDED, OPEN, Targets
from intramuros.security.isolation import Confinement, confinement

WORKER = Path(__file__).with_name("worker") / "__main__.py"
LINE_BYTES = 1 << 20
KEPT_LINES = 400
DEVICES_TIMEOUT_S = 30
TRIAL_TIMEOUT_S = 30
BURNING = Patience(finishing_s=0.0, unasked_s=0.2, look_every_s=0.05)
"""For a process that is known to have nothing to do."""
LAST_WORDS_S = 5.0
LOG_LAG_S, LOG_POLL_S = 0.25, 0.005
"""How far the log may be behind: the engine writes it from a thread."""
GPU_KINDS = frozenset({1, 2})  # ggml: discrete and integrated GPUs
ERROR = re.compile(r"^[\d.]+ E (?:(?:srv|cmn|slot|que|res)\s+)?(.*)$")
SPOKEN_BY = re.compile(r"^\s*[A-Za-z_][\w()~]*: (?=\S)")
"""The function that speaks, which may stand there several times."""
GENERAL = re.compile(r"^(?:error loading model(?: \w+)?|init|error): ")
NOISE = (
    "exiting due to",
    "failed to load model",
    "failed to init",
    "unable to load model",
    "for example",
    "please consider",
)
A_PATH = re.compile(r"(?:GGUF file )?'?/[^\s']+'?")
HINT = "Check the model with: intramuros models show NAME; fetch it again with: intramuros models pull NAME"
SPINNING = {"GOMP_SPINCOUNT": "2000"}
"""How long a thread that waits for the others burns its processor, in turns of a loop. The default of 300,000 makes
decoding ten times slower as soon as one other process wants a processor; measured with two cores: 79 tokens/s alone and
8 beside another process by default; 77 alone with 2,000, and 21 to 27 beside it with 3,000 and 1,000."""
PASSED_ON = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")


class Child:
    """One running worker. `ended` is set when the process is gone; `last_words` then say why, if it said."""

    def __init__(self, process: asyncio.subprocess.Process, runner: Runner = LLAMA) -> None:
        self.process, self.runner = process, runner
        self.lines: deque[str] = deque(maxlen=KEPT_LINES)
        self.ended = asyncio.Event()
        self.confinement = Confinement()
        self.footprint: Footprint | None = None
        """The buffers it took when it loaded the model, as its log says; None where it doesn't."""
        self.serves = False
        self._tasks = (
            begin(self._read_log(), name="read an engine's log"),
            begin(self._wait(), name="wait for an engine's end"),
        )

    @classmethod
    async def start(
        cls,
        parameters: Mapping[str, Any],
        *,
        socket: Path,
        rights: Rights,
        timeout_s: float,
        required: str = "none",
        runner: Runner = LLAMA,
        started: Callable[[int], None] = lambda pid: None,
    ) -> Child:
        """Starts a worker and waits until its model is loaded; `started` is told the process, before that begins.

        `required`: the level of isolation below which it does not get to see the model.
        Raises: EngineLoadFailed with the cause from the engine's log, or after `timeout_s`; IsolationTooWeak.
        """
        child = cls(await _spawn(rights.inherits), runner)
        try:
            async with asyncio.timeout(timeout_s):
                started(child.pid)
                serving = {"task": "serve", "parameters": dict(parameters), "socket": str(socket)}
                answer = await child.confined(serving, rights, required=required)
        except TimeoutError as error:
            await child.stop()
            raise EngineLoadFailed(
                f"The model was not loaded after {timeout_s:g} seconds.",
                hint="Raise INTRAMUROS_ENGINE_LOAD_TIMEOUT_S, or choose a smaller model.",
            ) from error
        except BaseException:
            await child.stop()
            raise
        if "ready" not in answer:
            with contextlib.suppress(TimeoutError):  # the engine writes its log from a thread; let it end by itself
                async with asyncio.timeout(LAST_WORDS_S):
                    await child.ended.wait()
            await child.stop()
            raise EngineLoadFailed(child.cause(answer.get("failed", "")), hint=HINT)
        if runner.tells_memory:
            await child.note_footprint()
        child.serves = True
        child.lines.clear()
        return child

    async def note_footprint(self) -> None:
        """Reads from the log of the load what the model takes."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOG_LAG_S):
                while (found := footprint_in(self.lines)) is None:  # noqa: ASYNC110 - a few lines that are on their way
                    await asyncio.sleep(LOG_POLL_S)
                self.footprint = found

    async def confined(
        self, configuration: dict[str, Any], rights: Rights, *, required: str = "none"
    ) -> dict[str, Any]:
        """Has the worker confine itself, checks with the kernel, and lets it go on; what it answers then.

        Raises: IsolationTooWeak.
        """
        said = await self.ask(configuration | {"rights": rights.to_json()})
        if "confined" not in said:
            return said
        self.confinement = confinement(self.pid, said["confined"])
        self.confinement.require(required, what="the engine")
        return await self.ask({"task": "go"})

    async def ask(self, configuration: dict[str, Any]) -> dict[str, Any]:
        """Sends the configuration and returns the first answer; an empty one if the process ended instead."""
        assert self.process.stdin is not None and self.process.stdout is not None
        configuration |= {"path": self.runner.module_folders(), "module": self.runner.module}
        with contextlib.suppress(ConnectionError):
            self.process.stdin.write(json.dumps(configuration).encode() + b"\n")
            await self.process.stdin.drain()
        answer = await self.process.stdout.readline()
        return dict(json.loads(answer)) if answer.endswith(b"\n") else {}

    @property
    def pid(self) -> int:
        """The process's number."""
        return self.process.pid

    async def stop(self) -> None:
        """Ends the process; a worker has nothing to save, so at once."""
        self.kill()
        await self.ended.wait()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def kill(self) -> None:
        """Ends the process without waiting, even one that hangs."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()

    def cause(self, said: str) -> str:
        """Why a load failed, in the engine's own words where it has some."""
        code = self.process.returncode
        found = cause_in(self.lines)
        if found:
            return f"The engine could not load the model: {found}."
        if code is not None and code < 0:
            reason = "out of memory?" if -code == signal.SIGKILL else signal.Signals(-code).name
            return f"The engine was ended while it loaded the model ({reason})."
        return f"The engine could not load the model{': ' + said if said else ''}."

    async def _read_log(self) -> None:
        assert self.process.stderr is not None
        while True:
            try:
                line = await self.process.stderr.readline()
            except ValueError:  # a line longer than the limit
                continue
            if not line:
                return
            text = line.decode("utf-8", "replace").strip()
            if not self.serves or _is_abort(text):  # once it serves, its log could speak of requests
                self.lines.append(text)

    async def _wait(self) -> None:
        await self.process.wait()
        self.ended.set()


def cause_in(lines: Iterable[str]) -> str:
    """What an engine's log says first about a failure, without functions' names and paths; empty if nothing."""
    for line in lines:
        found = ERROR.match(line)
        text = found.group(1) if found else line if _is_abort(line) else ""
        while text != (text := GENERAL.sub("", SPOKEN_BY.sub("", text))):
            pass
        if text and not text.lower().startswith(NOISE):
            return A_PATH.sub("the file", text).rstrip(". ")[:300]
    return ""


def _is_abort(line: str) -> bool:
    return "GGML_ASSERT" in line or "terminate called" in line or "what():" in line


async def tried(rights: Rights, targets: Targets | None = None) -> tuple[Confinement, dict[str, str]]:
    """Starts a worker as for a model, and has it try every way out in place of loading one.

    Returns its confinement, and how each attempt ended; none without targets. Raises: EngineError.
    """
    child = Child(await _spawn())
    try:
        async with asyncio.timeout(TRIAL_TIMEOUT_S):
            if targets is None:
                await child.confined({"task": "rest"}, rights)
                return child.confinement, {}
            answer = await child.confined({"task": "try", "targets": targets.to_json()}, rights)
    except TimeoutError as error:
        raise EngineError("The engine's process did not answer in time.") from error
    finally:
        await child.stop()
    if "attempts" not in answer:
        raise EngineError("The engine's process ended before it had tried every way out.")
    return child.confinement, dict(answer["attempts"])


async def burnt(rights: Rights) -> str:
    """Has a worker use the processor with nothing to do, in place of loading a model: how that ended.

    Returns `open` if nobody ended it. Raises: EngineError.
    """
    child = Child(await _spawn())
    try:
        async with asyncio.timeout(TRIAL_TIMEOUT_S):
            if "burns" not in await child.confined({"task": "burn"}, rights):
                raise EngineError("The engine's process ended before it had tried to use the processor.")
            started = time.monotonic()
            await burns(child.pid, last_asked=lambda: started, patience=BURNING)
    except TimeoutError:
        return OPEN
    finally:
        await child.stop()
    return ENDED


async def gpus(runner: Runner = LLAMA) -> tuple[Gpu, ...]:
    """The graphics processors an engine can use; none where the system has no device for one.

    Raises: EngineLoadFailed if the engine is not installed.
    """
    if sys.platform == "linux" and not _has_gpu_device():
        return ()
    child = Child(await _spawn(), runner)
    try:
        async with asyncio.timeout(DEVICES_TIMEOUT_S):
            answer = await child.ask({"task": "devices"})
    except TimeoutError:
        answer = {}
    finally:
        await child.stop()
    return gpus_among(answer.get("devices", []))


def gpus_among(devices: list[dict[str, Any]]) -> tuple[Gpu, ...]:
    """Those of the engine's devices that are graphics processors."""
    return tuple(
        Gpu(name=device["name"], memory_bytes=device["memory_bytes"], free_bytes=device["free_bytes"])
        for device in devices
        if device["kind"] in GPU_KINDS
    )


def _has_gpu_device(dev: Path = Path("/dev")) -> bool:
    return any(dev.glob("nvidia[0-9]*")) or (dev / "kfd").exists() or any(dev.glob("dri/render*"))


async def _spawn(inherits: tuple[int, ...] = ()) -> asyncio.subprocess.Process:
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ} | SPINNING
    pipe = subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-I", "-S", str(WORKER)),
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        limit=LINE_BYTES,
        env=environment,
        cwd="/",
        start_new_session=True,
        pass_fds=inherits,
    )
