"""Several models within a budget of memory, on real workers and tiny models; a scripted clock tells who was idle."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from intramuros.engines.local import LocalEngine
from intramuros.engines.options import choose, footprint
from intramuros.engines.pool import EnginePool
from intramuros.engines.published import began
from intramuros.engines.seat import GRACE_S, LEAST_STAY_S
from intramuros.errors import Conflict, EngineLoadFailed, MemoryBusy, ModelTooLarge
from intramuros.models.catalogue import load as load_catalogue
from intramuros.models.installed import digest_of
from intramuros.models.machine import Machine
from intramuros.privacy.egress import Egress
from tests.models import engines, folders, shapes
from tests.models.engines import Memory, Shelf, until

MIB = 1 << 20
FIXED: dict[str, Any] = {"context_tokens": 512, "slots": 1}


class Clock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Three models of some 24 MiB and one of 60."""
    folder = tmp_path_factory.mktemp("models")
    small: dict[str, Any] = {"feed": 2048, "layers": 6, "vocabulary": 4000}
    made = {name: shapes.write(shapes.Shape(**small), folder / name, seed=seed) for seed, name in enumerate("abc")}
    return made | {"big": shapes.write(shapes.Shape(feed=4096, layers=10), folder / "big")}


@pytest.fixture
def shelf(files: dict[str, Path]) -> Shelf:
    return Shelf({name: replace(engines.installed(path, name), sha256=digest_of(path)) for name, path in files.items()})


@pytest.fixture
def clock() -> Clock:
    return Clock()


class Pools:
    def __init__(self, tmp_path: Path, shelf: Shelf, clock: Clock) -> None:
        self.tmp_path, self.shelf, self.clock, self.opened = tmp_path, shelf, clock, list[EnginePool]()

    def size(self, name: str) -> int:
        """What a model takes as it is loaded here, by the prediction."""
        header = self.shelf.models[name].header
        options = choose(header, Machine.detect(), engines.settings(self.tmp_path, **FIXED))
        return footprint(options, header).total_bytes

    def open(self, room_for: str, *, remember: Memory | None = None, **more: Any) -> EnginePool:
        """A pool whose budget is just enough for these models."""
        mib = sum(self.size(name) for name in room_for.split()) // MIB + 2
        chosen = engines.settings(self.tmp_path, **({"models_memory_mib": mib} | FIXED | more))
        opened = EnginePool(
            self.shelf, chosen, egress=Egress(), remember=remember, catalogue=load_catalogue(), clock=self.clock
        )
        self.opened.append(opened)
        return opened


@pytest.fixture
async def pools(tmp_path: Path, shelf: Shelf, clock: Clock) -> AsyncIterator[Pools]:
    made = Pools(tmp_path, shelf, clock)
    yield made
    for opened in made.opened:
        await opened.stop()


async def used(pool: EnginePool, clock: Clock, *names: str) -> None:
    """Asks one model after the other, with ten seconds in between."""
    for name in names:
        async with pool.engine(name):
            pass
        clock.now += 10


async def test_several_models_are_loaded_at_once(pools: Pools, clock: Clock) -> None:
    pool = pools.open("a b c")
    await used(pool, clock, "a", "b", "c")
    states = pool.states()
    assert {name: state.state for name, state in states.items()} == dict.fromkeys("abc", "ready")
    assert sum(state.size_bytes for state in states.values()) <= pool.budget_bytes(Machine.detect())


async def test_the_size_is_measured_and_remembered(pools: Pools, clock: Clock) -> None:
    pool = pools.open("a", remember=(memory := Memory()))
    await used(pool, clock, "a")
    state = pool.states()["a"]
    assert state.is_measured and state.size_bytes == pytest.approx(pools.size("a"), rel=0.05)
    key = next(key for key in memory.values if key.startswith("size:"))
    await pool.stop()
    memory.values[key] = [part * 3 for part in memory.values[key]]  # as if it had taken more than was predicted
    with pytest.raises(ModelTooLarge):
        await used(pools.open("a", remember=memory), clock, "a")


async def test_the_model_that_was_idle_longest_makes_room(pools: Pools, clock: Clock) -> None:
    pool = pools.open("a b")
    await used(pool, clock, "a", "b", "a", "c")
    assert set(pool.states()) == {"a", "c"}


async def test_as_many_leave_as_must(pools: Pools, clock: Clock) -> None:
    pool = pools.open("a big")
    await used(pool, clock, "a", "b", "c", "big")
    assert set(pool.states()) == {"c", "big"}


