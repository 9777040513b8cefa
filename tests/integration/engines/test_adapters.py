"""Adapters with the real engine: each request gets the one it names, and never what another's made of its prompt."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from intramuros.engines.local import LocalEngine
from intramuros.engines.pool import EnginePool
from intramuros.errors import ModelFileError, ModelNotFound
from intramuros.models.catalogue import load
from intramuros.models.download import pull
from intramuros.models.installed import InstalledModels
from intramuros.models.manifest import InstalledModel
from intramuros.models.parts import ADAPTER
from intramuros.privacy.egress import Egress
from tests.models import engines, tiny

TEXTS = ("A letter about the lease. " * 6, "A question on an invoice of May. " * 6, "Something else, and longer. " * 8)
WHO = (None, "formal", "brief")
LEAST_EFFECT, MOST_NOISE = 1.0, 0.2
"""Between the logarithms of likelihoods: what an adapter changes at least, what a cached prompt may."""


async def install(models: InstalledModels, file: Path, name: str, model: str = "tiny") -> Any:
    place = models.beside(model, ADAPTER)
    return await pull(str(file), to=place, egress=Egress(), progress=lambda _: None, name=name)


@pytest.fixture
async def models(tmp_path: Path) -> InstalledModels:
    made = InstalledModels(tmp_path / "data" / "models", load(), key=bytes(32))
    made.add_file(tiny.chat(tmp_path / "tiny.gguf"), "tiny")
    for seed, name in enumerate(WHO[1:], start=2):
        await install(made, tiny.adapter(tmp_path / f"{name}.gguf", seed=seed, rank=seed), str(name))
    return made


@asynccontextmanager
async def running(model: InstalledModel, folder: Path, **changes: Any) -> AsyncIterator[LocalEngine]:
    chosen = engines.settings(folder)
    chosen.run_folder.mkdir(parents=True, exist_ok=True)
    async with engines.running(model, chosen, **changes) as engine:
        yield engine


async def likelihoods(engine: LocalEngine, text: str, adapter: str | None, **more: Any) -> dict[str, float]:
    """What the first token may be, with the logarithms of its likelihoods."""
    asked = {"messages": [{"role": "user", "content": text}], "max_tokens": 1, "temperature": 0}
    asked |= {"logprobs": True, "top_logprobs": 20} | ({"adapter": adapter} if adapter else {}) | more
    reply = await engine.generate(asked)
    return {one["token"]: one["logprob"] for one in reply.raw["choices"][0]["logprobs"]["content"][0]["top_logprobs"]}


def distance(one: dict[str, float], other: dict[str, float]) -> float:
    both = set(one) & set(other)
    return max(abs(one[token] - other[token]) for token in both) if len(both) > len(one) / 2 else math.inf


@pytest.mark.parametrize("slots", [1, 3])
async def test_an_answer_with_an_adapter_is_as_if_it_were_alone(
    models: InstalledModels, tmp_path: Path, slots: int
) -> None:
    alone = {}
    for who in WHO:
        for text in TEXTS:  # an engine that has read nothing before
            async with running(models.get("tiny"), tmp_path, slots=1) as engine:
                alone[text, who] = await likelihoods(engine, text, who)
    for text in TEXTS:
        assert distance(alone[text, None], alone[text, "formal"]) > LEAST_EFFECT
        assert distance(alone[text, "brief"], alone[text, "formal"]) > LEAST_EFFECT
    drawn = random.Random(1)
    async with running(models.get("tiny"), tmp_path, slots=slots, prompt_cache_mib=64) as engine:
        for _ in range(60):
            text, who = drawn.choice(TEXTS), drawn.choice(WHO)
            assert distance(await likelihoods(engine, text, who), alone[text, who]) < MOST_NOISE, (text[:9], who)


async def test_a_stream_and_a_text_to_go_on_with_have_their_adapter(models: InstalledModels, tmp_path: Path) -> None:
    async with running(models.get("tiny"), tmp_path) as engine:
        for asked in (engines.HELLO | {"max_tokens": 12}, {"prompt": "Bonjour", "temperature": 0, "max_tokens": 12}):
            plain, formal = [(await engine.generate(asked | one)).text for one in ({}, {"adapter": "formal"})]
            assert plain != formal
            raw = [chunk async for chunk in engine.stream(asked | {"adapter": "formal"})]
            assert "adapter" not in b"".join(raw).decode()


async def test_who_asks_chooses_no_scale_of_their_own(models: InstalledModels, tmp_path: Path) -> None:
    async with running(models.get("tiny"), tmp_path) as engine:
        plain = await likelihoods(engine, TEXTS[0], None)
        forced = await likelihoods(engine, TEXTS[0], None, lora=[{"id": 0, "scale": 1.0}])
        assert distance(plain, forced) < MOST_NOISE
        with pytest.raises(ModelNotFound):
            await likelihoods(engine, TEXTS[0], "unknown")


async def test_a_sealed_model_has_sealed_adapters(models: InstalledModels, tmp_path: Path) -> None:
    async with running(models.get("tiny"), tmp_path) as engine:
        before = await likelihoods(engine, TEXTS[0], "formal")
    model = models.seal("tiny")
    await install(models, tiny.adapter(tmp_path / "third.gguf", seed=9), "third")
    kept = [path for path in (models.folder / "tiny").rglob("*") if path.is_file()]
    assert {path.suffix for path in kept} == {".json", ".sealed"}
    for path in kept:
        content = path.read_bytes()
        assert not any(sign in content for sign in (b"GGUF", b"lora_a", b"general.architecture")), path.name
    assert all(part.is_sealed for part in models.get("tiny").parts) and model.is_sealed
    async with running(models.get("tiny"), tmp_path) as engine:
        assert distance(await likelihoods(engine, TEXTS[0], "formal"), before) < MOST_NOISE
        assert distance(await likelihoods(engine, TEXTS[0], "third"), before) > LEAST_EFFECT


async def test_an_adapter_that_comes_or_goes_renews_the_engine_and_breaks_no_answer(
    models: InstalledModels, tmp_path: Path
) -> None:
    chosen = engines.settings(tmp_path)
    chosen.run_folder.mkdir(parents=True, exist_ok=True)
    pool = EnginePool(models, chosen, egress=Egress(), remember=engines.Memory())
    third = tiny.adapter(tmp_path / "third.gguf", seed=9)
    try:
        async with pool.engine("tiny") as first:
            stream = first.stream(engines.HELLO | {"max_tokens": 300, "ignore_eos": True, "adapter": "formal"})
            chunks = [await anext(stream)]
            await install(models, third, "third")
            later = asyncio.create_task(asked_of(pool, "third"))
            chunks += [chunk async for chunk in stream]
            assert len(chunks) > 250, "what was being written is written to its end"
        assert await later
        models.beside("tiny", ADAPTER).remove("third")
        with pytest.raises(ModelNotFound):
            await asked_of(pool, "third")
        assert await asked_of(pool, "brief")
    finally:
        await pool.stop()


async def asked_of(pool: EnginePool, adapter: str) -> str:
    async with pool.engine("tiny") as engine:
        return (await engine.generate(engines.HELLO | {"max_tokens": 8, "adapter": adapter})).text


async def test_a_changed_adapter_is_not_loaded(models: InstalledModels, tmp_path: Path) -> None:
    path = models.get("tiny").adapters[0].path
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)
    chosen = engines.settings(tmp_path)
    chosen.run_folder.mkdir(parents=True, exist_ok=True)
    pool = EnginePool(models, chosen, egress=Egress(), remember=engines.Memory())
    try:
        with pytest.raises(ModelFileError, match="tiny:brief has changed"):
            await asked_of(pool, "formal")
    finally:
        await pool.stop()


async def test_the_engine_counts_what_adapters_take(models: InstalledModels, tmp_path: Path) -> None:
    async with running(models.get("tiny"), tmp_path) as engine:
        with_them = engine.footprint
    for part in models.get("tiny").adapters:
        models.beside("tiny", ADAPTER).remove(part.name)
    async with running(models.get("tiny"), tmp_path) as engine:
        without = engine.footprint
    assert with_them is not None and without is not None
    assert with_them.weights_bytes > without.weights_bytes
