"""An engine that says what a test wrote, fails where it was told to, and remembers what was asked of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from intramuros.engines.engine import ChatRequest, Health, Reply, Usage
from intramuros.engines.loading import Coming
from intramuros.engines.measures import Measures
from intramuros.engines.seat import Loaded
from intramuros.errors import IntramurosError, ModelNotFound
from intramuros.models.machine import Machine
from intramuros.privacy.egress import Egress
from intramuros.settings import Settings

USAGE = {
    "prompt_tokens": 12,
    "completion_tokens": 3,
    "total_tokens": 15,
    "prompt_tokens_details": {"cached_tokens": 8},
}


def chunk(content: str | None = None, *, model: str = "scripted", **more: Any) -> bytes:
    """One `chat.completion.chunk` as llama.cpp's server writes it."""
    delta: dict[str, Any] = {} if content is None else {"content": content}
    choice = {"finish_reason": None, "index": 0, "delta": delta}
    base = {"choices": [choice], "created": 1, "id": "chatcmpl-1", "model": model, "object": "chat.completion.chunk"}
    return orjson.dumps(base | more)


def reply(content: str, *, model: str = "scripted", **message: Any) -> dict[str, Any]:
    """One `chat.completion` object."""
    choice = {"finish_reason": "stop", "index": 0, "message": {"role": "assistant", "content": content} | message}
    return {
        "choices": [choice],
        "created": 1,
        "id": "chatcmpl-1",
        "model": model,
        "object": "chat.completion",
        "usage": USAGE,
    }


@dataclass
class ScriptedEngine:
    """Fails with `error` before it says anything, or after `error_after` chunks; `hangs` for ever after the words."""

    words: Sequence[str] = ("Bonjour", ", ", "monde")
    model: str = "scripted"
    name_in_chunks: str = "scripted"
    message: dict[str, Any] = field(default_factory=dict)
    error: Exception | None = None
    error_after: int = 0
    hangs: bool = False
    slots: int = 0
    asked: list[dict[str, Any]] = field(default_factory=list)
    cancelled: int = 0
    running: int = 0

    async def generate(self, request: ChatRequest) -> Reply:
        self.asked.append(dict(request))
        if self.hangs:
            await self._until_cancelled()
        if self.error is not None:
            raise self.error
        raw = reply("".join(self.words), model=self.name_in_chunks, **self.message)
        return Reply("".join(self.words), "stop", Usage(12, 3, 8), raw)

    async def stream(self, request: ChatRequest) -> AsyncIterator[bytes]:
        self.asked.append(dict(request))
        self.running += 1
        try:
            for index, word in enumerate(self.words):
                if self.error is not None and index == self.error_after:
                    raise self.error
                yield chunk(word, model=self.name_in_chunks)
            if self.hangs:
                await asyncio.Event().wait()
            yield chunk(model=self.name_in_chunks, choices=[], usage=USAGE)
        except (GeneratorExit, asyncio.CancelledError):
            self.cancelled += 1
            raise
        finally:
            self.running -= 1

    async def _until_cancelled(self) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    async def prompt_tokens(self, request: ChatRequest) -> int:
        self.asked.append(dict(request))
        return 12

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        raise IntramurosError("not in this script")

    async def rerank(self, query: str, texts: Sequence[str]) -> list[float]:
        raise IntramurosError("not in this script")

    async def tokenise(self, text: str) -> list[int]:
        raise IntramurosError("not in this script")

    async def health(self) -> Health:
        return Health("ready", slots=self.slots)

    async def close(self) -> None:
        return None


@dataclass
class ScriptedPool:
    """Has one engine, under its own name and as the default."""

    only: ScriptedEngine = field(default_factory=ScriptedEngine)
    borrowed: int = 0
    pinned: set[str] = field(default_factory=set)
    folder: Path = Path("nowhere")
    measures: Measures = field(
        default_factory=lambda: Measures(None, Settings(data=Path("nowhere")), Path("nowhere"), Egress())
    )

    @asynccontextmanager
    async def engine(self, name: str) -> AsyncIterator[ScriptedEngine]:
        self.check(name)
        self.borrowed += 1
        try:
            yield self.only
        finally:
            self.borrowed -= 1

    def loading(self, name: str) -> AsyncGenerator[Coming] | None:
        return None

    def check(self, name: str) -> None:
        if name not in {"default", self.only.model}:
            raise ModelNotFound(f"No model named '{name}' is installed.")

    def states(self) -> dict[str, Loaded]:
        loaded = Loaded(self.only.model, Health("ready"), 1 << 20, is_pinned=bool(self.pinned))
        return {self.only.model: loaded}

    def elsewhere(self) -> dict[str, Loaded]:
        return {}

    def budget_bytes(self, machine: Machine) -> int:
        return 1 << 30

    async def preload(self) -> None:
        return None

    async def unload(self, name: str, *, wait_s: float = 0.0) -> bool:
        return True

    async def load(self, name: str, *, keep_alive_s: float | None = None) -> Loaded:
        self.check(name)
        return self.states()[self.only.model]

    async def pin(self, name: str) -> Loaded:
        self.pinned.add(name)
        return self.states()[self.only.model]

    def note_pin(self, name: str, *, is_pinned: bool) -> bool:
        self.pinned.discard(name)
        return True

    async def renew(self) -> int:
        return 0

    async def stop(self) -> None:
        return None
