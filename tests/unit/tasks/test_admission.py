"""Admission: who waits is let in in fair order, and whoever leaves, at any moment, leaves nothing behind."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace

import pytest

from intramuros.accounts.caller import LOCAL, Caller
from intramuros.audit.entry import Entry
from intramuros.engines.engine import Usage
from intramuros.errors import TooMany
from intramuros.tasks.admission import Admission, most_tokens_of, prompt_tokens_of
from intramuros.tasks.lane import Bounds
from tests.scripted import ScriptedEngine


def person(name: str, *, key: str = "", weight: float = 1.0) -> Caller:
    return replace(LOCAL, user_id=name, credential=f"key:{key}" if key else "session", weight=weight)


async def work(
    admission: Admission, by: Caller, log: list[str], *, seconds: float = 0.001, model: str = "m", batch: bool = False
) -> None:
    engine = ScriptedEngine(model="m", slots=1)
    with admission.ticket(model, by=by, prompt_tokens=10, is_batch=batch) as ticket:
        await ticket.turn(Entry("chat", None, "api"))
        await ticket.runs_on(engine)
        log.append(by.user_id)
        await asyncio.sleep(seconds)
        ticket.pays(Usage(10, 10))


def is_empty(admission: Admission) -> bool:
    return not admission.inside and not admission._calls and all(lane.model for lane in admission._lanes.values())


async def test_a_flood_by_one_does_not_delay_another() -> None:
    admission, log = Admission(), list[str]()
    flood = [asyncio.create_task(work(admission, person("flood", key=str(n % 3)), log)) for n in range(64)]
    await asyncio.sleep(0)
    await asyncio.gather(work(admission, person("other"), log), *flood)
    assert log.index("other") <= 2, "behind those that ran, not behind those that wait, whatever key they came with"
    assert len(log) == 65 and is_empty(admission)


async def test_weights_decide_how_often_one_is_next() -> None:
    admission, log = Admission(), list[str]()
    heavy, light = person("heavy", weight=3), person("light")
    await asyncio.gather(*(work(admission, by, log) for _ in range(30) for by in (light, heavy)))
    assert 26 <= log[:40].count("heavy") <= 31


async def test_batches_wait_behind_people() -> None:
    admission, log = Admission(), list[str]()
    tasks = [asyncio.create_task(work(admission, person("batch"), log, batch=True)) for _ in range(3)]
    await asyncio.sleep(0)
    await asyncio.gather(*tasks, *(work(admission, person("me"), log) for _ in range(5)))
    assert log == ["batch", *["me"] * 5, "batch", "batch"]


async def test_64_waiters_cancelled_at_any_moment_leave_nothing() -> None:
    admission, log, dice = Admission(), list[str](), random.Random(1)
    tasks = [asyncio.create_task(work(admission, person(str(n % 5)), log, seconds=0.005)) for n in range(64)]
    await asyncio.sleep(0.02)
    dice.shuffle(tasks)
    for number, task in enumerate(tasks):
        task.cancel()
        if number % 7 == 0:
            await asyncio.sleep(0.002)
    await asyncio.gather(*tasks, return_exceptions=True)
    assert is_empty(admission)
    before = len(log)
    await work(admission, person("next"), log)
    assert len(log) == before + 1


async def test_who_leaves_frees_the_slot_for_the_next_at_once() -> None:
    admission, log = Admission(), list[str]()
    first = asyncio.create_task(work(admission, person("a"), log, seconds=60))
    await asyncio.sleep(0.01)
    second = asyncio.create_task(work(admission, person("b"), log, seconds=0))
    await asyncio.sleep(0.01)
    first.cancel()
    await asyncio.wait_for(second, timeout=5)
    assert is_empty(admission)


async def test_a_slot_given_to_one_who_is_just_leaving_goes_on() -> None:
    """Both in one turn of the loop: the slot is given, and its new owner cancelled before it hears of it."""
    admission, log = Admission(), list[str]()
    first = asyncio.create_task(work(admission, person("a"), log, seconds=60))
    await asyncio.sleep(0)
    second, third = (asyncio.create_task(work(admission, person(name), log)) for name in "bc")
    await asyncio.sleep(0.01)
    first.add_done_callback(lambda _: second.cancel())
    first.cancel()
    await asyncio.gather(first, second, third, return_exceptions=True)
    assert log == ["a", "c"] and is_empty(admission)


async def test_a_full_queue_refuses_and_keeps_nothing() -> None:
    admission, log = Admission(Bounds(total=1)), list[str]()
    first, second = (asyncio.create_task(work(admission, person("a"), log, seconds=60)) for _ in range(2))
    await asyncio.sleep(0.01)
    with pytest.raises(TooMany):
        await work(admission, person("b"), log)
    first.cancel()
    second.cancel()
    await asyncio.gather(first, second, return_exceptions=True)
    assert log == ["a"] and is_empty(admission)


async def test_names_that_no_engine_has_are_forgotten() -> None:
    admission = Admission()
    for number in range(100):
        with admission.ticket(f"no-{number}", by=LOCAL, prompt_tokens=1):
            pass
    assert admission._lanes == {}


async def test_a_name_and_its_model_share_one_lane_until_the_name_means_another() -> None:
    admission = Admission()
    with admission.ticket("default", by=LOCAL, prompt_tokens=1) as ticket:
        await ticket.runs_on(ScriptedEngine(model="small", slots=2))
    with (
        admission.ticket("small", by=LOCAL, prompt_tokens=1) as one,
        admission.ticket("default", by=LOCAL, prompt_tokens=1) as two,
    ):
        assert one.lane is two.lane and one.lane.slots == 2
        await two.runs_on(ScriptedEngine(model="large", slots=4))
    with (
        admission.ticket("small", by=LOCAL, prompt_tokens=1) as one,
        admission.ticket("default", by=LOCAL, prompt_tokens=1) as two,
    ):
        assert one.lane is not two.lane and (one.lane.slots, two.lane.slots) == (2, 4)
    assert not admission.inside


def test_a_prompt_is_estimated_without_reading_it_twice() -> None:
    parts = [{"type": "text", "text": "abcd" * 10}, {"type": "image_url", "image_url": {"url": "data:,"}}]
    request = {
        "messages": [{"role": "user", "content": parts}, {"role": "user", "content": "abcd"}],
        "max_tokens": 7,
        "n": 2,
    }
    assert prompt_tokens_of(request) == 10 + 300 + 1 and most_tokens_of(request) == 14
    assert most_tokens_of({}) is None and prompt_tokens_of({"messages": [{"role": "assistant", "content": None}]}) == 0
