"""Work that nobody awaits: its failures are in the log without a value, and what goes on always is begun again."""

from __future__ import annotations

import asyncio

import pytest

from intramuros.background import begin, begin_always


async def fails() -> None:
    raise ValueError("with the words of Dupont")


async def test_work_that_fails_is_in_the_log_with_its_place_and_without_its_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    await asyncio.wait({begin(fails(), name="look at upstreams")})
    [record] = caplog.records
    assert record.levelname == "ERROR" and "Dupont" not in caplog.text
    assert record.getMessage().startswith("look at upstreams failed: ValueError at test_background.py:")


async def test_work_that_is_cancelled_or_done_is_not_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    asleep = begin(asyncio.sleep(60), name="asleep")
    assert await begin(asyncio.sleep(0, 7), name="done") == 7
    asleep.cancel()
    await asyncio.wait({asleep})
    assert not caplog.records


async def test_work_that_goes_on_always_is_begun_again_until_it_ends_by_itself(
    caplog: pytest.LogCaptureFixture,
) -> None:
    times = 0

    async def work() -> None:
        nonlocal times
        times += 1
        if times < 3:
            await fails()

    await begin_always(work, name="routes", first_pause_s=0.001)
    pauses = [record.getMessage().rpartition("again in ")[2] for record in caplog.records]
    assert times == 3 and pauses == ["0.001 s", "0.002 s"] and "Dupont" not in caplog.text


async def test_work_is_not_begun_again_once_it_is_to_stop() -> None:
    stop, begun = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        await fails()

    task = begin_always(work, name="ingest", stop=stop, first_pause_s=60)
    await begun.wait()
    stop.set()
    async with asyncio.timeout(5):
        await task


async def test_work_that_goes_on_always_ends_when_it_is_cancelled() -> None:
    begun = asyncio.Event()

    async def work() -> None:
        begun.set()
        await asyncio.sleep(60)

    task = begin_always(work, name="erase")
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
