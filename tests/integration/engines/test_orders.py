"""Commands have the running server load, unload and pin: through its socket, on real workers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from intramuros.engines.local import LocalEngine
from intramuros.engines.orders import NOTE, Orders, order
from intramuros.engines.pool import EnginePool
from intramuros.errors import BadRequest, Conflict, IntramurosError, ModelTooLarge
from intramuros.privacy.egress import Egress
from tests.models import engines, tiny
from tests.models.engines import Memory, Shelf, until


@pytest.fixture
async def pool(tmp_path: Path) -> AsyncIterator[EnginePool]:
    """A pool of a server that takes orders."""
    shelf = Shelf({name: engines.installed(tiny.chat(tmp_path / name, seed=2), name) for name in ("one", "two")})
    made = EnginePool(shelf, engines.settings(tmp_path, models_memory_mib=64), egress=Egress())
    serving = asyncio.create_task(Orders(made).serve())
    await until((made.folder / NOTE).exists)
    yield made
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    assert not (made.folder / NOTE).exists()
    await made.stop()


async def test_load_show_pin_and_unload(pool: EnginePool) -> None:
    assert (await order(pool.folder, "load", model="one", keep_alive_s=60))["state"] == "ready"
    (state,) = await order(pool.folder, "states")
    assert state["name"] == "one" and state["measured"] and state["size_bytes"] > 0 and state["expires_s"]
    assert (await order(pool.folder, "pin", model="one"))["pinned"]
    with pytest.raises(Conflict, match="pinned"):
        await order(pool.folder, "unload", model="one")
    assert await order(pool.folder, "unpin", model="one") is True
    assert await order(pool.folder, "unload", model="one") is True
    assert await order(pool.folder, "unload", model="one") is False
    assert await order(pool.folder, "states") == []


async def test_who_wants_to_know_is_told_how_far_the_load_is(pool: EnginePool, monkeypatch: pytest.MonkeyPatch) -> None:
    told, goes_on, serve = list[dict[str, Any]](), asyncio.Event(), LocalEngine.start

    def tell(progress: dict[str, Any]) -> None:
        told.append(progress)
        goes_on.set()

    async def slow(*arguments: Any, **more: Any) -> LocalEngine:
        await goes_on.wait()
        return await serve(*arguments, **more)

    monkeypatch.setattr(LocalEngine, "start", slow)
    async with asyncio.timeout(30):
        state = await order(pool.folder, "load", model="one", report=tell)
    assert state["state"] == "ready" and state["progress"] is None
    assert told[0]["stage"] == "waiting" and told[0]["share"] is None
    with pytest.raises(Conflict, match="pinned"):
        pool.note_pin("one", is_pinned=True)
        await order(pool.folder, "unload", model="one", report=tell)


async def test_a_model_in_use_is_refused_with_the_servers_own_error(pool: EnginePool) -> None:
    async with pool.engine("one"):
        with pytest.raises(Conflict, match="in use") as refused:
            await order(pool.folder, "unload", model="one")
    assert refused.value.details["users"] == 1 and refused.value.hint


@pytest.mark.parametrize("raised", [OSError("no file of dupont"), KeyError("dupont")])
async def test_what_nobody_foresaw_is_told_and_not_taken_for_a_server_that_is_not_there(
    pool: EnginePool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, raised: Exception
) -> None:
    async def fails(*_of: Any, **_more: Any) -> LocalEngine:
        raise raised

    monkeypatch.setattr(LocalEngine, "start", fails)
    for report in (None, lambda progress: None):
        with pytest.raises(IntramurosError, match="its log says where"):
            await order(pool.folder, "load", model="one", report=report)
    assert f"an order failed: {type(raised).__name__} at" in caplog.text and "dupont" not in caplog.text


async def test_one_that_can_not_fit_comes_back_as_it_was_raised(pool: EnginePool) -> None:
    pool.settings = engines.settings(pool.folder.parents[2], models_memory_mib=1)
    with pytest.raises(ModelTooLarge) as refused:
        await order(pool.folder, "load", model="two")
    assert refused.value.details["needed_bytes"] > refused.value.details["free_bytes"]  # type: ignore[operator]


@pytest.mark.parametrize(
    "line", [b"\n", b"[]\n", b'{"do": "rm"}\n', b"{" * 100 + b"\n", b'{"do": "load"}\n', b"\xff\n"]
)
async def test_what_is_no_order_harms_nothing(pool: EnginePool, line: bytes) -> None:
    note = json.loads((pool.folder / NOTE).read_text())
    reader, writer = await asyncio.open_unix_connection(note["socket"])
    writer.write(line)
    async with asyncio.timeout(5):
        await reader.read()
    writer.close()
    assert await order(pool.folder, "states") == []
    with pytest.raises(BadRequest):
        await order(pool.folder, "dance")


async def test_a_socket_is_for_its_user_alone(pool: EnginePool) -> None:
    note = json.loads((pool.folder / NOTE).read_text())
    assert Path(note["socket"]).stat().st_mode & 0o077 == 0 and pool.folder.stat().st_mode & 0o077 == 0


async def test_without_a_server_there_is_no_answer(tmp_path: Path) -> None:
    assert await order(tmp_path, "states") is None
    (tmp_path / NOTE).write_text(json.dumps({"socket": str(tmp_path / "gone"), "pid": 1 << 22, "began": 7}))
    assert await order(tmp_path, "states") is None
    (tmp_path / NOTE).write_text("not JSON")
    assert await order(tmp_path, "states") is None


def test_memory_keeps_pins(tmp_path: Path) -> None:
    shelf = Shelf({"one": engines.installed(tiny.chat(tmp_path / "one"), "one")})
    memory = Memory()
    first = EnginePool(shelf, engines.settings(tmp_path), egress=Egress(), remember=memory)
    assert first.note_pin("one", is_pinned=True) and not first.note_pin("one", is_pinned=True)
    second = EnginePool(shelf, engines.settings(tmp_path), egress=Egress(), remember=memory)
    assert second.pinned == {"one"} and second.note_pin("one", is_pinned=False) and not second.pinned
