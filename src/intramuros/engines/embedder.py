"""Turns passages and questions into vectors with the configured embedder, if it is worth it.

Built by `app`, which hands it to ingestion (passages) and to search (questions). Which embedder is in use is looked
up at every call, so one that is installed or removed meanwhile counts at once. Knows no documents and stores nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from intramuros.engines.engine import Engine
from intramuros.errors import ContextOverflow, EngineError, IntramurosError, ModelFileError, ModelNotFound
from intramuros.models.catalogue import Catalogue, Embedding
from intramuros.models.embedding import Standing, standing
from intramuros.models.installed import InstalledModel
from intramuros.storage import vectors

log = logging.getLogger(__name__)

DEADLINE_S = 3.0
"""How long a question waits for its vector, a load of the model included; then it is searched by its words alone."""
AT_ONCE = 4
"""Passages asked for in one go: a question that comes meanwhile waits for no more than these."""
SPECIAL_TOKENS = 8
"""Room for what a model puts around a text."""


class Models(Protocol):
    """The installed models."""

    def get(self, name: str) -> InstalledModel:
        """The model of this name. Raises: ModelNotFound, ModelFileError."""
        ...


class Pool(Protocol):
    """Where engines come from."""

    def engine(self, name: str) -> AbstractAsyncContextManager[Engine]:
        """The engine that runs this model, loaded if need be."""
        ...


class Embedded(NamedTuple):
    """The vector of a text, as `storage.vectors` keeps it, and how many of its tokens were cut off before."""

    vector: bytes
    cut_tokens: int


@dataclass(frozen=True, slots=True)
class QuestionVector:
    """The vector of a question; empty when it could not be made in time, and the question has to do without."""

    vector: bytes
    model: str
    weight: float


@dataclass(frozen=True, slots=True)
class _Active:
    model: InstalledModel
    embedding: Embedding
    weight: float


class Embedder:
    """The embedder of this installation: the installed model called `name`, if the catalogue finds it worth fusing."""

    def __init__(
        self,
        name: str | None,
        *,
        models: Models,
        catalogue: Catalogue,
        pool: Pool,
        can_compare: Callable[[], bool] = lambda: True,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self.name, self.deadline_s = name, deadline_s
        self._models, self._catalogue, self._pool, self._can_compare = models, catalogue, pool, can_compare
        self._said = ""

    @property
    def model(self) -> str | None:
        """The SHA-256 of the embedder in use; None when search goes by words alone."""
        active = self._active()
        return active.model.sha256 if active else None

    def standing(self) -> Standing:
        """Whether an embedder is in use, and why, in plain words."""
        return self._judged()[1]

    async def load(self) -> None:
        """Has the model ready before the first question; a failure is told to whoever asks one."""
        if active := self._active():
            with contextlib.suppress(IntramurosError):
                async with self._pool.engine(active.model.name):
                    pass

    async def question(self, text: str) -> QuestionVector | None:
        """The vector of a question, None when no embedder is in use. One that fails or is late leaves it empty."""
        active = self._active()
        if active is None or not text.strip():
            return None
        vector = b""
        try:
            async with asyncio.timeout(self.deadline_s), self._pool.engine(active.model.name) as engine:
                [made] = await _plain(engine, [active.embedding.query_prefix + text])
                vector = made.vector
        except TimeoutError:
            log.warning("%s made no vector in %.1f s: searched by words alone", active.model.name, self.deadline_s)
        except IntramurosError as error:
            log.warning("%s made no vector (%s): searched by words alone", active.model.name, error.message)
        return QuestionVector(vector, active.model.sha256, active.weight)

    async def passages(self, texts: Sequence[str], *, model: str) -> list[Embedded]:
        """The vectors of passages, in order, by the embedder of this SHA-256; too long ones are cut and counted.

        Raises: ModelNotFound when another embedder is in use by now, EngineError, ModelTooLarge.
        """
        active = self._active()
        if active is None or active.model.sha256 != model:
            raise ModelNotFound("The embedder was changed.")
        made: list[Embedded] = []
        async with self._pool.engine(active.model.name) as engine:
            for start in range(0, len(texts), AT_ONCE):
                part = [active.embedding.passage_prefix + text for text in texts[start : start + AT_ONCE]]
                try:
                    made += await _plain(engine, part)
                except ContextOverflow:
                    made += [await _cut(engine, text) for text in part]
        return made

    def _active(self) -> _Active | None:
        model, judged = self._judged()
        if judged.reason != self._said:
            self._said = judged.reason
            log.log(logging.INFO if judged.is_fused or self.name is None else logging.WARNING, "%s", judged.reason)
        embedding = judged.embedding
        if model is None or embedding is None or embedding.fusion_weight is None:
            return None
        return _Active(model, embedding, embedding.fusion_weight)

    def _judged(self) -> tuple[InstalledModel | None, Standing]:
        if self.name is None:
            return None, Standing(None, "no embedder is configured: search goes by words alone")
        try:
            model = self._models.get(self.name)
        except (ModelNotFound, ModelFileError) as error:
            return None, Standing(None, f"{error.message} It is the embedder: search goes by words alone")
        if not self._can_compare():
            return model, Standing(None, "sqlite-vec can't be loaded: search goes by words alone")
        return model, standing(model, self._catalogue)


async def _plain(engine: Engine, texts: Sequence[str]) -> list[Embedded]:
    try:
        return [Embedded(vectors.quantised(values), 0) for values in await engine.embed(texts)]
    except ValueError as error:
        raise EngineError("The embedder made a vector that points nowhere.") from error


async def _cut(engine: Engine, text: str) -> Embedded:
    """The vector of as much of a text as the model reads."""
    room = (await engine.health()).context_tokens - SPECIAL_TOKENS
    tokens = kept = len(await engine.tokenise(text))
    while kept > room and text:
        text = text[: min(len(text) - 1, int(len(text) * room / kept))] if room > 0 else ""
        kept = len(await engine.tokenise(text))
    [made] = await _plain(engine, [text])
    return Embedded(made.vector, tokens - kept)