async def test_nobody_leaves_for_a_model_whose_engine_is_not_installed(
    pools: Pools, clock: Clock, shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.models["elsewhere"] = engines.installed_folder(folders.chat(tmp_path / "elsewhere"), "elsewhere")
    pool = pools.open("elsewhere")
    await used(pool, clock, "big")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(EngineLoadFailed, match="is missing"):
        await used(pool, clock, "elsewhere")
    assert pool.states()["big"].state == "ready"


async def test_a_pinned_model_stays(pools: Pools, clock: Clock) -> None:
    pool = pools.open("a b")
    await pool.pin("a")
    await used(pool, clock, "b", "c")
    assert set(pool.states()) == {"a", "c"} and pool.states()["a"].is_pinned
    assert pool.states()["a"].expires_s is None


async def test_pins_are_remembered_and_loaded_at_the_start(pools: Pools, shelf: Shelf, clock: Clock) -> None:
    memory = Memory()
    first = pools.open("a b c", remember=memory)
    await first.pin("a")
    await first.stop()
    shelf.models["default"] = shelf.models["b"]
    second = pools.open("a b c", remember=memory, preload="c")
    await second.preload()
    assert set(second.states()) == {"a", "b", "c"} and second.pinned == {"a", "c"}
    assert second.note_pin("a", is_pinned=False) and second.pinned == {"c"}
    with pytest.raises(Conflict, match="setting"):
        second.note_pin("c", is_pinned=False)


async def test_too_large_says_what_would_fit_and_who_holds_the_memory(pools: Pools, clock: Clock) -> None:
    pool = pools.open("a big")
    await pool.pin("a")
    await used(pool, clock, "b")
    await pool.pin("b")
    with pytest.raises(ModelTooLarge) as refused:
        await used(pool, clock, "big")
    error = refused.value
    assert error.details["pinned"] == ["a", "b"]
    assert "unpin a" in error.hint and "models unpin" in error.hint
    assert "Q4_K_M version" in error.hint and "instead of F16" in error.hint
    assert set(pool.states()) >= {"a", "b"}  # nobody left for what can't fit anyway


async def test_too_large_with_a_fixed_context_names_the_one_that_fits(pools: Pools, clock: Clock) -> None:
    pool = pools.open("a", context_tokens=32768)
    with pytest.raises(ModelTooLarge) as refused:
        await used(pool, clock, "a")
    assert "INTRAMUROS_CONTEXT_TOKENS=" in refused.value.hint
    assert "smollm2" not in refused.value.hint  # no larger one


async def test_keep_alive(pools: Pools, clock: Clock) -> None:
    pool = pools.open("a b c", engine_idle_s=100)
    async with pool.engine("a", keep_alive_s=0):
        pass
    await until(lambda: "a" not in pool.states())
    async with pool.engine("a", keep_alive_s=20), pool.engine("b", keep_alive_s=-1), pool.engine("c"):
        assert pool.states()["a"].users == 1
    assert pool.states()["a"].expires_s == pytest.approx(time.time() + 20, abs=2)
    assert pool.states()["b"].expires_s is None
    clock.now += 21
    assert await pool.unload_idle() == 1 and set(pool.states()) == {"b", "c"}
    clock.now += 80
    assert await pool.unload_idle() == 1 and set(pool.states()) == {"b"}
    clock.now += 1e6
    assert await pool.unload_idle() == 0


async def test_a_model_in_use_is_not_unloaded_on_request(pools: Pools) -> None:
    pool = pools.open("a")
    async with pool.engine("a"):
        with pytest.raises(Conflict, match="in use"):
            await pool.unload("a")
        waiting = asyncio.create_task(pool.unload("a", wait_s=10))
        await asyncio.sleep(0.05)
        assert not waiting.done()
    assert await waiting is True and pool.states() == {}
    assert await pool.unload("a") is False


async def test_a_pinned_model_is_unpinned_before_it_is_unloaded(pools: Pools) -> None:
    pool = pools.open("a")
    await pool.pin("a")
    with pytest.raises(Conflict, match="pinned"):
        await pool.unload("a")
    pool.note_pin("a", is_pinned=False)
    assert await pool.unload("a")


async def test_a_model_in_use_is_waited_for_and_its_next_user_waits_its_turn(pools: Pools, clock: Clock) -> None:
    pool, order = pools.open("a"), list[str]()
    async with pool.engine("a"):
        worker = pool.states()["a"]
        clock.now += LEAST_STAY_S + 60  # it had its stay
        waiting = asyncio.create_task(asked(pool, "b", order))
        await until(lambda: pool.seats["a"].is_leaving)
        late = asyncio.create_task(asked(pool, "a", order))
        await asyncio.sleep(0.1)
        assert not waiting.done() and not late.done() and worker.state == "ready"
    await waiting
    clock.now += LEAST_STAY_S + 60
    await late
    assert order == ["b", "a"] and set(pool.states()) == {"a"}


async def asked(pool: EnginePool, name: str, order: list[str], *, for_s: float = 0.0) -> None:
    async with pool.engine(name) as engine:
        order.append(engine.model)
        await asyncio.sleep(for_s)


async def test_a_wait_is_bounded_and_then_everybody_goes_on(pools: Pools, clock: Clock) -> None:
    pool = pools.open("a")
    pool.wait_s = 0.3
    async with pool.engine("a"):
        clock.now += 60
        with pytest.raises(MemoryBusy, match="in use hold: a"):
            await asked(pool, "b", [])
        async with asyncio.timeout(10):
            await asked(pool, "a", [])  # its memory is not wanted any more
    clock.now += 60
    await asked(pool, "b", [])
    assert set(pool.states()) == {"b"}


async def test_who_asks_again_at_once_keeps_its_model_for_its_stay(pools: Pools, clock: Clock) -> None:
    pool = pools.open("a")
    await asked(pool, "a", [])
    waiting = asyncio.create_task(asked(pool, "b", []))
    for _ in range(5):
        await asyncio.sleep(0.1)
        async with asyncio.timeout(10):
            await asked(pool, "a", [])
    assert not waiting.done()
    clock.now += GRACE_S + 0.1
    async with asyncio.timeout(5):
        await waiting


async def test_who_asks_while_an_engine_ends_gets_a_new_one(pools: Pools) -> None:
    """The one that ends still has its notice, by which another process would find it."""
    pool = pools.open("a")
    for _ in range(5):
        async with pool.engine("a") as first:
            pass
        ending = asyncio.create_task(pool.unload("a", wait_s=5))
        await until(lambda: "a" not in pool.states())
        async with pool.engine("a") as engine:
            assert engine is not first
            await engine.generate(engines.HELLO | {"max_tokens": 2})
        await ending


async def test_two_models_that_do_not_fit_together_neither_starve_nor_thrash(
    pools: Pools, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four people ask each of them without a pause, in real time."""
    loads, served = list[str](), {"a": 0, "b": 0}
    start = LocalEngine.start

    async def counted(model: Any, *arguments: Any, **more: Any) -> Any:
        loads.append(model.name)
        return await start(model, *arguments, **more)

    monkeypatch.setattr(LocalEngine, "start", counted)
    pools.clock = time.monotonic  # type: ignore[assignment]
    pool = pools.open("a")
    ends = time.monotonic() + 6.5

    async def person(name: str) -> None:
        while time.monotonic() < ends:
            async with pool.engine(name) as engine:
                assert await engine.health()
                await asyncio.sleep(0.02)
            served[name] += 1

    async with asyncio.timeout(30):
        await asyncio.gather(*(person(name) for name in "aabbaabb"))
    assert min(served.values()) >= 10
    assert len(loads) <= 5  # a turn is two seconds at least
    assert len(pool.states()) == 1


async def test_many_loads_at_once_all_get_their_turn(pools: Pools) -> None:
    pools.clock = time.monotonic  # type: ignore[assignment]
    pool, order = pools.open("a"), list[str]()
    async with asyncio.timeout(30):
        await asyncio.gather(*(asked(pool, name, order) for name in "abcabc"))
    assert sorted(order) == list("aabbcc")


async def test_a_load_that_is_cancelled_gives_its_memory_back(pools: Pools, clock: Clock) -> None:
    pool = pools.open("a")
    async with pool.engine("a"):
        clock.now += 60
        waiting = asyncio.create_task(asked(pool, "b", []))
        await until(lambda: pool.seats["a"].is_leaving)
        waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    clock.now += 60
    await asked(pool, "c", [])
    assert "c" in pool.states()


async def test_engines_of_other_processes_count_and_are_left_alone(pools: Pools, clock: Clock) -> None:
    server, command = pools.open("a b"), pools.open("a")
    await used(server, clock, "a")
    worker = next(iter(server.confinements()))
    assert worker == "a" and command.elsewhere()["a"].size_bytes > 0
    with pytest.raises(ModelTooLarge, match="another process"):
        await used(command, clock, "b")
    await used(command, clock, "a")  # is there already, and takes nothing more
    assert began(server.seats["a"].engine.pid)  # type: ignore[union-attr]
