"""The configured embedder: prefixes, cuts that are counted, deadlines, and when it is not used."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from intramuros.engines.embedder import AT_ONCE, SPECIAL_TOKENS, Embedder
from intramuros.engines.engine import Health
from intramuros.errors import ContextOverflow, EngineDied, EngineError, IntramurosError, ModelNotFound
from intramuros.models.catalogue import Catalogue, Embedding, load
from intramuros.models.installed import InstalledModel
from intramuros.storage import vectors
from tests.models import engines, tiny
from tests.scripted import ScriptedEngine

CONTEXT = SPECIAL_TOKENS + 10


@dataclass
class Words(ScriptedEngine):
    """One token a word; a vector that says how many there were."""

    batches: list[list[str]] = field(default_factory=list)
    late: bool = False
    zeros: bool = False

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        if self.late:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error
        if any(len(text.split()) > CONTEXT - SPECIAL_TOKENS for text in texts):
            raise ContextOverflow("too long", prompt_tokens=99, context_tokens=CONTEXT)
        self.batches.append(list(texts))
        return [[0.0, 0.0] if self.zeros else [1.0, float(len(text.split()))] for text in texts]

    async def tokenise(self, text: str) -> list[int]:
        return list(range(len(text.split())))

    async def health(self) -> Health:
        return Health("ready", context_tokens=CONTEXT)


class Pool:
    def __init__(self, engine: Words) -> None:
        self.only = engine

    @asynccontextmanager
    async def engine(self, name: str) -> AsyncIterator[Words]:
        assert name == "mine"
        yield self.only


class Models(engines.Shelf):
    def get(self, name: str) -> InstalledModel:
        if name not in self.models:
            raise ModelNotFound(f"The model {name!r} is not installed.")
        return self.models[name]


@dataclass
class Parts:
    """An embedder on a scripted engine, and what it stands on."""

    model: InstalledModel
    engine: Words
    embedder: Embedder
    models: Models


def catalogue(model: InstalledModel, weight: float | None = 0.5) -> Catalogue:
    entry = load().get("bge-m3")
    embedding = Embedding(weight, query_prefix="q: ", passage_prefix="p: ")
    return Catalogue((load().starter, replace(entry, sha256=model.sha256, embedding=embedding)))


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    model = engines.installed(tiny.embedder(tmp_path / "tiny.gguf"), "mine")
    engine, models = Words(), Models({"mine": model})
    embedder = Embedder("mine", models=models, catalogue=catalogue(model), pool=Pool(engine), deadline_s=0.05)
    return Parts(model, engine, embedder, models)


async def test_questions_and_passages_have_their_prefixes(parts: Parts) -> None:
    made = await parts.embedder.question("Quel est le préavis ?")
    assert made is not None and made.vector
    assert (made.model, made.weight) == (parts.model.sha256, 0.5)
    await parts.embedder.passages(["un", "deux"], model=parts.model.sha256)
    assert parts.engine.batches == [["q: Quel est le préavis ?"], ["p: un", "p: deux"]]


async def test_passages_come_back_in_order_a_few_at_a_time(parts: Parts) -> None:
    texts = ["mot " * (number % 5 + 1) for number in range(AT_ONCE * 2 + 1)]
    made = await parts.embedder.passages(texts, model=parts.model.sha256)
    assert [len(batch) for batch in parts.engine.batches] == [AT_ONCE, AT_ONCE, 1]
    lengths = [len(f"p: {text}".split()) for text in texts]
    assert [one.vector for one in made] == [vectors.quantised([1.0, length]) for length in lengths]
    assert {one.cut_tokens for one in made} == {0}


async def test_what_does_not_fit_is_cut_and_counted(parts: Parts) -> None:
    made = await parts.embedder.passages(["court", "mot " * 100, "court"], model=parts.model.sha256)
    sent = [text for batch in parts.engine.batches for text in batch]
    kept = len(sent[1].split())
    assert 5 <= kept <= CONTEXT - SPECIAL_TOKENS
    assert [one.cut_tokens for one in made] == [0, 101 - kept, 0]
    assert sent[0] == sent[2] == "p: court"


async def test_a_late_question_goes_by_its_words(parts: Parts, caplog: pytest.LogCaptureFixture) -> None:
    parts.engine.late = True
    made = await parts.embedder.question("Quel préavis ?")
    assert made is not None and made.vector == b""
    assert "words alone" in caplog.text
    assert "préavis" not in caplog.text


@pytest.mark.parametrize("error", [EngineDied(), ContextOverflow("long", prompt_tokens=9, context_tokens=8)])
async def test_a_question_that_fails_goes_by_its_words(
    parts: Parts, error: IntramurosError, caplog: pytest.LogCaptureFixture
) -> None:
    parts.engine.error = error
    made = await parts.embedder.question("Quel préavis ?")
    assert made is not None and made.vector == b""
    assert error.message in caplog.text


async def test_a_vector_that_points_nowhere_is_an_error(parts: Parts) -> None:
    parts.engine.zeros = True
    with pytest.raises(EngineError, match="nowhere"):
        await parts.embedder.passages(["un"], model=parts.model.sha256)


async def test_an_empty_question_has_no_vector(parts: Parts) -> None:
    assert await parts.embedder.question("  ") is None


async def test_the_passages_of_another_embedder_are_not_made(parts: Parts) -> None:
    with pytest.raises(ModelNotFound, match="changed"):
        await parts.embedder.passages(["un"], model="other")


@pytest.mark.parametrize("why", ["none", "missing", "unworthy", "unknown", "no sqlite-vec"])
async def test_when_it_is_not_used(parts: Parts, why: str, caplog: pytest.LogCaptureFixture) -> None:
    worth = {"unworthy": catalogue(parts.model, None), "unknown": load()}.get(why, catalogue(parts.model))
    embedder = Embedder(
        {"none": None, "missing": "gone"}.get(why, "mine"),
        models=parts.models,
        catalogue=worth,
        pool=Pool(parts.engine),
        can_compare=lambda: why != "no sqlite-vec",
    )
    with caplog.at_level(logging.INFO):
        assert embedder.model is None
        assert await embedder.question("Quel préavis ?") is None
        await embedder.load()
    assert parts.engine.batches == []
    (line,) = caplog.records  # once, however often it is asked
    assert "words alone" in line.message
    assert line.levelno == (logging.INFO if why == "none" else logging.WARNING)
    assert embedder.standing().reason == line.message


async def test_one_that_is_installed_later_counts_at_once(parts: Parts) -> None:
    parts.models.models.clear()
    assert await parts.embedder.question("Quel préavis ?") is None
    parts.models.models["mine"] = parts.model
    assert await parts.embedder.question("Quel préavis ?") is not None
