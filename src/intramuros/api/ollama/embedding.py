"""`POST /api/embed` and, in its older shape, `POST /api/embeddings`: texts into vectors.

Plain ASGI applications, because a closed connection must end the work.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, TypedDict

from starlette.types import Receive, Scope, Send

from intramuros.accounts.caller import Caller
from intramuros.api.body import read_object
from intramuros.api.connected import while_connected
from intramuros.api.ollama.generating import kept
from intramuros.api.ollama.models import model_in
from intramuros.api.ollama.names import Names
from intramuros.api.ollama.options import keep_alive, options
from intramuros.api.openai.fields import not_used
from intramuros.api.openai.sending import send_json
from intramuros.engines.pool import EnginePool
from intramuros.errors import BadRequest, kind_of
from intramuros.tasks.vectors import Embedded, VectorTask

MOST_INPUTS = 2048
SHARED = {"options", "keep_alive", "truncate"}


class EmbedReply(TypedDict):
    """One vector for each input. Durations: nanoseconds."""

    model: str
    embeddings: list[list[float]]
    total_duration: int
    load_duration: int
    prompt_eval_count: int


class OldEmbedReply(TypedDict):
    """The vector of one text."""

    embedding: list[float]


@dataclass(frozen=True, slots=True)
class Embedding:
    """The routes."""

    task: VectorTask
    pool: EnginePool
    names: Names

    async def embed(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One vector for each input."""
        started = time.perf_counter_ns()
        body = await read_object(receive)
        name = model_in(body, SHARED | {"input", "dimensions"})
        given = body.get("input")
        inputs = [given] if isinstance(given, str) else given
        made, hints = await self._made(body, name, inputs, scope, receive)
        reply: EmbedReply = {
            "model": name,
            "embeddings": made.vectors,
            "total_duration": time.perf_counter_ns() - started,
            "load_duration": round(scope["state"]["entry"].facts.get("load_ms", 0) * 1e6),
            "prompt_eval_count": made.prompt_tokens,
        }
        await send_json(send, reply, headers=not_used(hints))

    async def embeddings(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The vector of one text."""
        body = await read_object(receive)
        name = model_in(body, SHARED | {"prompt"})
        made, hints = await self._made(body, name, [body.get("prompt")], scope, receive)
        await send_json(send, OldEmbedReply(embedding=made.vectors[0]), headers=not_used(hints))

    async def _made(
        self, body: dict[str, Any], name: str, inputs: Any, scope: Scope, receive: Receive
    ) -> tuple[Embedded, list[str]]:
        _, hints = options(body.get("options"))
        keep_alive_s = keep_alive(body.get("keep_alive"))
        hints += ["truncate"] if body.get("truncate") else []
        if not isinstance(inputs, list) or not inputs or len(inputs) > MOST_INPUTS:
            raise BadRequest(f"'input' must be a text or a list of 1 to {MOST_INPUTS} texts.", param="input")
        for text in inputs:
            if not isinstance(text, str) or not text:
                raise BadRequest(f"Each input must be a text with something in it, not {kind_of(text)}.", param="input")
        dimensions = body.get("dimensions")
        if dimensions is not None and (
            isinstance(dimensions, bool) or not isinstance(dimensions, int) or dimensions < 1
        ):
            raise BadRequest("'dimensions' must be a whole number from 1.", param="dimensions")
        by: Caller = scope["state"]["caller"]
        async with while_connected(receive):
            made = await self.task.embed(
                inputs, model=self.names.known(name, by), by=by, entry=scope["state"]["entry"], dimensions=dimensions
            )
            await kept(self.pool, keep_alive_s, scope["state"]["entry"])
        return made, hints
