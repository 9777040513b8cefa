"""An embedder for ingestion whose vectors are made up from the text, and that fails where it was told to."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from intramuros.engines.embedder import Embedded
from intramuros.errors import EngineDied
from intramuros.storage import vectors


@dataclass
class MadeUp:
    """`fails` counts down the calls that fail; with `gate` a call waits for it."""

    model: str | None = "a" * 64
    fails: int = 0
    gate: asyncio.Event | None = None
    texts: list[str] = field(default_factory=list)

    async def passages(self, texts: Sequence[str], *, model: str) -> list[Embedded]:
        if self.gate is not None:
            await self.gate.wait()
        if self.fails:
            self.fails -= 1
            raise EngineDied
        self.texts += texts
        return [Embedded(vector_of(text), 0) for text in texts]


def vector_of(text: str) -> bytes:
    return vectors.quantised([byte - 127.5 for byte in hashlib.sha256(text.encode()).digest()])
