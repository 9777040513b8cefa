"""One timer for all that an exchange awaits: the same as `asyncio.timeout`."""

from __future__ import annotations

import asyncio

import pytest

from intramuros.server.patience import Patience


async def test_what_ends_in_time_goes_on() -> None:
    patience = Patience()
    for _ in range(3):
        with patience.of(30):
            await asyncio.sleep(0)
    patience.end()


async def test_what_takes_too_long_is_ended_and_the_task_lives() -> None:
    patience, task = Patience(), asyncio.current_task()
    with pytest.raises(TimeoutError), patience.of(0.01):
        await asyncio.Event().wait()
    assert task is not None and not task.cancelling()
    with patience.of(30):
        await asyncio.sleep(0)
    patience.end()


async def test_a_shorter_wait_after_a_longer_one_is_the_shorter() -> None:
    patience = Patience()
    with patience.of(30):
        await asyncio.sleep(0)
    with pytest.raises(TimeoutError), patience.of(0.01):
        await asyncio.Event().wait()
    patience.end()


async def test_a_longer_wait_after_a_shorter_one_is_the_longer() -> None:
    patience = Patience()
    with patience.of(0.01):
        pass
    with patience.of(30):
        await asyncio.sleep(0.05)
    patience.end()


async def test_two_at_once_wait_each_for_itself() -> None:
    patience = Patience()

    async def short() -> None:
        with patience.of(0.01):
            await asyncio.Event().wait()

    with patience.of(30), pytest.raises(TimeoutError):
        await asyncio.create_task(short())
    patience.end()


async def test_a_cancellation_from_elsewhere_stays_one() -> None:
    patience, waits = Patience(), asyncio.Event()

    async def waiting() -> None:
        with patience.of(30):
            waits.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(waiting())
    await waits.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    patience.end()


async def test_no_timer_is_left_behind() -> None:
    patience = Patience()
    with patience.of(30):
        timer = patience._handle
    patience.end()
    assert timer is not None and timer.cancelled()
