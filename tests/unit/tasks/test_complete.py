"""The completion task: the engine's words untouched, its usage metered, its slot freed however it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import orjson
import pytest

from intramuros.accounts.caller import LOCAL
from intramuros.audit.entry import Entry
from intramuros.errors import BadRequest, EngineDied, ModelNotFound, TooMany
from intramuros.observability.metrics import Metrics
from intramuros.tasks.admission import Admission
from intramuros.tasks.complete import CompleteTask
from intramuros.tasks.lane import Ahead, Bounds
from tests.scripted import USAGE, ScriptedEngine, ScriptedPool, chunk

HELLO: dict[str, Any] = {"model": "default", "messages": [{"role": "user", "content": "Bonjour"}]}


@pytest.fixture
def entry() -> Entry:
    return Entry("chat", None, "api")


def made(engine: ScriptedEngine, **more: Any) -> CompleteTask:
    return CompleteTask(pool=ScriptedPool(engine), metrics=Metrics(), **more)


async def streamed(task: CompleteTask, entry: Entry, request: dict[str, Any] = HELLO, **more: Any) -> list[bytes]:
    return [piece async for piece in task.stream(request, by=LOCAL, entry=entry, **more)]


async def test_a_reply_names_the_model_that_answered_and_its_usage(entry: Entry) -> None:
    engine = ScriptedEngine(name_in_chunks="gpt-x")
    task = made(engine)
    whole = await task.run(HELLO, by=LOCAL, entry=entry)
    assert whole["model"] == "scripted" and engine.asked[0]["model"] == "scripted"
    assert whole["usage"] == USAGE
    assert whole["choices"][0]["message"]["content"] == "Bonjour, monde"
    assert entry.facts == {
        "route": "inside",
        "model": "scripted",
        "prompt_tokens": 12,
        "completion_tokens": 3,
        "cached_tokens": 8,
    }
    counted = task.metrics.render().decode()
    assert 'intramuros_tokens_total{kind="completion",model="scripted"} 3.0' in counted
    assert 'intramuros_generations_total{model="scripted",outcome="ok"} 1.0' in counted


async def test_chunks_are_the_engines_own_bytes(entry: Entry) -> None:
    assert await streamed(made(ScriptedEngine()), entry) == [chunk("Bonjour"), chunk(", "), chunk("monde")]
    assert entry.facts["completion_tokens"] == 3 and entry.facts["cached_tokens"] == 8


async def test_usage_comes_last_when_it_was_asked_for(entry: Entry) -> None:
    pieces = await streamed(made(ScriptedEngine()), entry, with_usage=True)
    assert pieces[:3] == [chunk("Bonjour"), chunk(", "), chunk("monde")]
    last = orjson.loads(pieces[3])
    assert last["choices"] == [] and last["usage"] == USAGE


async def test_usage_beside_the_last_words_is_taken_out_when_nobody_asked(entry: Entry) -> None:
    class Together(ScriptedEngine):
        async def stream(self, request: Any) -> Any:
            yield chunk("fin", usage={"prompt_tokens": 4, "completion_tokens": 1})

    pieces = await streamed(made(Together()), entry)
    assert [orjson.loads(piece)["choices"][0]["delta"]["content"] for piece in pieces] == ["fin"]
    assert "usage" not in orjson.loads(pieces[0])
    assert entry.facts["prompt_tokens"] == 4


@pytest.mark.parametrize("name", ["gpt-x", 'a"b', "é"])
async def test_an_engine_that_calls_the_model_otherwise_is_corrected(entry: Entry, name: str) -> None:
    engine = ScriptedEngine(words=('"model":"gpt-x"', "b"), name_in_chunks=name)
    pieces = [orjson.loads(piece) for piece in await streamed(made(engine), entry, with_usage=True)]
    assert {piece["model"] for piece in pieces} == {"scripted"}
    assert pieces[0]["choices"][0]["delta"]["content"] == '"model":"gpt-x"'


async def test_an_unknown_model_borrows_nothing(entry: Entry) -> None:
    task = made(ScriptedEngine())
    with pytest.raises(ModelNotFound):
        await task.run(HELLO | {"model": "nope"}, by=LOCAL, entry=entry)
    assert entry.facts == {"route": "inside"}


@pytest.mark.parametrize("error_after", [0, 2])
async def test_an_engine_that_dies_is_reported_and_its_place_freed(entry: Entry, error_after: int) -> None:
    engine = ScriptedEngine(error=EngineDied(), error_after=error_after)
    task = made(engine)
    got: list[bytes] = []
    with pytest.raises(EngineDied):
        async for piece in task.stream(HELLO, by=LOCAL, entry=entry):
            got.append(piece)
    came = {"completion_tokens": error_after} if error_after else {}
    assert len(got) == error_after and entry.facts == {"route": "inside", "model": "scripted"} | came, (
        "what is not known is not 0"
    )
    assert task.admission.inside == 0 and task.pool.borrowed == 0  # type: ignore[attr-defined]
    assert 'outcome="failed"' in task.metrics.render().decode()


async def test_closing_a_stream_frees_the_engine_at_once(entry: Entry) -> None:
    engine = ScriptedEngine(hangs=True)
    task = made(engine)
    async with aclosing(task.stream(HELLO, by=LOCAL, entry=entry)) as pieces:
        await anext(pieces)
        assert engine.running == 1 and task.admission.inside == 1
    assert engine.running == 0 and engine.cancelled == 1
    assert task.admission.inside == 0 and task.pool.borrowed == 0  # type: ignore[attr-defined]
    assert entry.facts == {"route": "inside", "model": "scripted", "completion_tokens": 1}, "what is not known is not 0"
    assert 'outcome="cancelled"' in task.metrics.render().decode()


def whole(task: CompleteTask, request: dict[str, Any], entry: Entry) -> Any:
    return task.run(request, by=LOCAL, entry=entry)


def in_pieces(task: CompleteTask, request: dict[str, Any], entry: Entry) -> Any:
    return streamed(task, entry, request)


CALL = {"id": "1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}


TOOLS = {"tools": [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]}


@pytest.mark.parametrize("way", [whole, in_pieces])
@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "weather"}}])
async def test_a_tool_that_was_not_called_is_an_error(entry: Entry, way: Callable[..., Any], choice: Any) -> None:
    engine = ScriptedEngine()
    with pytest.raises(BadRequest) as refused:
        await way(made(engine), HELLO | {"tool_choice": choice} | TOOLS, entry)
    assert refused.value.code == "invalid_tool_call"
    assert engine.asked[0]["tool_choice"] == "none" and engine.asked[0]["response_format"]["type"] == "json_schema"


async def test_a_tool_that_was_called_passes(entry: Entry) -> None:
    class Calling(ScriptedEngine):
        async def stream(self, request: Any) -> Any:
            yield chunk(choices=[{"index": 0, "delta": {"tool_calls": [CALL]}, "finish_reason": None}])

    request = HELLO | {"tool_choice": "required"} | TOOLS
    [only] = await streamed(made(Calling()), entry, request)
    assert orjson.loads(only)["choices"][0]["delta"]["tool_calls"] == [CALL | {"index": 0}]
    reply = await made(ScriptedEngine(message={"tool_calls": [CALL]})).run(request, by=LOCAL, entry=entry)
    assert reply["choices"][0]["message"]["tool_calls"] == [CALL]


@pytest.mark.parametrize("way", [whole, in_pieces])
async def test_tools_that_are_not_to_be_used_never_reach_the_engine(entry: Entry, way: Callable[..., Any]) -> None:
    engine = ScriptedEngine()
    await way(made(engine), HELLO | TOOLS | {"tool_choice": "none", "parallel_tool_calls": True}, entry)
    assert not {"tools", "tool_choice", "parallel_tool_calls"} & set(engine.asked[0])


async def test_several_choices_are_numbered_and_counted_once_for_the_prompt(entry: Entry) -> None:
    engine = ScriptedEngine()
    reply = await made(engine).run(HELLO | {"n": 3, "seed": 7}, by=LOCAL, entry=entry)
    assert [choice["index"] for choice in reply["choices"]] == [0, 1, 2]
    assert [asked["seed"] for asked in engine.asked] == [7, 8, 9] and "n" not in engine.asked[0]
    assert reply["usage"]["prompt_tokens"] == 12 and reply["usage"]["completion_tokens"] == 9
    assert entry.facts["completion_tokens"] == 9, "the key pays for what was generated"
    pieces = [orjson.loads(piece) for piece in await streamed(made(engine), entry, HELLO | {"n": 2}, with_usage=True)]
    assert [choice["index"] for piece in pieces for choice in piece["choices"]] == [0, 0, 0, 1, 1, 1]
    assert pieces[-1]["usage"]["completion_tokens"] == 6 and {piece["id"] for piece in pieces} == {"chatcmpl-1"}


async def test_images_are_refused_where_the_model_sees_none(entry: Entry) -> None:
    engine = ScriptedEngine()
    seen = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,"}}]}]
    with pytest.raises(BadRequest) as refused:
        await made(engine).run({"model": "default", "messages": seen}, by=LOCAL, entry=entry)
    assert refused.value.code == "unsupported_content" and engine.asked == []
    await made(engine, sees_images=lambda _: True).run({"model": "default", "messages": seen}, by=LOCAL, entry=entry)
    assert engine.asked


async def test_more_than_the_queue_holds_is_refused_at_once(entry: Entry) -> None:
    task = made(ScriptedEngine(hangs=True, slots=1), admission=Admission(Bounds(per_person=1)))
    running = [asyncio.create_task(task.run(HELLO, by=LOCAL, entry=entry)) for _ in range(2)]
    await asyncio.sleep(0.01)
    with pytest.raises(TooMany) as refused:
        await task.run(HELLO, by=LOCAL, entry=entry)
    assert refused.value.code == "queue_full" and refused.value.details["retry_after_s"] >= 1  # type: ignore[operator]
    for one in running:
        one.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    assert task.admission.inside == 0


async def test_who_waits_is_told_and_then_answered(entry: Entry) -> None:
    engine = ScriptedEngine(hangs=True, slots=1)
    task = made(engine)
    first = asyncio.create_task(task.run(HELLO, by=LOCAL, entry=Entry("chat", None, "api")))
    await asyncio.sleep(0.01)
    told: list[Ahead] = []

    async def heard(ahead: Ahead) -> None:
        told.append(ahead)

    second = asyncio.create_task(streamed(task, entry, on_wait=heard))
    await asyncio.sleep(0.01)
    assert [ahead.position for ahead in told] == [0] and told[0].expected_wait_s > 0
    engine.hangs = False
    first.cancel()
    assert len(await asyncio.wait_for(second, 1)) == 3
    assert entry.facts["queue_position"] == 0 and entry.facts["queue_ms"] > 0
    assert task.admission.inside == 0
