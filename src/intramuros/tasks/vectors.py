"""Texts into vectors, and passages by how well they answer: the tasks behind embeddings and rerank.

Called by the doors. Each finds the engine of the model that was named, within the caller's rights and the same places
as every generation, and notes what was read. What comes before a text for a model's best vectors is the caller's.
"""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

from intramuros.accounts.caller import Caller
from intramuros.audit.entry import Entry
from intramuros.engines.engine import INSIDE, CountsTokens, Engine, Usage
from intramuros.errors import BadRequest
from intramuros.tasks.admission import CHARACTERS_PER_TOKEN
from intramuros.tasks.complete import CompleteTask

Input = str | Sequence[int]


@dataclass(frozen=True, slots=True)
class Embedded:
    """The vectors, in order."""

    model: str
    vectors: list[list[float]]
    prompt_tokens: int


@dataclass(frozen=True, slots=True)
class Ranked:
    """A score from 0 to 1 for each passage, in order."""

    model: str
    scores: list[float]
    prompt_tokens: int


@dataclass(frozen=True, slots=True)
class VectorTask:
    """Embeds and ranks with installed models. `complete` knows the pool, the places and the rights."""

    complete: CompleteTask
    may_cut: Callable[[str, int], bool] = lambda _model, _dimensions: False
    """Whether this model's vectors may be cut to so many numbers: it was trained for that (Matryoshka)."""

    async def embed(
        self,
        inputs: Sequence[Input],
        *,
        model: str,
        by: Caller,
        entry: Entry,
        dimensions: int | None = None,
        is_batch: bool = False,
    ) -> Embedded:
        """One vector for each text or list of token numbers.

        Raises: BadRequest for a model that makes none, or `dimensions` it was not trained for; else as `CompleteTask`.
        """
        size = sum(len(one) // (CHARACTERS_PER_TOKEN if isinstance(one, str) else 1) for one in inputs)
        async with self._engine(model, by, entry, size=size, is_batch=is_batch) as (engine, meter):
            vectors, meter[0] = await _vectors(engine, inputs)
        if dimensions is not None:
            vectors = [self._cut(vector, dimensions, engine.model) for vector in vectors]
        return Embedded(engine.model, vectors, meter[0])

    async def rank(self, query: str, passages: Sequence[str], *, model: str, by: Caller, entry: Entry) -> Ranked:
        """How well each passage answers. Raises: BadRequest for a model that does not rank; else as `CompleteTask`."""
        size = sum(len(query) + len(passage) for passage in passages) // CHARACTERS_PER_TOKEN
        async with self._engine(model, by, entry, size=size) as (engine, meter):
            scores = await engine.rerank(query, passages)
            asked = len(await engine.tokenise(query))
            meter[0] = sum([asked + len(await engine.tokenise(passage)) for passage in passages])
        return Ranked(engine.model, [_logistic(score) for score in scores], meter[0])

    @asynccontextmanager
    async def _engine(
        self, model: str, by: Caller, entry: Entry, *, size: int, is_batch: bool = False
    ) -> AsyncIterator[tuple[Engine, list[int]]]:
        """The engine, in fair order; notes and counts the tokens that the body puts into the list."""
        self.complete.check_model(model, by)
        entry.note(route=INSIDE)
        tokens = [0]
        with self.complete.admission.ticket(
            model, by=by, prompt_tokens=size, max_completion=0, is_batch=is_batch
        ) as ticket:
            await ticket.turn(entry)
            async with self.complete.pool.engine(ticket.name) as engine:
                await ticket.runs_on(engine)
                entry.note(model=engine.model)
                started, outcome = time.perf_counter(), "failed"
                try:
                    yield engine, tokens
                    outcome = "ok"
                finally:
                    usage = Usage(tokens[0])
                    if outcome == "ok":
                        ticket.pays(usage)
                        entry.note(prompt_tokens=tokens[0])
                    else:  # what was read is not known: it costs what was estimated, or leaving early would be free
                        ticket.was_cut(0)
                    first_token_s = time.perf_counter() - started if outcome == "ok" else None
                    self.complete.metrics.generation(
                        model=engine.model, outcome=outcome, usage=usage, first_token_s=first_token_s
                    )

    def _cut(self, vector: list[float], dimensions: int, model: str) -> list[float]:
        if dimensions == len(vector):
            return vector
        if dimensions > len(vector) or not self.may_cut(model, dimensions):
            raise BadRequest(
                f"The vectors of {model} have {len(vector)} numbers and can't be cut to {dimensions}: it was not"
                " trained for that.",
                hint="Leave 'dimensions' out.",
                code="unsupported_value",
                param="dimensions",
            )
        kept = vector[:dimensions]
        length = math.sqrt(sum(number * number for number in kept)) or 1.0
        return [number / length for number in kept]


async def _vectors(engine: Engine, inputs: Sequence[Input]) -> tuple[list[list[float]], int]:
    if isinstance(engine, CountsTokens):
        found = await engine.vectors(inputs)
        return found.vectors, found.prompt_tokens
    if not all(isinstance(text, str) for text in inputs):
        raise BadRequest("This model takes texts, not token numbers.", param="input")
    texts = cast("Sequence[str]", inputs)
    vectors: Any = await engine.embed(texts)
    return vectors, sum([len(await engine.tokenise(text)) for text in texts])


def _logistic(score: float) -> float:
    """A ranking head's score as a number from 0 to 1, in the same order."""
    return 1 / (1 + math.exp(-score)) if score > -700 else 0.0
