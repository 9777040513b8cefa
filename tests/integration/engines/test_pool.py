"""The pool on real workers: one load for many, unloading, what is remembered, and files that changed."""

from __future__ import annotations

import asyncio
import errno
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from intramuros.background import begin_always
from intramuros.engines import autotune, measures
from intramuros.engines.autotune import Tuned
from intramuros.engines.forgetting import Forgetting
from intramuros.engines.loading import Load, LoadProgress
from intramuros.engines.local import LocalEngine
from intramuros.engines.pool import EnginePool
from intramuros.engines.published import Notice, Notices, began
from intramuros.errors import EngineLoadFailed, ModelFileError, StorageFull
from intramuros.models.installed import InstalledModel
from intramuros.models.manifest import Stored
from intramuros.privacy.egress import Egress
from intramuros.storage.database import Database
from tests.models import engines, tiny
from tests.models.engines import HELLO, LONG, Memory, Shelf, until


def installed(path: Path, name: str) -> InstalledModel:
    return replace(engines.installed(path, name), sha256=hashlib.sha256(path.read_bytes()).hexdigest())


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    one = installed(tiny.chat(tmp_path / "one.gguf"), "one")
    two = installed(tiny.embedder(tmp_path / "two.gguf"), "two")
    return Shelf({"one": one, "default": one, "two": two})


class Pools:
    """Pools of the same user on the same data."""

    def __init__(self, tmp_path: Path, shelf: Shelf) -> None:
        self.tmp_path, self.shelf, self.opened = tmp_path, shelf, list[EnginePool]()

    def open(self, remember: Memory | None = None, **more: Any) -> EnginePool:
        chosen = engines.settings(self.tmp_path, **more)
        opened = EnginePool(self.shelf, chosen, egress=Egress(), remember=remember)
        self.opened.append(opened)
        return opened


@pytest.fixture
async def pools(tmp_path: Path, shelf: Shelf) -> AsyncIterator[Pools]:
    made = Pools(tmp_path, shelf)
    yield made
    for opened in made.opened:
        await opened.stop()


async def borrowed(pool: EnginePool, name: str = "one") -> LocalEngine:
    async with pool.engine(name) as engine:
        assert isinstance(engine, LocalEngine)
        return engine


async def test_many_requests_load_a_model_once(pools: Pools) -> None:
    pool = pools.open()
    found = await asyncio.gather(*(borrowed(pool, name) for name in ("one", "default", "one")))
    assert len({id(engine) for engine in found}) == 1
    assert pool.states()["one"].state == "ready"


async def test_an_idle_engine_is_unloaded_and_comes_back(pools: Pools) -> None:
    pool = pools.open(engine_idle_s=0.2)
    async with pool.engine("one") as engine:
        await asyncio.sleep(0.5)  # in use: stays
        assert (await engine.generate(HELLO | {"max_tokens": 1})).text is not None
        worker = engine.pid  # type: ignore[attr-defined]
    await until(lambda: not began(worker))
    assert "one" not in pool.states()
    assert (await borrowed(pool)).pid != worker


async def test_a_second_process_uses_the_engine_that_is_there(pools: Pools) -> None:
    server, command = pools.open(), pools.open()
    loaded, found = await borrowed(server), await borrowed(command)
    assert found is not loaded and found.pid == loaded.pid
    assert (await found.generate(HELLO | {"max_tokens": 2})).usage.completion_tokens == 2
    await command.stop()
    assert began(loaded.pid) and (await loaded.generate(HELLO | {"max_tokens": 1})).text is not None


async def test_a_process_whose_engine_was_another_ones_loads_its_own_when_that_ends(pools: Pools) -> None:
    server, command = pools.open(), pools.open()
    await borrowed(server)
    engine = await borrowed(command)
    shared = engine.pid
    await server.stop()
    assert (await engine.generate(HELLO | {"max_tokens": 2})).usage.completion_tokens == 2
    assert engine.pid not in (0, shared)


async def test_an_engine_that_another_process_uses_is_not_unloaded(pools: Pools) -> None:
    server, command = pools.open(engine_idle_s=0.1), pools.open()
    worker = (await borrowed(server)).pid
    async with command.engine("one") as engine:
        reply = await engine.generate(LONG)
    assert reply.usage.completion_tokens == 900
    await until(lambda: not began(worker))


