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
from intramuros.errors import EngineDied, EngineTimeout
from tests.models import engines, tiny
from tests.models.engines import HELLO, LONG, processing, running, until


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
    chosen = engines.settings(tmp_path, engine_silence_s=0.4)
    model = engines.installed(tiny.chat(tmp_path / "slow.gguf", layers=64))
    async with running(model, chosen, slots=1, context_tokens=1024) as engine:
        replies = await asyncio.gather(*(engine.generate(LONG | {"max_tokens": 300}) for _ in range(3)))
    assert [reply.usage.completion_tokens for reply in replies] == [300] * 3
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
