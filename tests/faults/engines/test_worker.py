"""Workers that are killed, hang, or lose their parent."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from intramuros.engines.local import LocalEngine
from intramuros.engines.published import began
from intramuros.engines.run import Run
from intramuros.engines.runners import Runner
from intramuros.engines.starting import Starter
from intramuros.errors import EngineDied, EngineTimeout
from tests.models import encoders, engines, folders, tiny
from tests.models.engines import HELLO, LONG, processing, running, until

SPOILT = """
import sys, time

sys.path.remove({folder!r})
del sys.modules["safetensors"]
import safetensors, torch

computed = torch.nn.functional.linear

def linear(given, *more):
    tokens = given.shape[-2] if given.dim() > 1 else 0
    time.sleep(0.04 if 100 <= tokens < 110 else 600 if tokens >= 110 else 0)
    return computed(given, *more)

torch.nn.functional.linear = linear
"""
"""Found by a worker before safetensors, which it loads: 100 tokens are computed slowly, and 110 never."""


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[LocalEngine]:
    chosen = engines.settings(tmp_path, engine_silence_s=0.8)
    model = engines.installed(tiny.chat(tmp_path / "tiny.gguf", layers=16))
    async with running(model, chosen) as engine:
        yield engine


async def test_a_worker_killed_in_mid_stream_is_replaced(engine: LocalEngine) -> None:
    first = engine.pid
    async with aclosing(engine.stream(LONG)) as chunks:
        await anext(chunks)
        os.kill(first, signal.SIGKILL)
        with pytest.raises(EngineDied) as error:
            async for _ in chunks:
                pass
    assert error.value.retry and engine.active == 0
    reply = await engine.generate(HELLO | {"max_tokens": 3})
    assert reply.usage.completion_tokens == 3
    assert engine.pid != first and engine.state.restarts == 1
    assert await processing(engine) == 0


async def test_a_worker_killed_while_idle_is_replaced_before_the_next_request(engine: LocalEngine) -> None:
    first = engine.pid
    os.kill(first, signal.SIGKILL)
    await until(lambda: not began(first))
    assert (await engine.generate(HELLO | {"max_tokens": 1})).finish_reason == "length"


async def test_a_graph_that_never_ends_is_a_timeout(tmp_path: Path) -> None:
    """The probe asks for a turn to compute, so it sees that the engine does not go round."""
    made = encoders.encoder(tmp_path / "encoder", shape=encoders.Shape(positions=256))
    encoders.never_ending(made.folder / "onnx/model.onnx", from_tokens=128)  # what is computed at the load ends
    async with running(
        engines.installed_folder(made.folder), engines.settings(tmp_path, engine_silence_s=1.5)
    ) as encoder:
        assert await encoder.embed(["a"]) == pytest.approx(made.vector("a")[None], abs=1e-5)
        with pytest.raises(EngineTimeout):
            await encoder.embed(["a " * 200])
        assert await encoder.embed(["a"]) == pytest.approx(made.vector("a")[None], abs=1e-5)


@pytest.fixture
def spoilt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Has workers with `transformers` find a library that hangs."""
    folders.needs_transformers()
    (folder := tmp_path / "first").mkdir()
    (folder / "safetensors.py").write_text(SPOILT.format(folder=str(folder)))
    found = Runner.module_folders
    monkeypatch.setattr(Runner, "module_folders", lambda self: [str(folder), *found(self)])


@pytest.mark.usefixtures("spoilt")
async def test_an_answer_that_is_never_computed_is_a_timeout_and_a_slow_one_is_not(tmp_path: Path) -> None:
    """The threads that take requests go on; only the one that computes tells."""
    model = engines.installed_folder(folders.chat(tmp_path / "tiny", layers=16))
    async with running(model, engines.settings(tmp_path, engine_silence_s=4)) as engine:
        first = engine.pid
        slow = await engine.generate({"prompt": "a" * 100, "max_tokens": 2})
        assert slow.usage.completion_tokens == 2 and engine.restarts == 0
        async with asyncio.timeout(60):
            with pytest.raises(EngineTimeout):
                await engine.generate({"prompt": "b" * 120, "max_tokens": 2})
            assert (await engine.generate(HELLO | {"max_tokens": 2})).usage.completion_tokens == 2
        assert engine.restarts == 1 and engine.pid != first and not began(first)