async def test_a_failed_load_is_told_and_the_next_request_tries_again(pools: Pools, shelf: Shelf) -> None:
    pool, one = pools.open(), shelf.models["one"]
    whole = one.path.read_bytes()
    one.path.write_bytes(whole[:-20_000])
    for _ in range(2):
        with pytest.raises(EngineLoadFailed, match="corrupted or incomplete"):
            await borrowed(pool)
    assert pool.states()["one"].state == "failed" and "corrupted" in pool.states()["one"].detail
    one.path.write_bytes(whole)
    assert (await borrowed(pool)).state.state == "ready"


async def test_one_flipped_bit_in_the_weights_is_noticed(pools: Pools, shelf: Shelf) -> None:
    memory, path = Memory(), shelf.models["one"].path
    pool = pools.open(memory)
    await borrowed(pool)
    await pool.stop()
    data = bytearray(path.read_bytes())
    data[-5] ^= 4
    path.write_bytes(data)
    with pytest.raises(ModelFileError, match="changed since it was installed"):
        await borrowed(pools.open(memory))


async def test_a_file_is_read_through_only_once(pools: Pools, monkeypatch: pytest.MonkeyPatch) -> None:
    memory, read = Memory(), []
    digest = Stored.digest

    def counted(file: Stored, **more: Any) -> str:
        read.append(file.path.name)
        return digest(file, **more)

    monkeypatch.setattr(Stored, "digest", counted)
    for _ in range(2):
        pool = pools.open(memory)
        await borrowed(pool)
        await pool.stop()
    assert read == ["one.gguf"]


async def test_what_was_measured_is_remembered(pools: Pools, monkeypatch: pytest.MonkeyPatch) -> None:
    memory, measured = Memory(), list[object]()

    async def tune(model: InstalledModel, *arguments: Any, report: autotune.Report, **more: Any) -> Tuned:
        report("threads", 1 / 3)
        state = first.states()[model.name]
        assert state.progress is not None
        measured.append((state.detail, state.progress.done_share))
        return Tuned({"speculation": "ngram-map-k"})

    monkeypatch.setattr(measures, "tune", tune)
    first, second = pools.open(memory, autotune=True), pools.open(memory, autotune=True)
    assert (await borrowed(first)).options.speculation == "ngram-map-k"
    await first.stop()
    assert (await borrowed(second)).options.speculation == "ngram-map-k"
    assert measured == [("measuring threads", 1 / 3)]


