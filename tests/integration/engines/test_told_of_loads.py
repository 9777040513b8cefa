"""Who waits for a model hears how far its load is, and may leave: on real workers, held while they load."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from intramuros.engines import pool as pools
from intramuros.engines.loading import Coming
from intramuros.engines.local import LocalEngine
from intramuros.engines.pool import EnginePool
from intramuros.errors import EngineLoadFailed
from intramuros.privacy.egress import Egress
from tests.models import engines, tiny
from tests.models.engines import Shelf, until


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "FIRST_TOLD_S", 0.01)
    monkeypatch.setattr(pools, "TOLD_EVERY_S", 0.01)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Workers start once this is set; `starts` counts them."""
    go, start = asyncio.Event(), LocalEngine.start

    async def starts(*given: Any, **more: Any) -> LocalEngine:
        await go.wait()
        return await start(*given, **more)

    monkeypatch.setattr(LocalEngine, "start", starts)
    return go


@pytest.fixture
async def pool(tmp_path: Path) -> AsyncIterator[EnginePool]:
    path = tiny.chat(tmp_path / "one.gguf")
    one = replace(engines.installed(path, "one"), sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    made = EnginePool(Shelf({"one": one, "default": one}), engines.settings(tmp_path), egress=Egress())
    yield made
    await made.stop()


async def heard(pool: EnginePool, into: list[Coming], name: str = "one") -> None:
    coming = pool.loading(name)
    assert coming is not None
    async with aclosing(coming) as moments:
        async for moment in moments:
            into.append(moment)


async def test_who_waits_is_told_until_the_model_is_there(pool: EnginePool, held: asyncio.Event) -> None:
    said: list[Coming] = []
    waiting = asyncio.create_task(heard(pool, said, "default"))
    await until(lambda: len(said) >= 3)
    assert {moment.model for moment in said} == {"one"} and not waiting.done()
    held.set()
    await waiting
    assert pool.states()["one"].state == "ready" and pool.seats["one"].users == 0
    assert pool.loading("one") is None and pool.loading("default") is None, "it is there: nothing to tell"


async def test_who_leaves_gives_its_place_back_and_the_load_goes_on(pool: EnginePool, held: asyncio.Event) -> None:
    """However one leaves: cancelled while nothing is said, or by closing after something was."""
    waiting = asyncio.create_task(heard(pool, []))
    await until(lambda: "one" in pool.seats)
    coming = pool.loading("one")
    assert coming is not None
    async with aclosing(coming) as moments:
        await anext(moments)
        assert pool.seats["one"].users == 2
    assert pool.seats["one"].users == 1
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert pool.seats["one"].users == 0 and pool.states()["one"].state == "loading"
    held.set()
    async with pool.engine("one") as engine:
        assert engine.model == "one" and pool.seats["one"].users == 1


async def test_a_load_that_fails_is_told_once_and_not_begun_again(
    pool: EnginePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = 0

    async def starts(*_: Any, **__: Any) -> LocalEngine:
        nonlocal begun
        begun += 1
        await asyncio.sleep(0.05)
        raise EngineLoadFailed("no")

    monkeypatch.setattr(LocalEngine, "start", starts)
    with pytest.raises(EngineLoadFailed):
        await heard(pool, [])
    assert begun == 1 and pool.seats["one"].users == 0


async def test_a_pool_that_stops_meanwhile_says_so(pool: EnginePool, held: asyncio.Event) -> None:
    said: list[Coming] = []
    waiting = asyncio.create_task(heard(pool, said))
    await until(lambda: said)
    await pool.stop()
    with pytest.raises(Exception, match="stopped"):
        await waiting