@pytest.mark.usefixtures("spoilt")
async def test_a_vector_that_is_never_computed_is_a_timeout(tmp_path: Path) -> None:
    model = engines.installed_folder(folders.embedder(tmp_path / "tiny"))
    async with running(model, engines.settings(tmp_path, engine_silence_s=1.5)) as engine:
        async with asyncio.timeout(60):
            with pytest.raises(EngineTimeout):
                await engine.embed(["a" * 120])
            assert len(await engine.embed(["a"])) == 1
        assert engine.restarts == 1


async def test_a_worker_that_can_not_be_started_in_a_way_nobody_foresaw_is_tried_again(
    engine: LocalEngine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tries, run = [], Starter.run

    async def fails_once(starter: Starter) -> Run:
        tries.append(1)
        if len(tries) == 1:
            raise OSError("no process for dupont")
        return await run(starter)

    monkeypatch.setattr(Starter, "run", fails_once)
    os.kill(engine.pid, signal.SIGKILL)
    await until(lambda: engine.pid == 0)
    assert (await engine.generate(HELLO | {"max_tokens": 1})).usage.completion_tokens == 1
    assert "does not start: OSError" in caplog.text and "dupont" not in caplog.text


async def test_a_worker_whose_end_fails_is_replaced_all_the_same(
    engine: LocalEngine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    end = Starter.end

    async def fails(starter: Starter, run: Run) -> None:
        await end(starter, run)
        raise OSError("no socket of dupont")

    with monkeypatch.context() as once:
        once.setattr(Starter, "end", fails)
        os.kill(engine.pid, signal.SIGKILL)
        async with asyncio.timeout(60):
            await until(lambda: engine.restarts == 1, within_s=60)
            assert (await engine.generate(HELLO | {"max_tokens": 1})).usage.completion_tokens == 1
    assert "end the engine of tiny failed: OSError" in caplog.text and "dupont" not in caplog.text


async def test_pauses_between_restarts_double(engine: LocalEngine) -> None:
    pauses = []
    for _ in range(3):
        pid, start = engine.pid, time.monotonic()
        os.kill(pid, signal.SIGKILL)
        await until(lambda pid=pid: engine.pid not in (0, pid))  # type: ignore[misc]
        pauses.append(time.monotonic() - start)
    assert pauses[1] > 0.2 and pauses[2] > 0.4
    assert engine.state.restarts == 3


async def test_a_hung_worker_is_a_timeout_and_is_replaced(engine: LocalEngine) -> None:
    first = engine.pid
    async with aclosing(engine.stream(LONG)) as chunks:
        await anext(chunks)
        os.kill(first, signal.SIGSTOP)
        start = time.monotonic()
        with pytest.raises(EngineTimeout):
            async for _ in chunks:
                pass
    assert time.monotonic() - start < 3
    assert (await engine.generate(HELLO | {"max_tokens": 1})).usage.completion_tokens == 1
    assert engine.pid != first and not began(first)


async def test_a_busy_worker_does_not_count_as_hung(tmp_path: Path) -> None:
    """Requests that wait for a slot see no token for longer than the limit, while the engine goes round."""
    chosen = engines.settings(tmp_path, engine_silence_s=1.0)
    model = engines.installed(tiny.chat(tmp_path / "slow.gguf", layers=64))
    async with running(model, chosen, slots=1, context_tokens=1024) as engine:
        replies = await asyncio.gather(*(engine.generate(LONG | {"max_tokens": 700}) for _ in range(3)))
    assert [reply.usage.completion_tokens for reply in replies] == [700] * 3
    assert engine.restarts == 0


def test_a_worker_ends_with_its_parent(tmp_path: Path) -> None:
    tiny.chat(tmp_path / "tiny.gguf")
    script = """
        import asyncio, sys
        from pathlib import Path
        from tests.models import engines
        folder = Path(sys.argv[1])
        async def main():
            engine = await engines.start(engines.installed(folder / "tiny.gguf"), engines.settings(folder))
            print(engine.pid, flush=True)
            await asyncio.sleep(60)
        asyncio.run(main())
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3]) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        assert began(worker)
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker, signal.SIGSTOP)  # even one that hangs
        parent.kill()
    deadline = time.monotonic() + 5
    while began(worker) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not began(worker)