async def test_a_load_says_how_far_it_is_and_what_it_takes_is_remembered(
    pools: Pools, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory, seen = Memory(), list[LoadProgress]()
    moved, started = Load.moved, Load.started

    def noted(load: Load, size: int) -> None:
        moved(load, size)
        seen.append(load.progress)

    def watched(load: Load, pid: int) -> None:
        started(load, pid)
        seen.append(load.progress)

    monkeypatch.setattr(Load, "moved", noted)
    monkeypatch.setattr(Load, "started", watched)
    first = pools.open(memory)
    model = (await borrowed(first)).installed
    read = [now for now in seen if now.stage == "checking"]
    assert len(read) > 1 and read[-1].done_bytes == read[-1].total_bytes == model.size_bytes
    assert [now.stage for now in seen[len(read) :]] == ["loading"]
    assert seen[-1].total_bytes and seen[-1].usual_s is None
    assert first.states()[model.name].progress is None
    await first.stop()
    second = pools.open(memory)
    await borrowed(second)
    assert [now.stage for now in seen[len(read) + 1 :]] == ["loading"]  # its file was checked before
    assert seen[-1].usual_s


async def test_a_measurement_that_was_disturbed_is_made_again(pools: Pools, monkeypatch: pytest.MonkeyPatch) -> None:
    memory, measured = Memory(), []

    async def tune(model: InstalledModel, *arguments: Any, **more: Any) -> Tuned:
        measured.append(model.name)
        return Tuned({}, complete=False)

    monkeypatch.setattr(measures, "tune", tune)
    for _ in range(2):
        opened = pools.open(memory, autotune=True)
        await borrowed(opened)
        await opened.stop()
    assert measured == ["one", "one"]


async def test_stopping_while_a_model_loads_leaves_no_worker(pools: Pools) -> None:
    pool = pools.open()
    waiting = asyncio.create_task(borrowed(pool))
    await asyncio.sleep(0.02)
    await pool.stop()
    with pytest.raises(Exception, match="stopped"):
        await waiting
    assert pool.states() == {}


class Full(Memory):
    """Where nothing more can be kept."""

    def save(self, key: str, value: Any) -> None:
        raise StorageFull


async def test_a_model_is_loaded_though_nothing_of_it_can_be_remembered(pools: Pools) -> None:
    pool = pools.open(Full())
    async with pool.engine("one") as engine:
        assert (await engine.generate(HELLO | {"max_tokens": 1})).usage.completion_tokens == 1
    assert pool.states()["one"].state == "ready" and pool.states()["one"].size_bytes


async def test_stopping_while_a_load_is_being_remembered_leaves_no_worker(
    pools: Pools, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = asyncio.Event()

    async def hangs(*_of: Any, **_more: Any) -> None:
        begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(measures.Measures, "note_load", hangs)
    pool = pools.open()
    waiting = asyncio.create_task(borrowed(pool))
    await begun.wait()
    [notice] = Notices(pool.folder).all().values()
    await pool.stop()
    assert not began(notice.pid)
    with pytest.raises(Exception, match="stopped"):
        await waiting


async def test_a_worker_that_nobody_can_be_told_of_is_ended(pools: Pools, monkeypatch: pytest.MonkeyPatch) -> None:
    told = list[Notice]()

    def full(_self: Notices, _name: str, notice: Notice) -> None:
        told.append(notice)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Notices, "publish", full)
    with pytest.raises(EngineLoadFailed, match="No space left"):
        await borrowed(pools.open())
    assert not began(told[0].pid)


async def test_who_waits_for_an_engine_that_leaves_goes_on_though_its_end_fails(
    pools: Pools, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = pools.open()
    await borrowed(pool)
    seat, close = pool.seats["one"], LocalEngine.close

    async def fails(engine: LocalEngine) -> None:
        await close(engine)
        raise OSError

    seat.is_leaving = True
    waiting = asyncio.create_task(borrowed(pool))
    await asyncio.sleep(0)
    with monkeypatch.context() as once:
        once.setattr(LocalEngine, "close", fails)
        with pytest.raises(OSError):
            await pool._end(seat, "in a test")
    async with asyncio.timeout(60):
        assert (await waiting).state.state == "ready"


async def test_engines_that_could_not_be_renewed_after_an_erasure_are_when_it_is_begun_again(
    pools: Pools, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool, renew, tries = pools.open(), EnginePool.renew, []

    async def fails_once(pool: EnginePool) -> int:
        tries.append(1)
        if len(tries) == 1:
            raise OSError
        return await renew(pool)

    monkeypatch.setattr(EnginePool, "renew", fails_once)
    forgetting = Forgetting(database, pool.folder)
    watching = begin_always(lambda: forgetting.watch(pool), name="renew engines", first_pause_s=0.01)
    try:
        await until(lambda: forgetting._seen is not None)
        worker = (await borrowed(pool)).pid
        await asyncio.to_thread(forgetting.forget)
        assert not began(worker) and len(tries) == 2
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def test_an_erasure_renews_engines_of_every_process_that_serves(pools: Pools, database: Database) -> None:
    """Whoever erases, in any process, waits for the end of the engine whose caches may hold the text."""
    pool = pools.open()
    forgetting = Forgetting(database, pool.folder)
    watching = asyncio.create_task(forgetting.watch(pool))
    await asyncio.sleep(0.05)
    worker = (await borrowed(pool)).pid
    async with pool.engine("one"):
        forgotten = asyncio.create_task(asyncio.to_thread(Forgetting(database, pool.folder).forget))
        await asyncio.sleep(0.8)
        assert began(worker)  # an answer that is being written may end
    assert await forgotten == {"ended": 1, "still_running": 0}
    assert not began(worker)
    assert (await borrowed(pool)).pid != worker
    assert await asyncio.to_thread(Forgetting(database, pool.folder, wait_s=0.1).forget) in (
        {"ended": 0, "still_running": 1},
        {"ended": 1, "still_running": 0},
    )
    watching.cancel()


async def test_an_engine_that_nobody_renews_is_told(pools: Pools, database: Database) -> None:
    pool = pools.open()
    await borrowed(pool)
    forgotten = await asyncio.to_thread(Forgetting(database, pool.folder, wait_s=0.2).forget)
    assert forgotten == {"ended": 0, "still_running": 1}
