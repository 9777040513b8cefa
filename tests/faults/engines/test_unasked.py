"""Engines that go on computing with nothing to do are ended; those that work for somebody are not."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from intramuros.engines import local, unasked
from intramuros.engines.local import LocalEngine
from intramuros.engines.published import began
from intramuros.engines.unasked import Patience, processor_s
from intramuros.errors import EngineDied
from tests.models import encoders, engines, tiny
from tests.models.engines import HELLO, LONG, running, until

SAID = "it used the processor with nothing to do"
USED_S = 0.3


@pytest.fixture(autouse=True)
def silences(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """As in two minutes of an installation; how long steps of the engines may take, as the settings say."""
    found: list[float] = []

    def impatient(silence_s: float) -> Patience:
        found.append(silence_s)
        return Patience(finishing_s=0.3, unasked_s=USED_S, look_every_s=0.05)

    monkeypatch.setattr(local, "patience_of", impatient)
    return found


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[LocalEngine]:
    model = engines.installed(tiny.chat(tmp_path / "tiny.gguf", layers=64))
    async with running(model, engines.settings(tmp_path)) as engine:
        yield engine


async def test_an_engine_that_computes_for_nobody_is_ended_and_the_log_says_why(
    engine: LocalEngine, caplog: pytest.LogCaptureFixture
) -> None:
    first, run = engine.pid, engine._run
    assert run is not None
    with caplog.at_level(logging.WARNING), contextlib.suppress(EngineDied):
        async with aclosing(run.http.stream(LONG)) as chunks:  # past what counts requests: as one gone wild
            async for _ in chunks:
                pass
            pytest.fail("it was left to compute")
    await until(lambda: engine.pid not in (0, first))
    assert not began(first) and SAID in caplog.text
    assert (await engine.generate(HELLO | {"max_tokens": 1})).usage.completion_tokens == 1


async def test_a_computation_that_outlives_the_request_it_was_for_is_ended(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody asks whether it goes round any more, once its client has given up."""
    made = encoders.encoder(tmp_path / "encoder", shape=encoders.Shape(positions=256))
    encoders.never_ending(made.folder / "onnx/model.onnx", from_tokens=128)
    async with running(engines.installed_folder(made.folder), engines.settings(tmp_path)) as encoder:
        first = encoder.pid
        asking = asyncio.create_task(encoder.embed(["a " * 200]))
        await until(lambda: (processor_s(first) or 0) > 0 and encoder.active == 1)
        asking.cancel()
        with caplog.at_level(logging.WARNING):
            await until(lambda: encoder.pid not in (0, first))
        assert SAID in caplog.text
        assert len(await encoder.embed(["a"])) == 1


async def test_an_engine_that_works_for_somebody_may_use_all_it_needs(engine: LocalEngine) -> None:
    before = processor_s(engine.pid)
    reply = await engine.generate(LONG)
    used = processor_s(engine.pid)
    assert before is not None and used is not None and used - before > 2 * USED_S, "too little to prove anything"
    assert reply.usage.completion_tokens == 900 and engine.restarts == 0


async def test_an_engine_that_works_for_another_process_may_use_all_it_needs(
    engine: LocalEngine, tmp_path: Path
) -> None:
    before = processor_s(engine.pid)
    async with running(engine.installed, engines.settings(tmp_path)) as other:
        assert other.pid == engine.pid and not other.is_ours
        await other.generate(LONG)
        assert engine.active == 0
    used = processor_s(engine.pid)
    assert before is not None and used is not None and used - before > 2 * USED_S, "too little to prove anything"
    assert engine.restarts == 0


async def test_one_whose_steps_may_take_long_is_left_to_finish_one(engine: LocalEngine, silences: list[float]) -> None:
    """On a slow machine a batch of a large model takes minutes, and who sets `engine_silence_s` says so."""
    await until(lambda: bool(silences))
    assert silences == [engine.settings.engine_silence_s]
    assert [unasked.patience_of(silence_s).finishing_s for silence_s in (5, 900)] == [120, 900]


async def test_an_idle_engine_stays(engine: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    first, looks = engine.pid, list[int]()

    def looked(pid: int) -> float | None:
        looks.append(pid)
        return processor_s(pid)

    monkeypatch.setattr(unasked, "processor_s", looked)
    await until(lambda: len(looks) > 20, within_s=20)
    assert engine.pid == first and engine.restarts == 0
